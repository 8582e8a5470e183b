import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Recipe } from '../../../config/index.ts';
import type { TaskOf } from '../../../pipeline/task.ts';
import { dropped, GleanerError, type Pair } from '../../../schema/index.ts';
import { harvest } from '../../../stages/harvest.ts';
import type { HarvestEngines } from '../../../stages/harvest-engines.ts';
import { harvestFiles } from '../../../stages/harvested.ts';
import type { ImageWatch } from '../../../stages/image-watch.ts';
import type { PastPair } from '../../../stages/past.ts';
import type { StageResult } from '../../../stages/stage.ts';
import { readPairs } from '../../../stages/tables.ts';
import { type FileInfo, fileStorage, type Storage, writeChunks } from '../../../storage/index.ts';
import { drawNumbers } from './chance.ts';
import type { ShardBounds } from './claim.ts';
import { unfitClaim } from './claim.ts';
import { ShardRefused } from './forged.ts';
import { fatesOf, inspectShard, type SentShard, type Turned } from './inspect-shard.ts';
import { held, lentPairs, uploadedFiles } from './places.ts';
import type { Claim, UploadedName } from './protocol.ts';
import { type Drawn, type Findings, SecondLook } from './second-look.ts';

/** Share of a shard's kept pairs, and of its dropped ones, that is fetched again; and the least and most of each. */
export interface SampleSize {
  /** @default 0.02 */
  readonly share: number;
  /** @default 20 */
  readonly least: number;
}
export const SAMPLE: SampleSize = { share: 0.02, least: 20 };
const MOST_DRAWN = 1_000;

/** Folder of the shard on this machine. */
const SHARD = 'shard';

/** Something that a volunteer has sent, to be audited: plain data. */
export interface AuditedShard {
  readonly loan: string;
  readonly task: TaskOf<'harvest'>;
  /** Pairs that were lent of the task's. */
  readonly lent: number;
  readonly claim: Claim;
  readonly sample: SampleSize;
  /** What the sample is drawn by: made after all was sent, and told nobody. */
  readonly seed: string;
}

/** What an audit comes to: plain data. */
export type Verdict =
  | { readonly accepted: true; readonly result: StageResult; readonly findings: Findings }
  | { readonly accepted: false; readonly problem: string; readonly forged: boolean };

export interface AuditTools {
  readonly recipe: Recipe;
  readonly engines: HarvestEngines;
  readonly watch: ImageWatch;
  readonly signal: AbortSignal;
  readonly progress: (done: number) => void;
}

/**
 * Checks what a volunteer has sent, and writes it anew as a shard of the run where all is well. No file that came in reaches
 * the run by itself: each is made here, of what was checked; pictures and embeddings have to be those that were sent, byte for byte.
 *
 * @param storage of the run
 * @throws whatever is wrong with this machine, and not with the shard
 */
export async function auditShard(
  storage: Storage,
  audited: AuditedShard,
  tools: AuditTools,
): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-audit-'));
  try {
    return await audit(storage, fileStorage(folder), audited, tools);
  } catch (error) {
    tools.signal.throwIfAborted();
    if (!(error instanceof ShardRefused)) throw error;
    return { accepted: false, problem: error.message, forged: error.forged };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function audit(
  storage: Storage,
  local: Storage,
  { loan, task, lent, claim, sample, seed }: AuditedShard,
  tools: AuditTools,
): Promise<Verdict> {
  const { recipe, engines, watch, signal } = tools;
  const bounds: ShardBounds = {
    pairs: lent,
    pairsBytes: (await storage.size(lentPairs(loan))) ?? 0,
    dimension: engines.model.dimension,
  };
  const unfit = unfitClaim(claim, bounds);
  if (unfit !== undefined) throw new ShardRefused(unfit);
  await bring(storage, local, loan, claim, signal);
  const shard: SentShard = {
    storage: local,
    files: harvestFiles(SHARD),
    pairs: () => readPairs(storage, lentPairs(loan)),
    ...{ lent, rows: claim.rows, dimension: engines.model.dimension },
  };
  const drawnKept = drawNumbers(sampleOf(claim.rows, sample), claim.rows, `${seed}/kept`);
  const others = lent - claim.rows;
  const drawnDropped = drawNumbers(sampleOf(others, sample), others, `${seed}/dropped`);
  const drawn: Drawn[] = [];
  const turned = await readable(shard.storage, () =>
    inspectShard(shard, { recipe, safety: engines.safety, watch, signal }, async (pair, fate, n) => {
      tools.progress(1);
      if (!(fate.kept ? drawnKept : drawnDropped).has(n)) return;
      if (!fate.kept) drawn.push({ pair, fate });
      else {
        const jpeg = await fate.jpeg();
        drawn.push({ pair, fate: { ...fate, jpeg: async () => jpeg } });
      }
    }),
  );
  const findings = await new SecondLook(recipe, engines, watch, signal).take(drawn);
  const result = await writeShard(storage, shard, { loan, task, turned }, tools);
  const { changed } = result;
  // Of what was taken down meanwhile, or is classed otherwise, files are others; else they have to be those that were sent.
  const other = changed ? undefined : otherFile(result.shard, claim);
  if (other !== undefined) {
    for (const { path } of result.shard.files) await storage.remove(path);
    throw new ShardRefused(`${other} is not as gleaner writes it`);
  }
  return { accepted: true, result: result.shard, findings };
}

function sampleOf(rows: number, { share, least }: SampleSize): number {
  return Math.min(rows, MOST_DRAWN, Math.max(least, Math.ceil(share * rows)));
}

/** Copies what was sent to this machine, where it stays as it was checked. */
async function bring(
  storage: Storage,
  local: Storage,
  loan: string,
  { files }: Claim,
  signal: AbortSignal,
): Promise<void> {
  const names = uploadedFiles(SHARD);
  for (const { name, bytes, sha256 } of files) {
    const from = `${held(loan)}/${name}`;
    if ((await storage.size(from)) !== bytes)
      throw new ShardRefused(`${name} has not the size that it was said to have`);
    const file = await local.create(names[name as UploadedName]);
    const written = await writeChunks(file, storage.stream(from), signal, { lasting: false });
    if (written?.sha256 !== sha256)
      throw new ShardRefused(`${name} has not the checksum that it was said to have`);
  }
}

/** What cannot be read is the shard's fault, but for what the system refuses. */
async function readable<T>(local: Storage, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ShardRefused) throw error;
    const isOurs = error instanceof GleanerError ? error.code !== 'DAMAGED' : isOfSystem(error);
    if (isOurs) throw error;
    const said =
      error instanceof Error
        ? error.message.replaceAll(local.location, '').slice(0, 300)
        : 'it is unreadable';
    throw new ShardRefused(`it cannot be read: ${said}`);
  }
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && ('syscall' in error || error.name === 'AbortError');
}

/** Writes the shard as the harvest writes what it keeps of an earlier one. */
async function writeShard(
  storage: Storage,
  shard: SentShard,
  {
    loan,
    task,
    turned,
  }: { readonly loan: string; readonly task: TaskOf<'harvest'>; readonly turned: Turned },
  { recipe, engines, signal }: AuditTools,
): Promise<{ readonly shard: StageResult; readonly changed: boolean }> {
  const { removed } = engines;
  let changed = turned.size > 0;
  async function* fates(): AsyncGenerator<PastPair, void, undefined> {
    const sent = fatesOf(shard.storage, shard.files, shard.pairs());
    let next = await sent.next();
    // Those that were not lent were taken down before.
    for await (const pair of readPairs(storage, task.unique.path, task.rowStart, task.rowEnd)) {
      const mine = next.done !== true && next.value.pair.uid === pair.uid ? next.value : undefined;
      if (mine) next = await sent.next();
      const isGone =
        !mine || removed?.names({ uid: pair.uid, url: pair.url, page_url: pair.pageUrl }) || hasBytes(mine);
      if (isGone) {
        changed = true;
        const past = { ...dropped('removed'), similarity: null };
        yield { pair, past, facts: undefined };
      } else yield turn(pair, mine);
    }
    if (next.done !== true) throw new Error('a pair was lent that is none of the task');
  }
  const hasBytes = ({ past }: PastPair) => past.kept && removed?.hasSha256(past.row.sha256) === true;
  const turn = (pair: Pair, item: PastPair): PastPair => {
    const { past } = item;
    const nsfw = turned.get(pair.uid);
    if (!nsfw || !past.kept) return item;
    if (nsfw.kept) return { ...item, past: { ...past, row: { ...past.row, nsfw: nsfw.value } } };
    return { ...item, past: { ...nsfw, similarity: past.row.similarity } };
  };
  const folder = `harvest/${String(task.index).padStart(5, '0')}-${loan.slice(0, 12)}`;
  const ctx = { storage, signal, progress: () => undefined };
  const written = await harvest(folder, fates(), recipe, engines, ctx);
  return { shard: written, changed };
}

/** Files whose bytes follow from what they hold: Parquet is packed by whichever zstd a Node brings. */
const PLAIN = new Set(['images.tar', 'img_emb.npy', 'text_emb.npy']);

/** The first of these that is not the one that was sent. */
function otherFile({ files }: StageResult, { files: sent }: Claim): string | undefined {
  const baseName = ({ path }: FileInfo) => path.slice(path.lastIndexOf('/') + 1);
  const digestOf = (name: string) => files.find((file) => baseName(file) === name)?.sha256;
  return sent.find(({ name, sha256 }) => PLAIN.has(name) && digestOf(name) !== sha256)?.name;
}
