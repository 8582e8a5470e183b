import { readTar } from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import type { Storage } from '../../storage/index.ts';
import { type ColumnGroup, columnGroups, parquetFiles } from './column-groups.ts';
import type { Statistics } from './statistics.ts';

/** Pictures are made this small, in pixels: 25 of them are some 300 kB in the page. */
const MAX_SHORTER = 160;
const MAX_LONGER = 320;
const JPEG_QUALITY = 80;
/** Longer texts are cut, in characters. */
const MAX_TEXT = 300;

/** A pair of the release, to be looked at. */
export interface Sample {
  readonly uid: string;
  readonly url: string;
  readonly text: string;
  readonly similarity: number;
  readonly jpeg: Uint8Array;
  /** Of `jpeg`, in pixels. */
  readonly width: number;
  readonly height: number;
}

/** Pairs of a range of similarities, from ≤ similarity < to (the last band holds its upper end). */
export interface SampleBand {
  readonly from: number;
  readonly to: number;
  readonly samples: readonly Sample[];
}

export interface SampleOptions {
  /** Pairs of each band. @default 5 */
  readonly perBand?: number;
}

interface Pick {
  readonly uid: string;
  readonly similarity: number;
  readonly part: number;
  readonly URL: string;
  readonly TEXT: string;
  readonly key: string;
}

/**
 * Pairs to look at: five bands of similarity that hold as many pairs each, from every band the first pairs in the
 * order of their uids. Uids are hashes, so that is a random sample, and always the same. Pairs of the classes
 * UNSURE and NSFW are never among them.
 *
 * @throws GleanerError DAMAGED where an image is not in its tar or cannot be decoded
 */
export async function collectSamples(
  storage: Storage,
  stats: Statistics,
  options: SampleOptions = {},
): Promise<readonly SampleBand[]> {
  const { perBand = 5 } = options;
  const edges = bandEdges(stats);
  const picks: Pick[][] = edges.slice(1).map(() => []);
  const files = await parquetFiles(storage, 'release/metadata');
  for await (const group of columnGroups(storage, files)) await addPicks(group, edges, picks, perBand);
  const images = await readImages(storage, picks.flat());
  const bands: SampleBand[] = [];
  for (const [i, band] of picks.entries()) {
    const samples: Sample[] = [];
    for (const pick of band) samples.push(await toSample(pick, images.get(pick.uid)));
    bands.push({ from: edges[i] ?? 0, to: edges[i + 1] ?? 0, samples });
  }
  return bands;
}

/** Quintiles of the similarity of what was kept, to 0.0001, from its minimum to its maximum. */
function bandEdges({ distributions: { similarity } }: Statistics): readonly number[] {
  const { quintiles, min, max } = similarity;
  if (!quintiles || min === null || max === null) return [];
  return [...new Set([min, ...quintiles, max])];
}

/** Looks at the columns that decide; URL, text and key are read where a pair of the group is picked. */
async function addPicks(
  group: ColumnGroup,
  edges: readonly number[],
  picks: readonly Pick[][],
  perBand: number,
): Promise<void> {
  const similarity = await group.numbers('similarity');
  const nsfw = await group.strings('NSFW');
  const { values, codes } = nsfw.codes();
  nsfw.done();
  const uids = await group.strings('uid');
  const chosen = picks.map((): Candidate[] => []);
  for (let row = 0; row < group.rows; row++) {
    if (values[codes[row] ?? 0] !== 'UNLIKELY') continue;
    const cosine = similarity[row] ?? 0;
    const band = edges.findLastIndex((edge, i) => i < picks.length && (i === 0 || edge <= cosine));
    const [before, mine] = [picks[band], chosen[band]];
    if (!before || !mine) continue;
    const uid = uids.text(row);
    const last = before.length >= perBand ? before.at(-1) : undefined;
    if (!last || uid < last.uid) insert(mine, { uid, row }, perBand);
  }
  uids.done();
  if (chosen.every((band) => band.length === 0)) return;
  const columns = {
    URL: await group.strings('URL'),
    TEXT: await group.strings('TEXT'),
    key: await group.strings('key'),
  };
  for (const [band, candidates] of chosen.entries())
    for (const { uid, row } of candidates) {
      const [URL, TEXT, key] = [columns.URL.text(row), columns.TEXT.text(row), columns.key.text(row)];
      const pick = { uid, similarity: similarity[row] ?? 0, part: group.file, URL, TEXT, key };
      insert(picks[band] ?? [], pick, perBand);
    }
  for (const column of Object.values(columns)) column.done();
}

interface Candidate {
  readonly uid: string;
  readonly row: number;
}

/** Keeps the `limit` smallest uids, in their order. */
function insert<T extends { readonly uid: string }>(band: T[], pick: T, limit: number): void {
  const last = band.at(-1);
  if (band.length >= limit && last && last.uid <= pick.uid) return;
  const at = band.findIndex(({ uid }) => pick.uid < uid);
  band.splice(at < 0 ? band.length : at, 0, pick);
  if (band.length > limit) band.pop();
}

async function readImages(
  storage: Storage,
  picks: readonly Pick[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const part of new Set(picks.map((pick) => pick.part))) {
    const path = `release/images/${String(part).padStart(5, '0')}.tar`;
    const wanted = new Map(picks.flatMap((p) => (p.part === part ? [[`${p.key}.jpg`, p.uid]] : [])));
    for await (const { name, bytes } of readTar(storage.stream(path), { name: path })) {
      const uid = wanted.get(name);
      if (uid === undefined || bytes === null) continue;
      found.set(uid, bytes);
      wanted.delete(name);
      if (wanted.size === 0) break;
    }
    const [missing] = wanted.keys();
    if (missing !== undefined) throw new GleanerError('DAMAGED', { path, problem: `holds no ${missing}` });
  }
  return found;
}

async function toSample(pick: Pick, stored: Uint8Array | undefined): Promise<Sample> {
  const damaged = (problem: string) => new GleanerError('DAMAGED', { path: `${pick.key}.jpg`, problem });
  if (!stored) throw damaged('was not read');
  const { decodeImage, encodeJpeg, resizeForStore } = await import('../../image/index.ts');
  const decoded = await decodeImage(stored, { minBytes: 0, maxPixels: 1 << 26, formats: ['jpeg'] });
  if (!decoded.kept) throw damaged(`cannot be decoded (${decoded.detail})`);
  const { width, height } = decoded.value;
  const shortestSide = Math.max(
    1,
    Math.min(MAX_SHORTER, Math.floor((MAX_LONGER * Math.min(width, height)) / Math.max(width, height))),
  );
  const small = resizeForStore(decoded.value, { shortestSide });
  return {
    uid: pick.uid,
    url: pick.URL,
    text: cut(pick.TEXT),
    similarity: pick.similarity,
    jpeg: await encodeJpeg(small, JPEG_QUALITY),
    width: small.width,
    height: small.height,
  };
}

function cut(text: string): string {
  const chars = [...text.slice(0, 2 * MAX_TEXT + 2)];
  return chars.length <= MAX_TEXT ? text : `${chars.slice(0, MAX_TEXT).join('')}…`;
}
