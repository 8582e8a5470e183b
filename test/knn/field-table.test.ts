import { mkdtemp, readFile, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FieldTable, type KnnFields, type KnnFilter, RowSet } from '../../src/knn/index.ts';

const LICENSES = ['?', "it's", 'a"b', 'back\\slash', "end\\' or width >= 0 or license = '", '__proto__'];
const TEXTS = ['nsfw', 'language', 'license', 'host'] as const;
const NUMBERS = ['width', 'height', 'similarity'] as const;
const VALUES = {
  nsfw: ['UNLIKELY', 'UNSURE', 'NSFW'],
  language: ['en', 'de', 'und', '日本', ''],
  license: LICENSES,
  host: ['a.example', 'b.example', 'xn--bcher-kva.example', ''],
};

/** What a filter means, in the plainest words. */
function fits(fields: KnnFields, filter: KnnFilter): boolean {
  for (const name of TEXTS) if (filter[name] && !filter[name].includes(fields[name])) return false;
  const all = { ...fields, aspect: fields.width / fields.height };
  for (const name of [...NUMBERS, 'aspect'] as const) {
    const { min, max } = filter[name] ?? {};
    if (min !== undefined && !(all[name] >= min)) return false;
    if (max !== undefined && !(all[name] <= max)) return false;
  }
  return true;
}

const fieldsArbitrary: fc.Arbitrary<KnnFields> = fc.record({
  nsfw: fc.constantFrom(...VALUES.nsfw),
  language: fc.constantFrom(...VALUES.language),
  license: fc.constantFrom(...VALUES.license),
  host: fc.constantFrom(...VALUES.host),
  width: fc.integer({ min: 0, max: 20 }),
  height: fc.integer({ min: 0, max: 20 }),
  similarity: fc.integer({ min: -20, max: 20 }).map((n) => n / 20),
});
const tableArbitrary = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 300 }), fieldsArbitrary), {
  selector: ([id]) => id,
  maxLength: 120,
});
const range = fc.record({ min: end(), max: end() }, { requiredKeys: [] });
const filterArbitrary: fc.Arbitrary<KnnFilter> = fc.record(
  {
    nsfw: fc.subarray([...VALUES.nsfw, 'x']),
    language: fc.subarray([...VALUES.language, 'x']),
    license: fc.subarray([...VALUES.license, 'constructor']),
    host: fc.subarray([...VALUES.host, 'x']),
    ...{ width: range, height: range, similarity: range, aspect: range },
  },
  { requiredKeys: [] },
);
function end() {
  return fc.oneof(
    fc.integer({ min: -5, max: 25 }),
    fc.integer({ min: -20, max: 40 }).map((n) => n / 20),
    fc.constantFrom(Infinity, -Infinity, 1e300),
  );
}

let folder = '';
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fields-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Rows = readonly (readonly [number, KnnFields])[];
const batchOf = (rows: Rows) => ({ ids: rows.map(([id]) => id), fields: rows.map(([, fields]) => fields) });

async function built(rows: Rows): Promise<string> {
  const path = join(folder, String(made++));
  await FieldTable.build(
    path,
    (async function* () {
      yield batchOf(rows.slice(0, 7));
      yield batchOf(rows.slice(7));
    })(),
  );
  return path;
}

function ids(rows: Rows, filter: KnnFilter): number[] {
  return rows.flatMap(([id, fields]) => (fits(fields, filter) ? [id] : [])).sort((a, b) => a - b);
}

/** Rows by value, counted one by one. */
function counted(rows: Rows, filter: KnnFilter, name: (typeof TEXTS)[number]) {
  const counts: { value: string; count: number }[] = [];
  for (const [, fields] of rows) {
    if (!fits(fields, { ...filter, [name]: undefined })) continue;
    const known = counts.find(({ value }) => value === fields[name]);
    if (known) known.count++;
    else counts.push({ value: fields[name], count: 1 });
  }
  return counts.sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1));
}

describe('FieldTable', () => {
  test('leaves the rows that plain arithmetic leaves, and counts as it does', async () => {
    await fc.assert(
      fc.asyncProperty(tableArbitrary, fc.array(filterArbitrary, { maxLength: 8 }), async (rows, filters) => {
        const table = await FieldTable.open(await built(rows));
        for (const filter of [...filters, ...filters, {}]) {
          expect([...table.matching(filter)]).toEqual(ids(rows, filter));
          const counts = table.counts(filter, TEXTS, { limit: 3 });
          for (const name of TEXTS) expect(counts[name]).toEqual(counted(rows, filter, name).slice(0, 3));
          for (const name of NUMBERS) {
            const left = rows.filter(([, fields]) => fits(fields, { ...filter, [name]: undefined }));
            const values = left.map(([, fields]) => fields[name]);
            const whole = { min: Math.min(...values), max: Math.max(...values) };
            expect(table.range(filter, name)).toEqual(values.length === 0 ? null : whole);
          }
        }
        await table.close();
      }),
      { numRuns: 60, seed: 8 },
    );
  });

  test('after adding and removing it is the table of the rows that are left, opened anew too', async () => {
    await fc.assert(
      fc.asyncProperty(
        tableArbitrary,
        tableArbitrary,
        fc.array(fc.integer({ min: 0, max: 310 }), { maxLength: 60 }),
        filterArbitrary,
        async (rows, added, gone, filter) => {
          const path = await built(rows);
          const table = await FieldTable.open(path, { readOnly: false });
          // Asked before, so that an answer that was kept would show.
          expect([...table.matching(filter)]).toEqual(ids(rows, filter));
          table.add(batchOf(added));
          const all = new Map([...rows, ...added]);
          expect(table.remove(gone)).toBe(gone.filter((id) => all.delete(id)).length);
          const left = [...all];
          expect([...table.matching(filter)]).toEqual(ids(left, filter));
          expect(table.rows).toBe(left.length);
          await table.close();
          const again = await FieldTable.open(path);
          expect([...again.matching(filter)]).toEqual(ids(left, filter));
          expect(again.counts(filter, ['host'], { limit: 9 }).host).toEqual(counted(left, filter, 'host'));
        },
      ),
      { numRuns: 60, seed: 9 },
    );
  });

  test('changes of a table that is open for reading stay in memory', async () => {
    const fields = fc.sample(fieldsArbitrary, { numRuns: 2, seed: 1 });
    const path = await built(fields.map((one, id) => [id, one]));
    const before = await readFile(join(path, 'columns.bin'));
    const table = await FieldTable.open(path);
    expect(table.remove([0, 0, 5])).toBe(1);
    expect([...table.matching({})]).toEqual([1]);
    await table.close();
    expect(await readFile(join(path, 'columns.bin'))).toEqual(before);
  });

  test('of a row that is removed nothing is left in the file, a host of its own neither', async () => {
    const of = (host: string, width: number): KnnFields => ({
      ...{ host, width, height: 87654321, nsfw: 'UNLIKELY', similarity: 0.123456789 },
      ...{ language: 'en', license: `https://${host}/license` },
    });
    const path = await built([
      [0, of('stays.example', 11223344)],
      [1, of('private.example', 12345678)],
    ]);
    const bytes = () => readFile(join(path, 'columns.bin'));
    const width = Buffer.from(Int32Array.of(12345678).buffer);
    expect([(await bytes()).includes('private'), (await bytes()).includes(width)]).toEqual([true, true]);
    const table = await FieldTable.open(path, { readOnly: false });
    table.remove([1]);
    await table.close();
    expect([(await bytes()).includes('private'), (await bytes()).includes(width)]).toEqual([false, false]);
    expect([...(await FieldTable.open(path)).matching({ host: ['stays.example'] })]).toEqual([0]);
  });

  test('an end of a range that is no number is refused, a damaged file too', async () => {
    const path = await built([]);
    const table = await FieldTable.open(path);
    expect(() => table.matching({ width: { min: Number.NaN } })).toThrow(RangeError);
    expect(table.range({}, 'aspect')).toBeNull();
    const { size } = await stat(join(path, 'columns.bin'));
    await truncate(join(path, 'columns.bin'), size - 1);
    await expect(FieldTable.open(path)).rejects.toMatchObject({ code: 'DAMAGED' });
    await expect(FieldTable.open(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});

describe('RowSet', () => {
  const places = fc.integer({ min: 0, max: 200 });
  test('is a set of numbers', () => {
    fc.assert(
      fc.property(
        places,
        fc.array(fc.nat(220)),
        fc.array(fc.nat(220)),
        fc.array(fc.nat(220)),
        (size, some, others, gone) => {
          const placed = (list: number[]) => list.filter((id) => id < size);
          const set = RowSet.of(size, placed(some));
          const plain = new Set(placed(some));
          for (const id of gone) expect(set.delete(id)).toBe(plain.delete(id));
          const sorted = (all: Set<number>) => [...all].sort((a, b) => a - b);
          expect([...set]).toEqual(sorted(plain));
          expect(set.count).toBe(plain.size);
          for (let id = 0; id < 230; id++) expect(set.has(id)).toBe(plain.has(id));
          const other = RowSet.of(
            220,
            others.filter((id) => id < 220),
          );
          expect([...set.and(other)]).toEqual(
            sorted(plain.intersection(new Set(others.filter((id) => id < 220)))),
          );
        },
      ),
      { seed: 4 },
    );
  });

  test('has no place for what is no number of a row', () => {
    const set = new RowSet(10);
    for (const id of [-1, 10, 0.5, Number.NaN, Infinity]) {
      expect(set.has(id)).toBe(false);
      expect(() => set.add(id)).toThrow(RangeError);
    }
  });
});
