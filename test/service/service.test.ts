import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWebSource } from '../../src/fetcher/index.ts';
import { dropped, kept } from '../../src/schema/index.ts';
import { type Service, startService } from '../../src/service/index.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { DIMENSION, drawing, embedWords, shapeEmbedder } from './shapes.ts';
import { type Sample, samples, stageContext, writeRelease } from './small-release.ts';

let dir = '';
let all: Sample[] = [];
let service: Service;
const failures: unknown[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'service-'));
  all = await samples();
  await writeRelease(dir, all);
  await indexRelease({ dir }, stageContext(dir));
  service = await startService({
    dir,
    port: 0,
    embedder: shapeEmbedder,
    limits: { maxBodyBytes: 200_000 },
    onError: (error) => failures.push(error),
    fetchImage: async (url) =>
      url === 'https://images.example/green-triangle.jpg'
        ? kept({ bytes: await drawing('green', 'triangle', 300, 300), finalUrl: url, contentType: '' })
        : dropped('address', '127.0.0.1'),
  });
});
afterAll(async () => {
  await service.close();
  await rm(dir, { recursive: true, force: true });
  expect(failures).toEqual([]);
});

interface Result {
  id: number;
  similarity: number;
  url?: string;
  caption?: string;
  NSFW?: string;
}

async function post(path: string, body: unknown): Promise<{ status: number; body: unknown }> {
  // No Content-Type of JSON, as clip_client.py sends none.
  const response = await fetch(new URL(path, service.url), {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function knn(body: object): Promise<Result[]> {
  const answer = await post('/knn-service', { ...CLIENT, ...body });
  expect(answer.status).toBe(200);
  return answer.body as Result[];
}

/** What clip_client.py sends by default, whole (clip_retrieval/clip_client.py, __search_knn_api__). */
const CLIENT = {
  text: null,
  image: null,
  image_url: null,
  embedding_input: null,
  deduplicate: false,
  use_safety_model: true,
  use_violence_detector: true,
  indice_name: null,
  use_mclip: false,
  aesthetic_score: 9,
  aesthetic_weight: 0.5,
  modality: 'image',
  num_images: 40,
  num_result_ids: 40,
};

const textOf = (result: Result) => all[result.id]?.row.text ?? '';

describe("clip-retrieval's API", () => {
  test('searches by text', async () => {
    const results = await knn({ text: 'a blue circle', num_images: 5, num_result_ids: 5 });
    expect(results).toHaveLength(5);
    for (const result of results) {
      expect(textOf(result)).toMatch(/blue circle/);
      // The words of a query and the picture of a blue circle have the very same vector.
      expect(result.similarity).toBeCloseTo(1, 3);
      expect(result).toMatchObject({
        url: all[result.id]?.row.url,
        caption: textOf(result),
        NSFW: 'UNLIKELY',
      });
    }
  });

  test('searches by picture, by address of a picture, by embedding', async () => {
    const image = (await drawing('purple', 'triangle', 200, 260)).toString('base64');
    expect(textOf((await knn({ image }))[0] as Result)).toMatch(/purple triangle/);
    const image_url = 'https://images.example/green-triangle.jpg';
    expect(textOf((await knn({ image_url }))[0] as Result)).toMatch(/green triangle/);
    const embedding_input = [...embedWords('yellow square')].map((x) => x * 7);
    expect(textOf((await knn({ embedding_input }))[0] as Result)).toMatch(/yellow square/);
  });

  test('searches texts where asked for', async () => {
    const results = await knn({ text: 'a green square', modality: 'text', num_images: 3, num_result_ids: 3 });
    for (const result of results) expect(textOf(result)).toMatch(/green square/);
  });

  test('results beyond num_images come without metadata', async () => {
    const results = await knn({ text: 'a blue circle', num_images: 2, num_result_ids: 6 });
    expect(results).toHaveLength(6);
    expect(results.map((result) => 'url' in result)).toEqual([true, true, false, false, false, false]);
  });

  test('near-duplicates leave one', async () => {
    const results = await knn({ text: 'red', deduplicate: true, num_images: 75, num_result_ids: 75 });
    // Every picture of one colour and shape has one vector: 15 are left of 75.
    expect(results).toHaveLength(15);
    expect(
      new Set(
        results.map((result) =>
          textOf(result)
            .match(/(red|green|blue|yellow|purple).* (\w+),/)
            ?.slice(1)
            .join(),
        ),
      ).size,
    ).toBeGreaterThan(12);
  });

  test('hides what may not be safe, unless asked for by either name', async () => {
    const ids = async (body: object) =>
      (await knn({ text: 'a red square', ...body })).map((result) => result.id);
    expect(await ids({})).not.toContain(0);
    expect(await ids({ use_safety_model: null })).not.toContain(0);
    expect(await ids({ use_safety_model: false })).toEqual(expect.arrayContaining([0, 6]));
    expect(await ids({ nsfw: true })).toEqual(expect.arrayContaining([0, 6]));
    expect(await ids({ nsfw: false, use_safety_model: false })).not.toContain(0);
  });

  test('metadata by ids, in their order', async () => {
    const { status, body } = await post('/metadata', { ids: [70, 4, 70], indice_name: null });
    expect(status).toBe(200);
    expect(body).toMatchObject([
      { id: 70, metadata: { caption: all[70]?.row.text, uid: all[70]?.row.uid } },
      { id: 4, metadata: { caption: all[4]?.row.text } },
      { id: 70 },
    ]);
    expect((await post('/metadata', { ids: [] })).body).toEqual([]);
  });

  test('names its one index, and refuses another', async () => {
    const names = await (await fetch(new URL('/indices-list', service.url))).json();
    expect(names).toEqual([dir.split('/').at(-1)]);
    expect(await knn({ text: 'red', indice_name: (names as string[])[0] })).toHaveLength(40);
    expect(await post('/knn-service', { ...CLIENT, text: 'red', indice_name: 'laion5B' })).toMatchObject({
      status: 400,
    });
  });
});

describe('what else it answers', () => {
  test('pictures as they are stored', async () => {
    const response = await fetch(new URL('/images/7', service.url));
    expect(response.headers.get('content-type')).toBe('image/jpeg');
    expect(Buffer.from(await response.arrayBuffer()).equals(all[7]?.image ?? Buffer.of())).toBe(true);
  });

  test('says that it lives', async () => {
    expect(await (await fetch(new URL('/healthz', service.url))).json()).toEqual({ status: 'ok', rows: 75 });
  });

  test('metrics in the format of Prometheus', async () => {
    await knn({ text: 'red' });
    const lines = (await (await fetch(new URL('/metrics', service.url))).text()).split('\n');
    expect(lines).toContain('gleaner_rows 75');
    expect(
      lines.some((line) =>
        /^gleaner_http_requests_total\{route="\/knn-service",status="200"\} [1-9]/.test(line),
      ),
    ).toBe(true);
    expect(lines.some((line) => /^full_knn_request_time_count [1-9]/.test(line))).toBe(true);
  });
});

describe('what is hostile is refused in one line', () => {
  test.each([
    ['no JSON', '/knn-service', '{"text":'],
    ['no object', '/knn-service', '[]'],
    ['null', '/knn-service', 'null'],
    ['nothing asked for', '/knn-service', {}],
    ['text that is a number', '/knn-service', { text: 5 }],
    ['text without end', '/knn-service', { text: 'a'.repeat(10_001) }],
    ['no base64', '/knn-service', { image: '<script>' }],
    ['no picture', '/knn-service', { image: 'AAAA' }],
    ['an address that is not public', '/knn-service', { image_url: 'http://127.0.0.1/' }],
    ['an address of a file', '/knn-service', { image_url: 'file:///etc/passwd' }],
    ['no address', '/knn-service', { image_url: 'etc/passwd' }],
    ['an embedding of another model', '/knn-service', { embedding_input: [1, 2] }],
    ['an embedding of zeros', '/knn-service', { embedding_input: Array(DIMENSION).fill(0) }],
    ['an embedding too large for a float', '/knn-service', { embedding_input: Array(DIMENSION).fill(1e300) }],
    ['another modality', '/knn-service', { text: 'a', modality: 'sound' }],
    ['less than one result', '/knn-service', { text: 'a', num_images: 0 }],
    ['half a result', '/knn-service', { text: 'a', num_images: 1.5 }],
    ['an unknown row', '/metadata', { ids: [75] }],
    ['a negative row', '/metadata', { ids: [-1] }],
    ['rows without end', '/metadata', { ids: Array(10_001).fill(1) }],
  ])('%s', async (_, path, body) => {
    const answer = await post(path, body);
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual({ error: expect.stringMatching(/^[^\n]{5,300}$/) });
  });

  test.each([
    '/images/75',
    '/images/-1',
    '/images/1e1',
    '/images/..%2f..%2fetc%2fpasswd',
    '/api/v1/rows/abc',
    '/api/v1/rows/99999999999999999999',
    '/nothing',
    '/assets/..%2f..%2fpackage.json',
  ])('GET %s: 404', async (path) => {
    const response = await fetch(new URL(path, service.url));
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ error: expect.any(String) });
  });

  test('a body above the limit, announced or not', async () => {
    expect((await post('/knn-service', { text: 'a', image: 'A'.repeat(200_000) })).status).toBe(413);
    const request = httpRequest(new URL('/knn-service', service.url), { method: 'POST' });
    for (let i = 0; i < 4; i++) request.write('A'.repeat(64_000));
    request.end();
    const [response] = await once(request, 'response');
    expect(response.statusCode).toBe(413);
    expect(JSON.parse(await text(response))).toEqual({ error: expect.any(String) });
  });

  test('every answer carries the headers that keep a browser from mischief', async () => {
    for (const path of ['/', '/images/7', '/api/v1/release', '/nothing']) {
      const { headers } = await fetch(new URL(path, service.url));
      expect(headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(headers.get('content-security-policy')).not.toContain('unsafe');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });
});

test('a picture is fetched from public addresses only, by the fetcher itself', async () => {
  const asked: string[] = [];
  const host = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end();
  });
  host.listen(0, '127.0.0.1');
  await once(host, 'listening');
  const { port } = host.address() as AddressInfo;
  const source = createWebSource({ anonymous: true });
  const open = await startService({
    dir,
    port: 0,
    embedder: shapeEmbedder,
    fetchImage: (url) => source.get(url),
  });
  const response = await fetch(new URL('/knn-service', open.url), {
    method: 'POST',
    body: JSON.stringify({ ...CLIENT, image_url: `http://127.0.0.1:${port}/picture.jpg` }),
  });
  expect(response.status).toBe(400);
  expect(await response.text()).toContain('address is not public');
  expect(asked).toEqual([]);
  await open.close();
  await source.close();
  host.close();
});

describe('starting and ending', () => {
  test('a failure of ours tells the operator all and the client nothing', async () => {
    const told: unknown[] = [];
    const embedder = {
      ...shapeEmbedder,
      embedTexts: () => Promise.reject(new Error('at /home/secret/model.onnx')),
    };
    const broken = await startService({ dir, port: 0, embedder, onError: (error) => told.push(error) });
    const response = await fetch(new URL('/knn-service', broken.url), {
      method: 'POST',
      body: '{"text":"a"}',
    });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toMatch(/secret|\n/);
    expect(told).toHaveLength(1);
    await broken.close();
  });

  test('a port in use is named', async () => {
    await expect(startService({ dir, port: service.port, embedder: shapeEmbedder })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(String(service.port)),
    });
  });

  test('a run without an index, and another model, are refused', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'service-'));
    await expect(startService({ dir: empty, port: 0, embedder: shapeEmbedder })).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
    });
    await rm(empty, { recursive: true });
    const embedder = { ...shapeEmbedder, files: { 'shapes.ts': 'b'.repeat(64) } };
    await expect(startService({ dir, port: 0, embedder })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('shapes.ts'),
    });
  });

  test('closes although a client keeps its connection, and finishes what it had begun', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let entered = () => {};
    const inside = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const embedder = {
      ...shapeEmbedder,
      async embedTexts(texts: readonly string[]) {
        entered();
        await held;
        return shapeEmbedder.embedTexts(texts);
      },
    };
    const other = await startService({ dir, port: 0, embedder });
    const idle = connect(other.port, '127.0.0.1');
    await once(idle, 'connect');
    const answer = fetch(new URL('/knn-service', other.url), { method: 'POST', body: '{"text":"red"}' });
    await inside;
    const closed = other.close();
    release();
    expect((await answer).status).toBe(200);
    await closed;
    await other.close();
    idle.destroy();
    await expect(fetch(other.url)).rejects.toThrow();
  });
});
