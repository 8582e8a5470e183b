import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type ApiRelease, apiRelease } from './api-release.ts';

interface Operation {
  readonly requestBody?: { readonly content: Record<string, { readonly schema: { readonly $ref: string } }> };
  readonly responses: Record<
    string,
    { readonly content: Record<string, { readonly schema?: { readonly $ref: string } }> }
  >;
}
interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}

let release: ApiRelease;
let document: Document;
beforeAll(async () => {
  release = await apiRelease();
  document = (await release.get('/api/v1/openapi.json')).body;
});
afterAll(() => release[Symbol.asyncDispose]());

/** A schema of the document, as what reads JSON Schema makes of it: not the one that it was made of. */
function schemaOf(reference: string): z.ZodType {
  const text = JSON.stringify({ $ref: reference, $defs: document.components.schemas });
  return z.fromJSONSchema(JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')));
}

/** What is sent to each route, and how it is answered. */
const REQUESTS: readonly [string, string, string, unknown?][] = [
  ['get', '/api/v1/release', '/api/v1/release'],
  ['post', '/api/v1/search', '/api/v1/search', {}],
  [
    'post',
    '/api/v1/search',
    '/api/v1/search',
    { query: [{ text: 'red' }, { id: 4, weight: -1 }], keywords: 'circle', nsfw: true },
  ],
  ['post', '/api/v1/search', '/api/v1/search', { keywords: 'zebra' }],
  [
    'post',
    '/api/v1/search',
    '/api/v1/search',
    { keywords: 'circle', deduplicate: true, filter: { width: { min: 5 } } },
  ],
  ['post', '/api/v1/counts', '/api/v1/counts', { filter: { language: ['en'] } }],
  ['post', '/api/v1/counts', '/api/v1/counts', { filter: { language: [] } }],
  ['get', '/api/v1/rows/{id}', '/api/v1/rows/3'],
  ['get', '/api/v1/rows/{id}/like', '/api/v1/rows/3/like?limit=3'],
  ['post', '/api/v1/export', '/api/v1/export', { format: 'json', query: [{ text: 'red' }] }],
  ['post', '/api/v1/export', '/api/v1/export', { format: 'parquet' }],
  ['get', '/api/v1/map/info', '/api/v1/map/info'],
  ['get', '/api/v1/map', '/api/v1/map?tile=0/0/0&nsfw=true'],
  ['get', '/api/v1/map', '/api/v1/map?tile=9/9/9'],
  ['get', '/api/v1/map', '/api/v1/map?tile=x'],
  ['get', '/api/v1/openapi.json', '/api/v1/openapi.json'],
  ['get', '/images/{id}.jpg', '/images/3.jpg'],
  ['post', '/api/v1/search', '/api/v1/search', { query: [{ text: '' }] }],
  ['post', '/api/v1/search', '/api/v1/search', { query: [{ id: 99 }] }],
  ['post', '/api/v1/counts', '/api/v1/counts', { filter: [] }],
  ['post', '/api/v1/export', '/api/v1/export', {}],
  ['get', '/api/v1/rows/{id}', '/api/v1/rows/75'],
  ['get', '/api/v1/rows/{id}/like', '/api/v1/rows/3/like?limit=x'],
  ['get', '/images/{id}.jpg', '/images/75.jpg'],
];

describe('GET /api/v1/openapi.json', () => {
  test('has every route of the API, and no other', () => {
    const routes = release.app.routes
      .filter(({ path, method }) => /^\/(api|images)\//.test(path) && method !== 'ALL')
      .map(
        ({ method, path }) => `${method.toLowerCase()} ${path.replace(/\/images\/:id$/, '/images/:id.jpg')}`,
      );
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    );
    expect(document.openapi).toMatch(/^3\.1\./);
    expect([...new Set(routes)].sort()).toEqual(documented.sort());
  });

  test('every reference leads somewhere', () => {
    const references = JSON.stringify(document).match(/"\$ref":"[^"]+"/g) ?? [];
    expect(references.length).toBeGreaterThan(10);
    for (const reference of references) {
      const [, name = ''] = /#\/components\/schemas\/(\w+)"$/.exec(reference) ?? [];
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
  });

  test.each(REQUESTS)('%s %s: the answer to %s is as it says', async (method, path, address, body) => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const response = await release.app.request(address, init);
    const operation = document.paths[path]?.[method];
    const type = response.headers.get('content-type')?.replace(/;.*/, '') ?? '';
    const content = operation?.responses[response.status]?.content;
    expect(Object.keys(content ?? {})).toContain(type);
    if (type !== 'application/json') return;
    const answer: unknown = await response.json();
    const schema = content?.[type]?.schema;
    if (schema) expect(schemaOf(schema.$ref).safeParse(answer).error?.issues).toBeUndefined();
    if (response.status === 200 && body !== undefined) {
      const request = operation?.requestBody?.content['application/json']?.schema.$ref ?? '';
      expect(schemaOf(request).safeParse(body).error?.issues).toBeUndefined();
    }
  });

  test('refuses what no answer is', () => {
    const response = schemaOf('#/components/schemas/SearchResponse');
    for (const wrong of [
      {},
      { results: [{}], hidden: 0, duplicates: 0, more: false },
      { results: [], hidden: '0', duplicates: 0, more: false },
    ])
      expect(response.safeParse(wrong).success).toBe(false);
    expect(schemaOf('#/components/schemas/SearchRequest').safeParse({ query: [{}] }).success).toBe(false);
  });
});

describe('docs/api.md', () => {
  test('the examples are answered', async () => {
    const page = await readFile(new URL('../../docs/api.md', import.meta.url), 'utf8');
    const examples = [
      ...page.matchAll(/^curl (?:-[sO]+ )?(\S+localhost:1234)(\S*?)'?(?: -d '([^']*)')?(?: .*)?$/gm),
    ];
    expect(examples.length).toBeGreaterThanOrEqual(8);
    for (const [line, , path = '', body] of examples) {
      const response = await release.app.request(path, body === undefined ? {} : { method: 'POST', body });
      expect([line, response.status]).toEqual([line, 200]);
    }
    for (const [path, methods] of Object.entries(document.paths))
      for (const method of Object.keys(methods)) expect(page).toContain(`${method.toUpperCase()} ${path}`);
  });
});
