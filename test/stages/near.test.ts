import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NearRules } from '../../src/config/index.ts';
import { readParquetRows, toFloat16, toFloat32 } from '../../src/formats/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { dropped, type NearRow, nearRow, type Verdict, writeShards } from './near-rows.ts';

const newStorage = async () => fileStorage(await mkdtemp(join(tmpdir(), 'gleaner-near-')));
const NOTHING: NearRules = { sameBytes: false, samePicture: null, sameMeaning: null };
const PICTURE: NearRules = { ...NOTHING, samePicture: { maxDistance: 4 } };
const MEANING: NearRules = {
  ...NOTHING,
  sameMeaning: { minCosine: 0.9001, rowsPerCluster: 1000, seed: 0 },
};
const ALL: NearRules = { ...PICTURE, ...MEANING, samePicture: PICTURE.samePicture, sameBytes: true };

/** The rule as its words have it: every row against every one that is kept, in double precision. */
function byTheRule(rows: readonly NearRow[], rules: NearRules): Map<string, Verdict> {
  const bits = (a: string, b: string) =>
    (BigInt(`0x${a}`) ^ BigInt(`0x${b}`)).toString(2).replaceAll('0', '').length;
  const norm = (a: Float32Array) => Math.hypot(...a) || 1;
  const cosine = (a: Float32Array, b: Float32Array) => {
    const [x, y] = [toFloat32(toFloat16(a)), toFloat32(toFloat16(b))];
    return x.reduce((sum, n, i) => sum + n * (y[i] ?? 0), 0) / norm(x) / norm(y);
  };
  let left = [...rows].sort((a, b) => b.similarity - a.similarity || (a.uid < b.uid ? -1 : 1));
  const likes = new Map<string, { reason: string; like: string; how: string }>();
  const apply = (
    reason: string,
    alike: (a: NearRow, b: NearRow) => boolean,
    how: (a: NearRow, b: NearRow) => string,
  ) => {
    const kept: NearRow[] = [];
    for (const row of left) {
      const like = kept.find((other) => alike(row, other));
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
        async (rows, rules, size, backwards) => {
          const storage = await newStorage();
          const shards = parted(backwards ? rows.toReversed() : rows, size);
          const { verdicts, result } = await dropped(storage, await writeShards(storage, shards), rules, 5);
          expect(verdicts).toEqual(byTheRule(rows, rules));
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
      { numRuns: 60 },
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
