import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Landmarks } from '../../src/stages/map/landmarks.ts';
import { layOut } from '../../src/stages/map/layout.ts';
import { POINT_BYTES, TILE_POINTS } from '../../src/stages/map/map-files.ts';
import { findRegions, regionOf } from '../../src/stages/map/regions.ts';
import { Runs } from '../../src/stages/map/runs.ts';
import { Tiles } from '../../src/stages/map/tiles.ts';
import { addWords, noWords, tellingWords, wordsOf } from '../../src/stages/map/words.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { mulberry } from '../support/random.ts';

const DIMENSION = 32;

/** Rows of length 1 round so many centres; row i belongs to centre i % centres. */
function clustered(rows: number, centres: number, seed: number): Float32Array {
  const next = mulberry(seed);
  const middle = Array.from({ length: centres * DIMENSION }, () => next() - 0.5);
  const out = new Float32Array(rows * DIMENSION);
  for (let r = 0; r < rows; r++) {
    const row = Array.from(
      { length: DIMENSION },
      (_, i) => (middle[(r % centres) * DIMENSION + i] ?? 0) + 0.25 * (next() - 0.5),
    );
    const norm = Math.hypot(...row);
    out.set(
      row.map((x) => x / norm),
      r * DIMENSION,
    );
  }
  return out;
}

/** Share of the nearest `k` in the plane that belong to the same centre. */
function sameCentre(places: Float32Array, centres: number, k: number): number {
  const count = places.length / 2;
  let same = 0;
  for (let i = 0; i < count; i++) {
    const others = Array.from({ length: count }, (_, j) => j)
      .filter((j) => j !== i)
      .map((j) => ({
        j,
        d: Math.hypot(
          (places[2 * i] ?? 0) - (places[2 * j] ?? 0),
          (places[2 * i + 1] ?? 0) - (places[2 * j + 1] ?? 0),
        ),
      }))
      .sort((a, b) => a.d - b.d);
    same += others.slice(0, k).filter(({ j }) => j % centres === i % centres).length;
  }
  return same / (count * k);
}

describe('the layout', () => {
  test('puts rows of one kind together, the same each time', () => {
    const rows = clustered(300, 6, 1);
    const places = layOut(rows, DIMENSION, 1);
    expect(sameCentre(places, 6, 10)).toBeGreaterThan(0.99);
    expect(layOut(rows, DIMENSION, 1)).toEqual(places);
    expect(layOut(rows, DIMENSION, 2)).not.toEqual(places);
  });

  test('rows that are no landmarks come to lie among their like', () => {
    const marks = clustered(300, 6, 1);
    const landmarks = new Landmarks(marks, DIMENSION, 1);
    // The same centres (the generator gives them first), other rows.
    const all = clustered(900, 6, 1).subarray(300 * DIMENSION);
    const places = landmarks.place(all, 300);
    expect(sameCentre(places, 6, 10)).toBeGreaterThan(0.98);
    // Placed in parts, they lie where they lay.
    expect(landmarks.place(all.subarray(0, 50 * DIMENSION), 300)).toEqual(places.subarray(0, 100));
  });

  test.each([0, 1, 2, 3])('%i rows have places too', (count) => {
    const places = layOut(clustered(count, 1, 3), DIMENSION, 1);
    expect(places).toHaveLength(2 * count);
    expect(places.every(Number.isFinite)).toBe(true);
  });

  test('rows that are all the same do not break it, and do not lie on one another', () => {
    const rows = new Float32Array(100 * DIMENSION).fill(1 / Math.sqrt(DIMENSION));
    const places = layOut(rows, DIMENSION, 1);
    expect(places.every(Number.isFinite)).toBe(true);
    const spots = new Set(Array.from({ length: 100 }, (_, i) => `${places[2 * i]} ${places[2 * i + 1]}`));
    expect(spots.size).toBe(100);
  });
});

test('a sample of runs has each number at its place, and as many as it says', () => {
  fc.assert(
    fc.property(fc.nat(20_000), fc.integer({ min: 64, max: 3000 }), fc.nat(20_000), (total, most, cut) => {
      const runs = new Runs(total, most);
      const middle = Math.min(cut, total);
      const found = [...runs.within(0, middle), ...runs.within(middle, total)].flatMap(([from, to]) =>
        Array.from({ length: to - from }, (_, i) => from + i),
      );
      expect(found.map((n) => runs.indexOf(n))).toEqual(Array.from({ length: runs.size }, (_, i) => i));
      const held = Array.from({ length: total }, (_, n) => n).filter((n) => runs.indexOf(n) >= 0);
      expect(held).toEqual(found);
      expect(runs.size).toBe(total <= most ? total : most - (most % 64));
    }),
    { numRuns: 100 },
  );
});

describe('regions', () => {
  test('lie within each other, and groups that are apart are regions of their own', () => {
    const next = mulberry(5);
    const places = Float32Array.from({ length: 2 * 1200 }, (_, i) => {
      const group = Math.floor(i / 2) % 12;
      return 10 * (i % 2 === 0 ? group % 4 : Math.floor(group / 4)) + next();
    });
    const regions = findRegions(places, 1);
    const tops = regions.all.filter(({ level }) => level === 0);
    expect(tops).toHaveLength(12);
    const top = (i: number): number => {
      let at = i;
      for (let parent = regions.all[at]?.parent ?? -1; parent >= 0; parent = regions.all[at]?.parent ?? -1)
        at = parent;
      return at;
    };
    const topOfGroup = new Map<number, Set<number>>();
    for (let i = 0; i < 1200; i++) {
      const at = top(regionOf(regions, places[2 * i] ?? 0, places[2 * i + 1] ?? 0));
      topOfGroup.set(i % 12, (topOfGroup.get(i % 12) ?? new Set()).add(at));
    }
    expect([...topOfGroup.values()].map((set) => set.size)).toEqual(Array(12).fill(1));
    expect(new Set([...topOfGroup.values()].flatMap((set) => [...set])).size).toBe(12);
    for (const { level, parent } of regions.all) expect(regions.all[parent]?.level ?? -1).toBe(level - 1);
  });

  test.each([0, 1, 7, 100])('of %i points', (count) => {
    const places = Float32Array.from({ length: 2 * count }, (_, i) => i % 13);
    const { all, finest } = findRegions(places, 1);
    expect(finest).toBeGreaterThanOrEqual(Math.min(1, count));
    expect(all.length).toBeGreaterThanOrEqual(finest);
  });
});

describe('words', () => {
  test('of captions in several scripts, without those that say nothing', () => {
    expect(wordsOf('A photo of the Dogs, dogs and mother-in-law’s CAT!')).toEqual(
      new Set(['dogs', 'mother-in-law’s', 'cat']),
    );
    expect(wordsOf('Красная лодка на воде')).toEqual(new Set(['красная', 'лодка', 'воде']));
    expect([...wordsOf('赤い自転車の写真')]).toContain('自転車');
    expect(wordsOf('\u202egod\u202c 12345 <script>')).toEqual(new Set(['god', 'script']));
    expect(wordsOf('x'.repeat(10_000))).toEqual(new Set());
  });

  test('that tell a region are frequent in it and rare around it; twice is too few', () => {
    const [here, around] = [noWords(), noWords()];
    for (let i = 0; i < 10; i++)
      for (const counts of [here, around])
        addWords(counts, ['dog', 'dogs', 'red', ...(i < 2 ? ['spam'] : [])]);
    for (let i = 0; i < 90; i++) addWords(around, ['cat', 'red']);
    expect(tellingWords(here, [around])).toEqual(['dog']);
  });
});

describe('tiles', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tiles-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test('hold every point once, in the square that is theirs, none too many, parents full before children', async () => {
    const count = 3 * TILE_POINTS + 1234;
    const next = mulberry(9);
    await using tiles = new Tiles(dir);
    const expected = new Map<number, string>();
    for (let done = 0; done < count; ) {
      const some = Math.min(5000, count - done);
      const view = new DataView(new ArrayBuffer(some * POINT_BYTES));
      for (let i = 0; i < some; i++) {
        // Most points in one corner: the tree is deep there.
        const [x, y] = [next(), next()].map((n) => Math.floor(65_536 * (i % 8 === 0 ? n : n / 64)));
        view.setUint32(i * POINT_BYTES, done + i, true);
        view.setUint16(i * POINT_BYTES + 4, x ?? 0, true);
        view.setUint16(i * POINT_BYTES + 6, y ?? 0, true);
        view.setUint32(i * POINT_BYTES + 8, (done + i) * 7, true);
        expected.set(done + i, `${x} ${y}`);
      }
      await tiles.add(new Uint8Array(view.buffer));
      done += some;
    }
    const storage = fileStorage(dir);
    const file = await storage.create('map.bin');
    const list = await tiles.write(file);
    await file.commit();
    const bytes = await readFile(join(dir, 'map.bin'));
    expect(bytes.length).toBe(count * POINT_BYTES);
    expect(list[0]).toEqual({ z: 0, x: 0, y: 0, first: 0, count: TILE_POINTS });
    const seen = new Set<number>();
    for (const { z, x, y, first, count: points } of list) {
      expect(points).toBeLessThanOrEqual(TILE_POINTS);
      if (z > 0)
        expect(list.find((tile) => tile.z === z - 1 && tile.x === x >> 1 && tile.y === y >> 1)?.count).toBe(
          TILE_POINTS,
        );
      for (let i = first; i < first + points; i++) {
        const at = i * POINT_BYTES;
        const [id, px, py] = [bytes.readUInt32LE(at), bytes.readUInt16LE(at + 4), bytes.readUInt16LE(at + 6)];
        if (px >> (16 - z) !== x || py >> (16 - z) !== y) expect.fail(`point ${id} is not in its tile`);
        if (expected.get(id) !== `${px} ${py}` || bytes.readUInt32LE(at + 8) !== id * 7)
          expect.fail(`point ${id} is another`);
        seen.add(id);
      }
    }
    expect(seen.size).toBe(count);
  });
});
