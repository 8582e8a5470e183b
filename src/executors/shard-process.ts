import type { ShardEnvironment, ShardOrder, ShardResult } from '../pipeline/download/runner.ts';
import { ShardRunner } from '../pipeline/download/runner.ts';
import { GleanerError, refusedBySystem } from '../schema/index.ts';
import { Journal } from './journal.ts';

/** What the process behind this file is told. */
export type ToShardProcess =
  | { readonly kind: 'begin'; readonly environment: ShardEnvironment; readonly journal: string }
  | { readonly kind: 'order'; readonly order: ShardOrder };

/** What it tells. */
export type FromShardProcess =
  | { readonly kind: 'alive' }
  | { readonly kind: 'done'; readonly rows: number }
  | { readonly kind: 'hungry'; readonly index: number }
  /** The environment cannot be: what a user has to mend. */
  | { readonly kind: 'refused'; readonly usage: boolean; readonly problem: string }
  | { readonly kind: 'ended'; readonly index: number; readonly result: ShardResult }
  /** `told` is meant for the user, else it is a defect's stack. */
  | { readonly kind: 'failed'; readonly index: number; readonly told: boolean; readonly problem: string };

/** How often a sign of life is given, in milliseconds. */
const ALIVE_EVERY_MS = 5_000;
/** Progress is told together, at most so often, in milliseconds. */
const PROGRESS_EVERY_MS = 100;
/**
 * An image that is worked on for longer, in milliseconds, ends the process: nothing else ends a decoder. The largest
 * image that a recipe lets through by default takes some seconds.
 */
const IMAGE_LIMIT_MS = 120_000;

let runner: Promise<ShardRunner> | undefined;
let journal: Journal | undefined;
let rows = 0;

function tell(message: FromShardProcess): void {
  process.send?.(message);
}

async function work(order: ShardOrder): Promise<void> {
  const { index } = order;
  try {
    const result = await (await runner)?.run(order, {
      signal: new AbortController().signal, // A stopped download ends the process itself.
      progress: (done) => {
        rows += done;
      },
      hungry: () => tell({ kind: 'hungry', index }),
      journal: (shard, row) => journal?.begin(shard, row) ?? (() => undefined),
    });
    if (result) tell({ kind: 'ended', index, result });
  } catch (error) {
    const told = refusedBySystem(error);
    tell({ kind: 'failed', index, told: told !== undefined, problem: problemOf(error) });
  }
}

/** What a user reads, or where a defect lies. */
function problemOf(error: unknown): string {
  return (
    refusedBySystem(error)?.message ?? (error instanceof Error ? error.stack : undefined) ?? String(error)
  );
}

process.on('message', (message: ToShardProcess) => {
  if (message.kind === 'order') void work(message.order);
  else {
    journal = new Journal(message.journal);
    runner = ShardRunner.open(message.environment);
    runner.catch((error: unknown) => {
      const usage = error instanceof GleanerError && error.code === 'USAGE';
      tell({ kind: 'refused', usage, problem: problemOf(error) });
    });
  }
});
// Without the process that began this one there is nobody to work for: what is half written is swept away later.
process.on('disconnect', () => process.exit(1));
// Ctrl-C reaches all processes of a terminal: the one that began this one decides.
process.on('SIGINT', () => undefined);
setInterval(() => {
  if (rows > 0) tell({ kind: 'done', rows });
  rows = 0;
}, PROGRESS_EVERY_MS);
setInterval(() => {
  tell({ kind: 'alive' });
  const late = performance.now() - IMAGE_LIMIT_MS;
  for (const { began } of journal?.entries() ?? []) if (began < late) process.kill(process.pid, 'SIGKILL');
}, ALIVE_EVERY_MS);
