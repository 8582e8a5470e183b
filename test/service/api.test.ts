import fc from 'fast-check';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type {
  CountsResponse,
  PageFilter,
  PageRowDetails,
  SearchRequest,
  SearchResponse,
} from '../../src/service/index.ts';
import { type ApiRelease, apiRelease } from './api-release.ts';
import { DIMENSION, drawing, embedWords, shapeEmbedder } from './shapes.ts';

let release: ApiRelease;
beforeAll(async () => {
  release = await apiRelease();
});
afterAll(() => release[Symbol.asyncDispose]());

async function search(request: SearchRequest): Promise<SearchResponse> {
  const { status, body } = await release.post('/api/v1/search', request);
  expect(body).not.toHaveProperty('error');
  expect(status).toBe(200);
  return body;
}
const idsOf = ({ results }: SearchResponse) => results.map(({ id }) => id);
const sorted = (ids: readonly number[]) => ids.toSorted((a, b) => a - b);
const rowOf = (id: number) => {
  const row = release.all[id]?.row;
  if (!row) throw new Error(`no row ${id}`);
  return row;
};

function cosine(a: Iterable<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  [...a].forEach((x, i) => {
    const y = b[i] ?? 0;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  });
  return ab / Math.sqrt(aa * bb);
}

/** What a filter means, in the plainest words. */
function fits(id: number, filter: PageFilter, nsfw: boolean): boolean {
  const row = rowOf(id);
  if (!nsfw && row.nsfw !== 'UNLIKELY') return false;
  const host = URL.canParse(row.url) ? new URL(row.url).hostname : '';
  const texts = { language: row.language, license: row.license, nsfw: row.nsfw, host };
  for (const name of ['language', 'license', 'nsfw', 'host'] as const)
    if (filter[name] && !filter[name].includes(texts[name])) return false;
  const { width, height, similarity } = row;
  const numbers = { width, height, similarity, aspect: width / height };
  for (const name of ['width', 'height', 'similarity', 'aspect'] as const) {
    const { min, max } = filter[name] ?? {};
    if ((min !== undefined && numbers[name] < min) || (max !== undefined && numbers[name] > max))
      return false;
  }
  return true;
}

const range = (values: readonly number[]) =>
  fc.record({ min: fc.constantFrom(...values), max: fc.constantFrom(...values) }, { requiredKeys: [] });
const filters: fc.Arbitrary<PageFilter> = fc.record(
  {
    language: fc.subarray(['en', 'de', 'und', '日本', 'xx']),
    license: fc.subarray([
      '?',
      'https://creativecommons.org/licenses/by/4.0/',
      'javascript:globalThis.hacked=1',
    ]),
    host: fc.subarray(['cdn0.example', 'cdn1.example', 'cdn2.example', '']),
    nsfw: fc.subarray(['UNLIKELY', 'UNSURE', 'NSFW']),
    width: range([900, 960, 1024, 1280, 2048]),
    height: range([900, 960, 1024, 1280, 1920]),
    similarity: range([0.3, 0.35, 0.379, 0.4]),
    aspect: range([0.5, 0.75, 1, 4 / 3, 2]),
  },
  { requiredKeys: [] },
);

describe('POST /api/v1/search', () => {
  test('finds what fits the filter, best first, with the cosines of plain arithmetic', async () => {
    const query = embedWords('a red circle');
    await fc.assert(
      fc.asyncProperty(
        filters,
        fc.boolean(),
        fc.constantFrom('image' as const, 'text' as const),
        async (filter, nsfw, modality) => {
          const answer = await search({
            ...{ query: [{ text: 'a red circle' }], filter, nsfw, modality, limit: 200 },
          });
          const vectors = modality === 'image' ? release.pictures : release.texts;
          const expected = release.all.flatMap((_, id) => (fits(id, filter, nsfw) ? [id] : []));
          expect(sorted(idsOf(answer))).toEqual(expected);
          answer.results.forEach(({ id, score, why }, i) => {
            // Stored as float16, which has eleven bits.
            expect(score).toBeCloseTo(cosine(query, vectors[id] ?? []), 2);
            expect(why).toEqual({ cosine: score, rank: i + 1, parts: [{ cosine: score, weight: 1 }] });
            const before = answer.results[i - 1];
            if (before?.score === score) expect(before?.id).toBeLessThan(id);
            else if (before) expect(before.score).toBeGreaterThan(score ?? Number.NaN);
          });
          const unsafe = release.all.filter((_, id) => fits(id, filter, true) && !fits(id, filter, false));
          expect(answer).toMatchObject({ hidden: nsfw ? 0 : unsafe.length, duplicates: 0, more: false });
        },
      ),
      { numRuns: 40, seed: 12 },
    );
  });

  test('the host of a filter is one in any case', async () => {
    const answer = await search({ filter: { host: ['CDN1.Example'] }, nsfw: true, limit: 200 });
    expect(sorted(idsOf(answer))).toEqual(release.all.flatMap((_, id) => (id % 3 === 1 ? [id] : [])));
  });

  test('a row has all that the release says of it', async () => {
    const { results } = await search({ query: [{ id: 31 }], nsfw: true, limit: 200 });
    for (const result of results) {
      const row = rowOf(result.id);
      expect(result).toMatchObject({
        ...{ url: row.url, pageUrl: row.pageUrl, text: row.text, width: row.width, height: row.height },
        ...{ license: row.license, language: row.language, nsfw: row.nsfw, similarity: row.similarity },
        ...{ format: 'jpeg', storedWidth: row.storedWidth, storedHeight: row.storedHeight },
      });
    }
  });

  test('by picture, by address of a picture, by vector and by a row', async () => {
    const image = (await drawing('purple', 'triangle', 200, 260)).toString('base64');
    const first = async (part: object) =>
      rowOf(idsOf(await search({ query: [part as never], limit: 1 }))[0] ?? -1);
    expect((await first({ image })).text).toMatch(/purple triangle/);
    expect((await first({ imageUrl: 'https://images.example/green-triangle.jpg' })).text).toMatch(
      /green triangle/,
    );
    const embedding = [...embedWords('yellow square')].map((x) => x * 7);
    expect((await first({ embedding })).text).toMatch(/yellow square/);
    expect((await first({ id: 40 })).text).toMatch(rowOf(40).text.replace(/,.*/, ''));
  });

  test('parts are added up by their weights, each of length 1 before', async () => {
    const parts = [
      { text: 'red', weight: 2 },
      { embedding: [...embedWords('square')].map((x) => 30 * x), weight: 1 },
      { id: 22, weight: -0.5 },
    ] as const;
    const vectors = [embedWords('red'), embedWords('square'), release.pictures[22] ?? new Float32Array()];
    const sum = Array.from({ length: DIMENSION }, (_, n) =>
      vectors.reduce((all, vector, i) => all + (parts[i]?.weight ?? 0) * (vector[n] ?? 0), 0),
    );
    const { results } = await search({ query: parts, nsfw: true, limit: 200 });
    expect(sorted(results.map(({ id }) => id))).toEqual(
      sorted(release.all.map((_, id) => id).filter((id) => id !== 22)),
    );
    for (const { id, score, why } of results) {
      const stored = release.pictures[id] ?? new Float32Array();
      expect(score).toBeCloseTo(cosine(sum, stored), 2);
      expect(why.parts).toHaveLength(3);
      why.parts?.forEach((part, i) => {
        expect(part.weight).toBe(parts[i]?.weight);
        expect(part.cosine).toBeCloseTo(cosine(vectors[i] ?? [], stored), 2);
      });
    }
  });

  test('less like something alone is what is least like it', async () => {
    const most = await search({ query: [{ text: 'red' }], limit: 200 });
    const least = await search({ query: [{ text: 'red', weight: -3 }], limit: 200 });
    expect(least.results[0]?.score).toBeCloseTo(-(most.results.at(-1)?.score ?? 0), 5);
    const [first] = least.results;
    expect(first?.why.parts).toEqual([{ cosine: -(first?.score ?? 0), weight: -3 }]);
  });

  test('keywords alone: captions with one of the words, which are told', async () => {
    const { results } = await search({ keywords: 'Triangle PURPLE', nsfw: true, limit: 200 });
    const having = release.all.flatMap(({ row }, id) => (/triangle|purple/i.test(row.text) ? [id] : []));
    expect(sorted(results.map(({ id }) => id))).toEqual(having);
    expect(rowOf(results[0]?.id ?? -1).text).toMatch(/purple triangle/);
    results.forEach(({ id, score, why }, i) => {
      expect(score).toBeNull();
      expect(why).toMatchObject({ cosine: null, rank: i + 1, keywords: { rank: i + 1 } });
      const text = rowOf(id).text.toLowerCase();
      expect(why.keywords?.matched).toEqual(
        ['Triangle', 'PURPLE'].filter((word) => text.includes(word.toLowerCase())),
      );
    });
    expect(idsOf(await search({ keywords: 'zebra' }))).toEqual([]);
    expect(idsOf(await search({ keywords: '" * NEAR( \0' }))).toEqual([]);
  });

  test('words and vectors together: reciprocal ranks of both lists, added up', async () => {
    const both = { nsfw: true, limit: 200 } as const;
    const query = [{ text: 'a blue circle' }];
    const near = await search({ ...both, query });
    const worded = await search({ ...both, keywords: 'triangle' });
    const points = new Map<number, number>();
    for (const list of [near, worded])
      list.results.forEach(({ id }, i) => {
        points.set(id, (points.get(id) ?? 0) + 1 / (60 + i + 1));
      });
    const merged = await search({ ...both, query, keywords: 'triangle' });
    expect(idsOf(merged)).toEqual([...points].sort(([a, p], [b, q]) => q - p || a - b).map(([id]) => id));
    const scores = new Map(near.results.map(({ id, score }) => [id, score]));
    for (const { id, score, why } of merged.results) {
      expect(why.merged).toBeCloseTo(points.get(id) ?? 0, 12);
      expect(score).toBeCloseTo(scores.get(id) ?? 0, 6);
      expect(why.keywords?.rank).toBe(worded.results.find((one) => one.id === id)?.why.rank);
    }
  });

  test('least score holds for both lists', async () => {
    const query = [{ text: 'a blue circle' }];
    for (const keywords of ['', 'triangle']) {
      const { results } = await search({ query, minScore: 0.5, nsfw: true, limit: 200, keywords });
      const expected = release.pictures.flatMap((stored, id) =>
        cosine(embedWords('a blue circle'), stored) >= 0.5 ? [id] : [],
      );
      expect(sorted(results.map(({ id }) => id))).toEqual(expected);
    }
  });

  test.each([
    ['of a query', { query: [{ text: 'a red square' }] }],
    ['of keywords', { keywords: 'square circle triangle red' }],
    ['of both', { query: [{ text: 'a red square' }], keywords: 'circle' }],
    ['of a sample', { seed: 77 }],
    ['of a query without duplicates', { query: [{ text: 'a red square' }], deduplicate: true }],
    ['of a sample without duplicates', { seed: 77, deduplicate: true }],
  ])('pages %s fit together, whatever their length', async (_, request) => {
    for (const nsfw of [true, false]) {
      const whole = await search({ ...request, nsfw, limit: 200 });
      for (const limit of [1, 7, 20]) {
        const paged: number[] = [];
        let last: SearchResponse | undefined;
        for (let offset = 0; ; offset += limit) {
          last = await search({ ...request, nsfw, offset, limit });
          last.results.forEach(({ why }, i) => {
            expect(why.rank).toBe(offset + i + 1);
          });
          paged.push(...idsOf(last));
          expect(last.results.length).toBe(last.more ? limit : paged.length - offset);
          if (!last.more) break;
        }
        expect(paged).toEqual(idsOf(whole));
        expect(last).toMatchObject({ duplicates: whole.duplicates });
      }
    }
  });

  test('no row is like one before it, and each that is left out is like one that came before', async () => {
    const request = { query: [{ text: 'red' }], nsfw: true, limit: 200 };
    const all = idsOf(await search(request));
    const { duplicates, results } = await search({ ...request, deduplicate: true });
    const left = new Set(results.map(({ id }) => id));
    expect(duplicates).toBe(all.length - left.size);
    // Every picture of one colour and shape has one vector, all others are further apart.
    expect(left.size).toBe(15);
    all.forEach((id, i) => {
      const like = all
        .slice(0, i)
        .some((other) => cosine(release.pictures[id] ?? [], release.pictures[other] ?? []) >= 0.94);
      expect(left.has(id)).toBe(!like);
    });
  });

  test('a sample is the same for a seed, and of what fits the filter', async () => {
    const one = await search({ seed: 3, limit: 20 });
    expect(one).toMatchObject({ results: { length: 20 }, more: true });
    expect(await search({ seed: 3, limit: 20 })).toEqual(one);
    expect(idsOf(await search({ seed: 4, limit: 20 }))).not.toEqual(idsOf(one));
    expect(one.results[0]?.why).toEqual({ cosine: null, rank: 1 });
    const german = await search({ seed: 9, limit: 200, filter: { language: ['de'] } });
    expect(sorted(idsOf(german))).toEqual(
      release.all.flatMap((_, id) => (fits(id, { language: ['de'] }, false) ? [id] : [])),
    );
    expect(await search({})).toMatchObject({ results: { length: 60 } });
  });

  test('what is hostile is refused in one line that names the field', async () => {
    const refused: [object | string, RegExp][] = [
      ['{"query":', /JSON/],
      [[], /object/],
      [{ query: [{}] }, /^query\.0/],
      [{ query: [{ text: 'a', id: 1 }] }, /^query\.0/],
      [{ query: [{ text: ' ' }] }, /^query\.0/],
      [{ query: [{ text: 'a'.repeat(10_001) }] }, /^query\.0/],
      [{ query: Array(17).fill({ text: 'a' }) }, /^query/],
      [{ query: [{ text: 'a' }, { image: '<script>' }] }, /^query\.1\.image: /],
      [{ query: [{ image: 'AAAA' }] }, /^query\.0\.image: /],
      [{ query: [{ imageUrl: 'http://127.0.0.1/' }] }, /^query\.0\.imageUrl: /],
      [{ query: [{ imageUrl: 'file:///etc/passwd' }] }, /^query\.0\.imageUrl: /],
      [{ query: [{ embedding: [1, 2] }] }, /^query\.0\.embedding: has 2 numbers/],
      [{ query: [{ embedding: Array(DIMENSION).fill(0) }] }, /^query\.0\.embedding: .* zero/],
      [{ query: [{ embedding: Array(DIMENSION).fill(1e300) }] }, /^query\.0\.embedding: /],
      [{ query: [{ id: -1 }] }, /^query\.0/],
      [{ query: [{ id: 1.5 }] }, /^query\.0/],
      [{ query: [{ text: 'a', weight: 1e9 }] }, /^query\.0/],
      [{ query: [{ text: 'a', weight: 0 }] }, /^query: .*cancel/],
      [{ query: [{ text: 'red' }, { text: 'red', weight: -1 }] }, /^query: .*cancel/],
      [{ keywords: 'a'.repeat(10_001) }, /^keywords/],
      [{ filter: { sql: ['1'] } }, /^filter/],
      [{ filter: { language: 'en' } }, /^filter\.language/],
      [{ filter: { host: Array(101).fill('a') } }, /^filter\.host/],
      [{ filter: { width: { min: '1' } } }, /^filter\.width\.min/],
      [{ minScore: 0.5 }, /^minScore/],
      [{ query: [{ text: 'a' }], minScore: 2 }, /^minScore/],
      [{ modality: 'sound' }, /^modality/],
      [{ limit: 0 }, /^limit/],
      [{ limit: 201 }, /^limit/],
      [{ offset: 9_990, limit: 20 }, /^offset: .*10000/],
      [{ offset: 1990, limit: 20, deduplicate: true }, /^offset: .*2000/],
      [{ sql: 1 }, /sql/],
      [{ __proto__: null, constructor: 1 }, /constructor/],
    ];
    for (const [body, line] of refused) {
      const { status, body: answer } = await release.post('/api/v1/search', body);
      expect([status, answer]).toEqual([400, { error: expect.stringMatching(line) }]);
      expect((answer as { error: string }).error).toMatch(/^[^\n]{5,300}$/);
    }
    expect(await release.post('/api/v1/search', { query: [{ id: 75 }] })).toMatchObject({ status: 404 });
  });
});

describe('POST /api/v1/counts', () => {
  test('counts as plain arithmetic does, each field under all other conditions', async () => {
    await fc.assert(
      fc.asyncProperty(filters, fc.boolean(), async (filter, nsfw) => {
        const counts: CountsResponse = (await release.post('/api/v1/counts', { filter, nsfw })).body;
        const left = (without: string, withUnsafe = nsfw) =>
          release.all.flatMap(({ row }, id) =>
            fits(id, { ...filter, [without]: undefined }, withUnsafe) ? [row] : [],
          );
        expect(counts.rows).toBe(left('').length);
        for (const name of ['language', 'license'] as const)
          for (const { value, count } of counts.fields[name])
            expect(count).toBe(left(name).filter((row) => row[name] === value).length);
        const total = (list: readonly { count: number }[]) => list.reduce((sum, { count }) => sum + count, 0);
        for (const name of ['language', 'license', 'host'] as const)
          expect(total(counts.fields[name])).toBe(left(name).length);
        // Those that are hidden too: it says how many there would be.
        expect(total(counts.fields.nsfw)).toBe(left('nsfw', true).length);
        const widths = left('width').map(({ width }) => width);
        expect(counts.width).toEqual(
          widths.length > 0 ? { min: Math.min(...widths), max: Math.max(...widths) } : {},
        );
      }),
      { numRuns: 40, seed: 13 },
    );
  });

  test('hosts, most first', async () => {
    const { fields }: CountsResponse = (await release.post('/api/v1/counts', { nsfw: true })).body;
    expect(fields.host).toEqual([
      { value: 'cdn0.example', count: 25 },
      { value: 'cdn1.example', count: 25 },
      { value: 'cdn2.example', count: 24 },
      { value: '', count: 1 },
    ]);
    expect(await release.post('/api/v1/counts', { filter: { width: 5 } })).toMatchObject({ status: 400 });
  });
});

describe('rows and the release', () => {
  test('a row says why it was kept', async () => {
    const row: PageRowDetails = (await release.get('/api/v1/rows/9')).body;
    expect(row).toMatchObject({ id: 9, score: null, text: rowOf(9).text, why: { cosine: null, rank: 1 } });
    expect(row.kept).toEqual([
      { step: 'pair', said: '22 characters, language de by 0.75' },
      {
        step: 'image',
        said: 'jpeg, 960 × 1280 = 1228800 pixels'
          .replace('960 × 1280', `${row.width} × ${row.height}`)
          .replace('1228800', String(row.width * row.height)),
      },
      { step: 'matched', said: `similarity ${row.similarity.toFixed(4)}` },
      { step: 'safe', said: 'UNLIKELY, watermark' },
    ]);
  });

  test('more like a row: the row itself is not among them', async () => {
    const { body } = await release.get('/api/v1/rows/40/like?limit=4');
    expect(idsOf(body)).toEqual([41, 42, 43, 44]);
    const all = await release.get('/api/v1/rows/40/like?limit=200&nsfw=true&deduplicate=true&offset=0');
    expect(all.body).toMatchObject({ results: { length: 15 } });
    for (const path of ['/api/v1/rows/75/like', '/api/v1/rows/x/like', '/api/v1/rows/75', '/api/v1/rows/-1'])
      expect(await release.get(path)).toMatchObject({ status: 404, body: { error: expect.any(String) } });
    expect(await release.get('/api/v1/rows/4/like?limit=201')).toMatchObject({ status: 400 });
    expect(await release.get('/api/v1/rows/4/like?limt=20')).toMatchObject({ status: 400 });
  });

  test('what is searched, and by what', async () => {
    expect((await release.get('/api/v1/release')).body).toEqual({
      ...{ name: expect.stringMatching(/^api-/), rows: 75, model: shapeEmbedder.name, unsafe: 2 },
      ...{ hasMap: true, hasReport: false },
    });
  });
});

describe('POST /api/v1/export', () => {
  const request = { query: [{ text: 'a red circle' }], keywords: 'square', nsfw: true, limit: 40 };

  test('as JSON: the rows of the search', async () => {
    const { results } = await search(request);
    const response = await release.app.request('/api/v1/export', {
      method: 'POST',
      body: JSON.stringify({ ...request, format: 'json' }),
    });
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('content-disposition')).toMatch(
      /^attachment; filename="api-[\w-]+-search\.json"$/,
    );
    expect(await response.json()).toEqual(
      results.map(
        ({ id, score, url, text, pageUrl, width, height, license, language, nsfw, similarity }) => ({
          ...{ id, score, url, text, page_url: pageUrl, width, height, license, language, nsfw, similarity },
        }),
      ),
    );
  });

  test('as Parquet: the same, by another reader', async () => {
    for (const [asked, rows] of [
      [request, 40],
      [{ seed: 5, nsfw: true, limit: 10_000 }, 75],
      [{ keywords: 'zebra' }, 0],
    ] as const) {
      const files = [];
      for (const format of ['json', 'parquet']) {
        const body = JSON.stringify({ ...asked, format });
        files.push(await release.app.request('/api/v1/export', { method: 'POST', body }));
      }
      const [json, parquet] = files;
      const file = (await parquet?.arrayBuffer()) ?? new ArrayBuffer();
      const read = await parquetReadObjects({ file, compressors });
      expect(read).toHaveLength(rows);
      expect(read.map((row) => ({ ...row, id: Number(row.id) }))).toEqual(await json?.json());
    }
  });

  test('has its own limits', async () => {
    for (const body of [
      { ...request, format: 'csv' },
      request,
      { ...request, format: 'json', limit: 10_001 },
    ])
      expect(await release.post('/api/v1/export', body)).toMatchObject({ status: 400 });
    const distinct = { seed: 1, deduplicate: true, format: 'json', limit: 2001 };
    expect(await release.post('/api/v1/export', distinct)).toMatchObject({ status: 400 });
  });
});
