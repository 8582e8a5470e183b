import { npyInfo, parquetInfo, readParquetRows, readTar } from '../formats/index.ts';

import { balances, type FunnelStep, GleanerError, keptPairs, type Ledger, stepsOf } from '../schema/index.ts';

import { readKnownContent } from '../stages/known-content.ts';
import { mapOrdered } from '../stages/ordered.ts';
import { RELEASE_COLUMNS, releaseFiles } from '../stages/released.ts';
import { digestChunks, type FileInfo, type Storage, withSource } from '../storage/index.ts';
import { type RunLedgers, sumLedgers } from './accounting.ts';
import { checkFetched } from './fetched-apart.ts';
import { type Manifest, readManifests } from './manifest.ts';
import { isRemovalUnderWay } from './removal-state.ts';
import { isReleaseStaged, stagedRelease } from './staged-release.ts';
import { STAGES } from './task.ts';

/** What verify found: `problems` is empty where all is well. */
export interface Verification {
  readonly tasks: number;
  readonly files: number;
  readonly bytes: number;
  /** Rows of the release, 0 where the run has none yet. */
  readonly rows: number;
  /** Rows that were taken down since: their SAMPLE_IDs are nobody's. */
  readonly removed: number;
  readonly ledgers: RunLedgers;
  /** One line each: what, where. */
  readonly problems: readonly string[];
}

/**
 * Checks a run against itself: every file's size and sha256, the conservation law in every task and from step to
 * step, and that the parts of the release belong together row for row. Reads everything once.
 *
 * @param onFile called after each file that was read
 * @throws GleanerError RUN_NOT_FOUND where there is no task to check
 */
export async function verifyRun(run: Storage, onFile?: (file: FileInfo) => void): Promise<Verification> {
  const storage = stagedRelease(run);
  const manifests: Manifest[] = [];
  for (const stage of STAGES) manifests.push(...(await readManifests(storage, stage)));
  if (manifests.length === 0)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: storage.location,
      what: 'task',
      hint: 'Give the --out of a run.',
    });
  const problems: string[] = [];
  if (await isReleaseStaged(run))
    problems.push(
      'release: is that of before; a new one was begun and is not whole. Run the same command again.',
    );
  if (await isRemovalUnderWay(storage))
    problems.push("a takedown was stopped before its end: give 'gleaner remove' with this folder to end it");
  const files = manifests.flatMap((manifest) => manifest.files);
  const checked = mapOrdered(files, filesAtOnce(storage), async (file) => {
    const found = await checkFile(storage, file);
    onFile?.(file);
    return found;
  });
  for await (const found of checked) problems.push(...found);
  for (const manifest of manifests)
    for (const [step, ledger] of Object.entries(manifest.ledgers))
      if (!balances(ledger)) problems.push(`tasks/${manifest.task}.json: ${step}: ${unbalanced(ledger)}`);
  const ledgers = sumLedgers(manifests);
  problems.push(...checkChain(ledgers, manifests));
  if (problems.length === 0) problems.push(...(await checkKnown(storage, manifests, ledgers)));
  if (problems.length === 0)
    for (const manifest of manifests) problems.push(...(await checkFetched(storage, manifest)));
  const released = manifests.filter((manifest) => manifest.task.startsWith('release/'));
  // Damaged files are named above; reading on through them would only repeat it.
  const found =
    problems.length === 0
      ? await checkRelease(storage, released, ledgers, problems)
      : { rows: 0, removed: 0 };
  return {
    tasks: manifests.length,
    files: files.length,
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    ...found,
    ledgers,
    problems,
  };
}

/** From a disk one file after another is read as fast as its checksum is made; over a network, several. */
function filesAtOnce({ kind }: Storage): number {
  return kind === 's3' ? 8 : 1;
}

async function checkFile(storage: Storage, file: FileInfo): Promise<string[]> {
  const size = await storage.size(file.path);
  if (size === undefined) return [`${file.path}: is missing`];
  if (size !== file.bytes) return [`${file.path}: has ${size} bytes, not ${file.bytes}`];
  const { sha256 } = await digestChunks(storage.stream(file.path));
  return sha256 === file.sha256 ? [] : [`${file.path}: its content has changed (sha256 differs)`];
}

function unbalanced(ledger: Ledger): string {
  return `in ${ledger.in} is not out ${ledger.out} and dropped ${JSON.stringify(ledger.dropped)}`;
}

/** The restricted reports hold a line for each pair that was dropped as known content. */
async function checkKnown(
  storage: Storage,
  manifests: readonly Manifest[],
  ledgers: RunLedgers,
): Promise<string[]> {
  // Of a subset: they lie with the run that found it.
  if (!manifests.some(({ task }) => task.startsWith('harvest/'))) return [];
  let listed = 0;
  // What a fetch found is reported by the harvest that follows it.
  const reporting = manifests.filter(({ task }) => !task.startsWith('fetch/'));
  for (const { path } of reporting.flatMap(({ files }) => files))
    if (/(?:^|\/)known-content(?:\/\d+)?\.jsonl$/.test(path) && (await storage.size(path)) !== undefined)
      for await (const _ of readKnownContent(storage, path)) listed++;
  const counted = (ledgers.pair.dropped.known_url ?? 0) + (ledgers.fetched.dropped.known_content ?? 0);
  return listed === counted
    ? []
    : [`${counted} pairs were dropped as known content, but the restricted reports list ${listed}`];
}

/** What leaves a step has to enter the next one that was run; records and links are counted in units of their own. */
function checkChain(ledgers: RunLedgers, manifests: readonly Manifest[]): string[] {
  const ran = new Set(manifests.flatMap((manifest) => Object.keys(manifest.ledgers)));
  const problems: string[] = [];
  let before: readonly [FunnelStep, Ledger] | undefined;
  for (const [step, ledger] of stepsOf(ledgers)) {
    if (step === 'record' || !ran.has(step)) continue;
    if (before && before[1].out !== ledger.in)
      problems.push(`${before[1].out} leave '${before[0]}', but ${ledger.in} enter '${step}'`);
    before = [step, ledger];
  }
  return problems;
}

interface RowCounts {
  readonly rows: number;
  readonly removed: number;
}

async function checkRelease(
  storage: Storage,
  released: readonly Manifest[],
  ledgers: RunLedgers,
  problems: string[],
): Promise<RowCounts> {
  const sum = { rows: 0, removed: 0 };
  if (released.length === 0) return sum;
  for (const [part, { facts }] of released.entries()) {
    const paths = releaseFiles(part, released.length);
    const removed = typeof facts.removed === 'number' ? facts.removed : 0;
    const place = { firstRow: sum.rows + sum.removed, rows: Number(facts.rows), removed };
    const counts: Record<string, number> = {
      [`tasks/release/${String(part).padStart(5, '0')}.json`]: place.rows,
      [paths.metadata]: await countMetadata(storage, paths.metadata, place, problems),
    };
    for (const path of [paths.imageEmbeddings, paths.textEmbeddings])
      counts[path] = await withSource(storage, path, async (source) => (await npyInfo(source, path)).rows);
    counts[paths.images] = await countImages(storage, paths.images);
    if (new Set(Object.values(counts)).size !== 1)
      problems.push(
        `part ${part}: ${Object.entries(counts)
          .map(([path, n]) => `${path} has ${n} rows`)
          .join(', ')}`,
      );
    sum.rows += place.rows;
    sum.removed += removed;
  }
  const kept = keptPairs(ledgers);
  if (sum.rows + sum.removed !== kept)
    problems.push(`${kept} pairs were kept, but ${sum.rows} are released and ${sum.removed} taken down`);
  const listed = await countTrail(storage);
  const { record, link, ...pairs } = ledgers;
  const expected =
    Object.values(pairs).reduce((total, ledger) => total + (ledger ? ledger.in - ledger.out : 0), 0) +
    (link.in - link.out - (link.dropped.no_text ?? 0));
  if (listed !== expected) problems.push(`${expected} pairs were dropped, but the trail lists ${listed}`);
  return sum;
}

/**
 * Counts the rows of a part's metadata, and holds their SAMPLE_IDs against their places: they ascend without a gap, but
 * for as many as were taken down.
 */
async function countMetadata(
  storage: Storage,
  path: string,
  { firstRow, removed }: { readonly firstRow: number; readonly removed: number },
  problems: string[],
): Promise<number> {
  return withSource(storage, path, async (source) => {
    const columns = [RELEASE_COLUMNS[0]] as const;
    let count = 0;
    let least = firstRow;
    for await (const row of readParquetRows(source, columns, { name: path })) {
      const id = Number(row.SAMPLE_ID);
      // The rows that follow have their numbers too, so that no more are passed over than were taken down.
      const most = firstRow + removed + count++;
      if (id < least || id > most)
        problems.push(
          `${path}: SAMPLE_ID ${id} stands where ${least === most ? least : `${least} to ${most}`} should`,
        );
      least = Math.max(least, Math.min(id, most) + 1);
    }
    return count;
  });
}

async function countImages(storage: Storage, path: string): Promise<number> {
  let images = 0;
  for await (const member of readTar(storage.stream(path), { name: path }))
    if (member.name.endsWith('.jpg')) images++;
  return images;
}

async function countTrail(storage: Storage): Promise<number> {
  let rows = 0;
  for (const path of await storage.list('release/dropped'))
    rows += await withSource(storage, path, async (source) => (await parquetInfo(source, path)).rows);
  return rows;
}
