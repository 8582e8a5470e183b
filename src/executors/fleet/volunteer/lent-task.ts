import type { Recipe } from '../../../config/index.ts';
import { withoutSecrets } from '../../../config/secrets.ts';
import { createParquetWriter } from '../../../formats/index.ts';
import { runStorage } from '../../../pipeline/index.ts';
import type { TaskOf } from '../../../pipeline/task.ts';
import type { Pair } from '../../../schema/index.ts';
import { EXTRACTED_COLUMNS, pairRecord, readPairs } from '../../../stages/tables.ts';
import { writeFile } from '../../../stages/write-file.ts';
import type { FileInfo, Storage } from '../../../storage/index.ts';
import type { Bundle, FleetSpec } from '../fleet-spec.ts';
import type { FleetRun } from '../run-row.ts';
import type { FileGrants } from './grants.ts';
import { lentPairs } from './places.ts';
import { GRANT_SECONDS, type Loan } from './protocol.ts';
import { takedownsOf } from './takedowns.ts';

/** The pairs of a task that a volunteer may be told: those that were not taken down, as a file of their own. */
export async function writeLentPairs(
  storage: Storage,
  spec: FleetSpec,
  task: TaskOf<'harvest'>,
  loan: string,
): Promise<{ readonly file: FileInfo; readonly rows: number } | undefined> {
  const removed = await takedownsOf(storage, spec);
  const pairs: Pair[] = [];
  for await (const pair of readPairs(storage, task.unique.path, task.rowStart, task.rowEnd)) {
    const { uid, url, pageUrl } = pair;
    if (!removed.names({ uid, url, page_url: pageUrl })) pairs.push(pair);
  }
  if (pairs.length === 0) return undefined;
  const file = await writeFile(storage, lentPairs(loan), async (sink) => {
    const writer = createParquetWriter(sink, EXTRACTED_COLUMNS);
    await writer.writeRowGroup(pairs.map(pairRecord));
    await writer.finish();
  });
  return { file, rows: pairs.length };
}

/** What a volunteer is told of a task: no more than it needs, and nothing that names a place of ours. */
export async function describeLoan(
  run: FleetRun,
  { id, index }: { readonly id: string; readonly index: number },
  pairs: { readonly file: FileInfo; readonly rows: number },
  grants: FileGrants,
): Promise<Loan> {
  const { location, spec, fingerprint } = run;
  const bundleOf = (named: string): Bundle => {
    const bundle = spec.bundles.find((one) => one.named === named);
    if (!bundle) throw new Error(`${named} lies outside of the run`);
    return bundle;
  };
  const grant = async (path: string, { bytes, sha256 }: Pick<FileInfo, 'bytes' | 'sha256'>) => ({
    ...{ bytes, sha256 },
    url: await grants.get(location, path, GRANT_SECONDS),
  });
  const model = bundleOf(spec.modelDir);
  const lists = spec.recipe.fetch.optOutLists.map((path) => bundleOf(path));
  return {
    lease: id,
    run: run.id,
    index,
    fingerprint,
    recipe: publicRecipe(spec.recipe),
    model: {
      name: spec.model.name,
      dimension: spec.model.dimension,
      files: await Promise.all(
        model.files.map(async (file) => ({
          path: file.path,
          ...(await grant(`${model.stored}/${file.path}`, file)),
        })),
      ),
    },
    categories: spec.categories,
    lists: await Promise.all(
      lists.map(({ stored, files }) => grant(stored, files[0] ?? { bytes: 0, sha256: '' })),
    ),
    pairs: { rows: pairs.rows, ...(await grant(pairs.file.path, pairs.file)) },
  };
}

/** Whether all that a volunteer needs lies in the storage of the run. */
export function isComplete({ bundles, modelDir, recipe }: FleetSpec): boolean {
  return [modelDir, ...recipe.fetch.optOutLists].every((path) => bundles.some(({ named }) => named === path));
}

/** The part of a recipe that harvest reads, with no path of a machine of ours. */
function publicRecipe(recipe: Recipe): Recipe {
  const { extract, fetch, safety, card } = withoutSecrets(recipe);
  return {
    ...recipe,
    description: '',
    extract: { ...extract, hostBlocklists: [], urlBlocklists: [] },
    fetch: { ...fetch, optOutLists: fetch.optOutLists.map((_, i) => `list-${i}`) },
    safety: { ...safety, categories: 'stand-in' },
    card: { ...card, contact: null },
  };
}

/** The storage of a run. */
export function storageOf(run: FleetRun): Storage {
  return runStorage(run.location);
}
