import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kept } from '../../src/schema/index.ts';
import type { Service } from '../../src/service/index.ts';
import { drawing } from './shapes.ts';
import { makeSmallRun, type SmallRun } from './small-service.ts';

/*
 * What clip-front, clip-retrieval's web page, asks: the bodies as its code makes them (front/src/clip-service.js and
 * clip-front.js of rom1504/clip-retrieval at b055335), from a page of another origin, without a Content-Type of its own.
 */
const PAGE = 'https://rom1504.github.io';
let run: SmallRun;
let service: Service;
let name = '';

beforeAll(async () => {
  run = await makeSmallRun();
  const picture = await drawing('purple', 'circle', 300, 300);
  service = await run.start({
    corsOrigins: ['*'],
    fetchImage: async (url) => kept({ bytes: picture, finalUrl: url, contentType: 'image/jpeg' }),
  });
});
afterAll(async () => {
  await run.end();
  expect(run.failures).toEqual([]);
});

interface Hit {
  id: number;
  similarity: number;
  url?: string;
  caption?: string;
}

async function ask(path: string, body?: unknown): Promise<unknown> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(new URL(path, service.url), { ...init, headers: { Origin: PAGE } });
  expect(response.status).toBe(200);
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
  return response.json();
}

/** `callClipService` with the state of a page that was just opened (`init`). */
const search = async (state: object) =>
  (await ask('/knn-service', {
    ...{ text: null, image: null, image_url: null, embedding_input: null, modality: 'image', num_images: 40 },
    ...{ indice_name: name, num_result_ids: 3000, use_mclip: false, deduplicate: true },
    ...{ use_safety_model: true, use_violence_detector: true, aesthetic_score: '', aesthetic_weight: '0.5' },
    ...state,
  })) as Hit[];
const captionOf = (hit: Hit | undefined) => run.all[hit?.id ?? -1]?.row.text ?? '';

describe('clip-front', () => {
  test('lists the indices and takes the first', async () => {
    const names = (await ask('/indices-list')) as string[];
    expect(names).toHaveLength(1);
    name = names[0] ?? '';
  });

  test('searches by words, then fetches what it has not got of the rest, forty at a time', async () => {
    const hits = await search({ text: 'a blue circle', deduplicate: false });
    expect(captionOf(hits[0])).toMatch(/blue circle/);
    expect(hits).toHaveLength(73);
    expect(hits.map((hit) => 'url' in hit)).toEqual(hits.map((_, i) => i < 40));
    const ids = hits.slice(40, 80).map(({ id }) => id);
    const rows = (await ask('/metadata', { ids, indice_name: name })) as { id: number; metadata: Hit }[];
    const merged = hits
      .slice(40)
      .map((hit) => ({ ...rows.find(({ id }) => id === hit.id)?.metadata, ...hit }));
    for (const hit of merged)
      expect(hit).toMatchObject({ url: run.all[hit.id]?.row.url, caption: captionOf(hit) });
  });

  test('leaves near-duplicates out as its boxes are ticked at the start', async () => {
    expect(await search({ text: 'a blue circle' })).toHaveLength(15);
  });

  test.each([
    [
      'a picture that was dropped, after words were deleted',
      async () => ({ text: '', image: await base64() }),
    ],
    ['the address of a picture', async () => ({ text: '', image_url: 'https://example.org/a.jpg' })],
  ])('%s', async (_, state) => {
    expect(captionOf((await search(await state()))[0])).toMatch(/purple circle/);
  });

  test('its other boxes: texts, safe mode, beauty', async () => {
    const text = 'a red square';
    expect(captionOf((await search({ text, modality: 'text' }))[0])).toMatch(/red square/);
    const unsafe = await search({ text, use_safety_model: false, deduplicate: false });
    expect(unsafe.map(({ id }) => id)).toContain(0);
    expect(
      await search({ text, aesthetic_score: '9', aesthetic_weight: '0.5', use_mclip: true }),
    ).toHaveLength(15);
  });

  test('its download asks for ten thousand at once', async () => {
    const hits = await search({
      text: 'red',
      num_images: 10_000,
      num_result_ids: 10_000,
      deduplicate: false,
    });
    expect(hits).toHaveLength(73);
    for (const hit of hits)
      expect(hit).toMatchObject({ url: expect.any(String), caption: expect.any(String) });
  });
});

async function base64(): Promise<string> {
  return (await drawing('purple', 'circle', 200, 260)).toString('base64');
}
