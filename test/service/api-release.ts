import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Hono } from 'hono';
import { dropped, kept } from '../../src/schema/index.ts';
import { createApp, openIndex } from '../../src/service/index.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { drawing, embedPicture, embedWords, shapeEmbedder } from './shapes.ts';
import { type Sample, samples, stageContext, writeRelease } from './small-release.ts';

const LANGUAGES = ['en', 'de', 'und', '日本'];

/** The small release with rows of several languages and hosts, and what answers requests to it. */
export interface ApiRelease extends AsyncDisposable {
  readonly app: Hono;
  readonly all: readonly Sample[];
  /** As the release has them, before they are rounded. */
  readonly pictures: readonly Float32Array[];
  readonly texts: readonly Float32Array[];
  post(path: string, body: unknown): Promise<{ readonly status: number; readonly body: never }>;
  get(path: string): Promise<{ readonly status: number; readonly body: never }>;
}

export async function apiRelease(): Promise<ApiRelease> {
  const dir = await mkdtemp(join(tmpdir(), 'api-'));
  const all = (await samples()).map(({ row, image }, id) => ({
    image,
    row: {
      ...row,
      language: LANGUAGES[id % LANGUAGES.length] ?? '',
      url: id === 5 ? row.url : row.url.replace('//images.', `//cdn${id % 3}.`),
      tags: id === 9 ? 'watermark' : '',
    },
  }));
  await writeRelease(dir, all);
  await indexRelease({ dir }, stageContext(dir));
  const index = await openIndex(dir);
  const app = await createApp({
    index,
    dir,
    embedder: shapeEmbedder,
    fetchImage: async (url) =>
      url === 'https://images.example/green-triangle.jpg'
        ? kept({ bytes: await drawing('green', 'triangle', 300, 300), finalUrl: url, contentType: '' })
        : dropped('address', '127.0.0.1'),
  });
  const asked = async (path: string, init: RequestInit = {}) => {
    const response = await app.request(path, init);
    return { status: response.status, body: (await response.json()) as never };
  };
  return {
    app,
    all,
    pictures: await Promise.all(all.map(({ image }) => embedPicture(image))),
    texts: all.map(({ row }) => embedWords(row.text)),
    post: (path, body) =>
      asked(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
    get: (path) => asked(path),
    async [Symbol.asyncDispose]() {
      await index.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
