import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NearRules } from '../../src/config/index.ts';
import { readParquetRows, toFloat16, toFloat32 } from '../../src/formats/index.ts';
import { type KeptSet, keepFirst } from '../../src/stages/near/kept-set.ts';
import { KeptMeanings } from '../../src/stages/near/meanings.ts';
import { KeptPictures } from '../../src/stages/near/pictures.ts';
import { fileStorage, Scratch } from '../../src/storage/index.ts';
import { dropped, type NearRow, nearRow, type Verdict, writeShards } from '../support/near-rows.ts';
import { mulberry } from '../support/random.ts';

const newStorage = async () => fileStorage(await mkdtemp(join(tmpdir(), 'gleaner-near-')));
const NOTHING: NearRules = { sameBytes: false, samePicture: null, sameMeaning: null };
const PICTURE: NearRules = { ...NOTHING, samePicture: { maxDistance: 4, minBits: 0, minCosine: null } };
const MEANING: NearRules = {
  ...NOTHING,
  sameMeaning: { minCosine: 0.9001, rowsPerCluster: 1000, seed: 0 },
};
const ALL: NearRules = { ...PICTURE, ...MEANING, samePicture: PICTURE.samePicture, sameBytes: true };

/** The rule as its words have it: every row against every one that is kept, in double precision. */
function byTheRule(rows: readonly NearRow[], rules: NearRules): Map<string, Verdict> {
  const bits = (a: string, b: string) =>
    (BigInt(`0x${a}`) ^ BigInt(`0x${b}`)).toString(2).replaceAll('0', '').length;
  const stored = new Map(
    rows.map(({ embedding }) => {
      const values = toFloat32(toFloat16(embedding));
      const length = Math.hypot(...values) || 1;
      return [embedding, Array.from(values, (x) => x / length)];
    }),
  );
  const cosine = (a: Float32Array, b: Float32Array) => {
    const [x, y] = [stored.get(a) ?? [], stored.get(b) ?? []];
    return x.reduce((sum, n, i) => sum + n * (y[i] ?? 0), 0);
  };
  let left = [...rows].sort((a, b) => b.similarity - a.similarity || (a.uid < b.uid ? -1 : 1));
  const likes = new Map<string, { reason: string; like: string; how: string }>();
  const apply = (
    reason: string,
    alike: (a: NearRow, b: NearRow) => boolean,
    how: (a: NearRow, b: NearRow) => string,
    howFar: (a: NearRow, b: NearRow) => number = () => 0,
  ) => {
    const kept: NearRow[] = [];
    for (const row of left) {
      const [like] = kept
        .filter((other) => alike(row, other))
        .sort((a, b) => howFar(row, a) - howFar(row, b));
      if (like) likes.set(row.uid, { reason, like: like.uid, how: how(row, like) });
      else kept.push(row);
    }
    left = kept;
  };
  if (rules.sameBytes)
    apply(
      'same_bytes',
      (a, b) => a.sha256 === b.sha256,
      () => 'same bytes as',
    );
  const { samePicture, sameMeaning } = rules;
  if (samePicture)
    apply(
      'same_picture',
      (a, b) => bits(a.phash, b.phash) <= samePicture.maxDistance,
      (a, b) => `distance ${bits(a.phash, b.phash)}`,
      (a, b) => bits(a.phash, b.phash),
    );
  if (sameMeaning)
    apply(
      'same_meaning',
      (a, b) => cosine(a.embedding, b.embedding) >= sameMeaning.minCosine,
      (a, b) => `cosine ${cosine(a.embedding, b.embedding).toFixed(4)}`,
    );
  return new Map(
    [...likes].map(([uid, { reason, like, how }]) => {
      let kept = like;
      for (let next = likes.get(kept); next; next = likes.get(kept)) kept = next.like;
      const bytes = reason === 'same_bytes';
      const detail =
        kept === like ? (bytes ? kept : `${kept}, ${how}`) : `${kept}, ${how}${bytes ? '' : ' to'} ${like}`;
      return [uid, { reason, detail }];
    }),
  );
}

/** Few different values, so that many are alike and chains arise; and rows of one similarity. */
const someRows = fc
  .array(
    fc.record({
      sha256: fc.nat(12).map((n) => n.toString(16).padStart(64, '7')),
      phash: fc
        .tuple(fc.constantFrom(0n, 0xffffffffn, 0x1234567890abcdefn), fc.array(fc.nat(63), { maxLength: 6 }))
        .map(([base, flips]) => flips.reduce<bigint>((hash, bit) => hash ^ (1n << BigInt(bit)), base))
        .map((hash) => hash.toString(16).padStart(16, '0')),
      similarity: fc.constantFrom(-0.1, 0, 0.25, 0.3, 0.31),
      embedding: fc
        .tuple(fc.nat(3), fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 5, maxLength: 5 }))
        .map(([axis, noise]) => Float32Array.from(noise, (n, i) => n / 8 + (i === axis ? 1 : 0))),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((facts) => facts.map((fact, n) => nearRow(n, fact)));

/** Cosines of float32 are told to the fourth digit: they may differ there from those of double precision. */
function expectSame(got: ReadonlyMap<string, Verdict>, expected: ReadonlyMap<string, Verdict>): void {
  const cosine = /cosine (\S+)/;
  const plain = (verdicts: ReadonlyMap<string, Verdict>) =>
    new Map(
      [...verdicts].map(([uid, { reason, detail }]) => [
        uid,
        { reason, detail: detail.replace(cosine, 'cosine') },
      ]),
    );
  expect(plain(got)).toEqual(plain(expected));
  for (const [uid, { detail }] of got) {
    const other = expected.get(uid)?.detail ?? '';
    const [mine, theirs] = [detail, other].map((text) => Number(cosine.exec(text)?.[1] ?? 0));
    expect(mine).toBeCloseTo(theirs ?? Number.NaN, 3);
  }
}

function parted<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

describe('near', () => {
  it('drops what the rule says, and names the one kept, whatever the shards and their order', async () => {
    await fc.assert(
      fc.asyncProperty(
        someRows,
        fc.constantFrom(ALL, PICTURE, MEANING, { ...NOTHING, sameBytes: true }),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        // So little that nearly all is sorted on disk.
        fc.constantFrom(undefined, 400),
        async (rows, rules, size, backwards, memoryBytes) => {
          const storage = await newStorage();
          const shards = parted(backwards ? rows.toReversed() : rows, size);
          const written = await writeShards(storage, shards);
          const { verdicts, result } = await dropped(storage, written, rules, 5, memoryBytes);
          expectSame(verdicts, byTheRule(rows, rules));
          const left = shards.map((shard) => shard.filter(({ uid }) => !verdicts.has(uid)).length);
          expect(result.facts).toEqual({ rows: left });
          const { distinct } = result.ledgers;
          expect([distinct?.in, distinct?.out]).toEqual([rows.length, rows.length - verdicts.size]);
          expect(await readdir(join(storage.location, 'near')).catch(() => [])).toEqual(
            shards.flatMap((shard, i) =>
              left[i] === shard.length ? [] : [`${String(i).padStart(5, '0')}.parquet`],
            ),
          );
        },
      ),
      { numRuns: 30 },
    );
  }, 60_000);

  it('does not join chains: where A is like B and B like C, but A not like C, A and C are kept', async () => {
    const storage = await newStorage();
    const hash = (ones: number) => (2n ** BigInt(ones) - 1n).toString(16).padStart(16, '0');
    const [a, b, c] = [0, 4, 8].map((ones, n) => nearRow(n, { phash: hash(ones), similarity: 0.9 - n / 10 }));
    if (!a || !b || !c) throw new Error('three rows');
    const shards = await writeShards(storage, [[c], [b, a]]);
    const { verdicts, result } = await dropped(storage, shards, PICTURE, 1);
    expect([...verdicts]).toEqual([[b.uid, { reason: 'same_picture', detail: `${a.uid}, distance 4` }]]);
    expect(result.facts).toEqual({ rows: [1, 1] });
    const source = await storage.open('near/00001.parquet');
    const columns = [
      { name: 'row', type: 'int32' },
      { name: 'kept_uid', type: 'string' },
    ] as const;
    expect(await Array.fromAsync(readParquetRows(source, columns))).toEqual([{ row: 0, kept_uid: a.uid }]);
    await source.close();
  });

  it('takes two pictures for the same only where their embeddings agree, whichever is the best of them', async () => {
    const storage = await newStorage();
    const [one, other] = [Float32Array.of(1, 0), Float32Array.of(0, 1)];
    const rows = [one, other, other, one].map((embedding, n) =>
      nearRow(n, { phash: `0123456789abcde${n}`, similarity: 0.9 - n / 10, embedding }),
    );
    const samePicture = { maxDistance: 4, minBits: 8, minCosine: 0.9 };
    const shards = await writeShards(storage, [rows.slice(0, 3), rows.slice(3)]);
    const { verdicts } = await dropped(storage, shards, { ...NOTHING, samePicture }, 2);
    const [a, b, c, d] = rows.map(({ uid }) => uid);
    expect([...verdicts]).toEqual([
      [c, { reason: 'same_picture', detail: `${b}, distance 2` }],
      [d, { reason: 'same_picture', detail: `${a}, distance 2` }],
    ]);
  });

  it('does not compare pictures whose hash says too little', async () => {
    const storage = await newStorage();
    const hashes = ['0000000000000000', '0000000000000001', 'ffffffffffffff01', 'ffffffffffffff00'];
    const rows = [...hashes, '00000000000000ff', '00000000000000ff'].map((phash, n) => nearRow(n, { phash }));
    const rules = { ...NOTHING, samePicture: { maxDistance: 4, minBits: 8, minCosine: null } };
    const { verdicts } = await dropped(storage, await writeShards(storage, [rows]), rules, 1);
    // Both have similarities of their own: 0.3 + 4 / 16 and 0.3 + 5 / 16. The hash with 56 ones and 8 zeros is compared.
    expect([...verdicts.keys()]).toEqual([rows[4]?.uid]);
  });

  it('leaves pairs alone that were taken down: nothing is left of them to compare', async () => {
    const storage = await newStorage();
    const facts = { sha256: 'a'.repeat(64), phash: '0123456789abcdef', embedding: Float32Array.of(1, 0) };
    const gone = { sha256: '', phash: '', similarity: 0.99, embedding: Float32Array.of(0, 0) };
    const rows = [gone, facts, gone, facts].map((row, n) => nearRow(n, row));
    const shards = await writeShards(storage, [rows]);
    const { verdicts } = await dropped(storage, shards, { ...ALL, sameMeaning: MEANING.sameMeaning }, 2);
    expect([...verdicts]).toEqual([[rows[1]?.uid, { reason: 'same_bytes', detail: rows[3]?.uid }]]);
  });

  it('finds the same in clusters, whatever the shards, and nothing that is not alike', async () => {
    const random = mulberry(3);
    const noise = () => Float32Array.from({ length: 24 }, () => random() + random() - 1);
    const subjects = Array.from({ length: 30 }, noise);
    const rows: NearRow[] = [];
    for (let n = 0; n < 900; n++) {
      const own = noise();
      const subject = subjects[n % subjects.length] ?? own;
      const copied = n % 3 === 2 ? rows[Math.floor(random() * n)]?.embedding : undefined;
      const embedding = copied
        ? copied.map((x, i) => x + 0.03 * (own[i] ?? 0))
        : subject.map((x, i) => x + 0.6 * (own[i] ?? 0));
      rows.push(nearRow(n, { embedding, similarity: random() }));
    }
    const rules = (rowsPerCluster: number, seed = 0): NearRules => ({
      ...NOTHING,
      sameMeaning: { minCosine: 0.98, rowsPerCluster, seed },
    });
    const search = async (shards: readonly (readonly NearRow[])[], of: NearRules) => {
      const storage = await newStorage();
      return (await dropped(storage, await writeShards(storage, shards), of, 24)).verdicts;
    };
    const all = byTheRule(rows, rules(1));
    expectSame(await search([rows], rules(1_000_000)), all);
    const inClusters = await search([rows], rules(20));
    expect(await search(parted(rows.toReversed(), 77), rules(20))).toEqual(inClusters);
    expect(await search([rows], rules(20, 1))).not.toEqual(inClusters);
    const byUid = new Map(rows.map((row) => [row.uid, row]));
    for (const [uid, { detail }] of inClusters) {
      const [row, kept] = [byUid.get(uid), byUid.get(detail.slice(0, 32))];
      if (!row || !kept) throw new Error(`${uid} is no row`);
      expect(inClusters.has(kept.uid)).toBe(false);
      expect(byTheRule([row, kept], rules(1)).get(uid)?.detail.slice(0, 40)).toBe(detail.slice(0, 40));
    }
    // In some 45 clusters a few that are alike come apart: 900 rows have 300 copies.
    expect(inClusters.size).toBeGreaterThan(0.9 * all.size);
  });

  it('goes through what memory does not hold again, as if it had held it', async () => {
    const random = mulberry(9);
    const scratch = new Scratch((await newStorage()).location);
    const of = async (words: number, records: Uint32Array, newSet: () => KeptSet) => {
      const blocks = (async function* () {
        for (let at = 0; at < records.length; at += 50 * words) yield records.subarray(at, at + 50 * words);
      })();
      const drops = await Array.fromAsync(keepFirst(blocks, { words, scratch, newSet }));
      const found = drops.flatMap((block) => [...block]);
      return new Map(Array.from({ length: found.length / 3 }, (_, i) => [found[3 * i], found[3 * i + 1]]));
    };
    // Of 16 values each: the nearest is one with the very hash, so that it is the same however much is held.
    const hashes = Uint32Array.from({ length: 3 * 600 }, (_, i) =>
      i % 3 === 0 ? i / 3 : Math.floor(random() * 16) * 0x11111111,
    );
    const pictures = (kept?: number) => of(3, hashes, () => new KeptPictures(3, kept));
    const held = await pictures();
    expect(held.size).toBeGreaterThan(300);
    expect(await pictures(7)).toEqual(held);
    const embeddings = Uint32Array.from({ length: 2 * 600 }, (_, i) =>
      i % 2 === 0 ? i / 2 : Math.floor(random() * 2 ** 32) & 0x3bff3bff,
    );
    const meanings = (kept?: number) => of(2, embeddings, () => new KeptMeanings(2, 0.999, kept));
    const near = await meanings();
    expect(near.size).toBeGreaterThan(300);
    expect(await meanings(5)).toEqual(near);
  });

  it('says which shard is not what the plan says, or holds what is no number', async () => {
    const storage = await newStorage();
    const shards = await writeShards(storage, [[nearRow(1, { embedding: Float32Array.of(1, Number.NaN) })]]);
    const [shard] = shards;
    if (!shard) throw new Error('a shard');
    await expect(dropped(storage, shards, MEANING, 2)).rejects.toThrow(
      /00000-made\/img_emb\.npy: has a number that is not finite in rows 0 to 0\.$/,
    );
    await expect(dropped(storage, shards, MEANING, 3)).rejects.toThrow(
      /img_emb\.npy: is a matrix of 1 × 2 float16, not of 1 × 3 float16\.$/,
    );
    await expect(dropped(storage, [{ ...shard, rows: 2 }], PICTURE, 2)).rejects.toThrow(
      /rows\.parquet: has 1 rows, not 2\.$/,
    );
    const odd = await writeShards(storage, [[nearRow(1), nearRow(2, { phash: 'xyz' })]]);
    await expect(dropped(storage, odd, PICTURE, 1)).rejects.toThrow(
      /rows\.parquet: column 'phash' of row 1 cannot be read\.$/,
    );
  });
});
