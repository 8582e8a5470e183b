import { type Ledger, type StepLedgers, stepsOf } from '../../schema/index.ts';
import type { FileInfo, Storage } from '../../storage/index.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { writeFile } from '../write-file.ts';

/**
 * Copies the released trail of the parent, byte for byte under its names, and takes over what the parent counted: so that
 * a subset accounts for every link as its parent does.
 */
export async function inheritTrail(
  dropped: readonly FileInfo[],
  ledgers: StepLedgers,
  parent: Storage,
  ctx: StageContext,
): Promise<StageResult> {
  const files: FileInfo[] = [];
  for (const { path } of dropped) {
    files.push(
      await writeFile(ctx.storage, path, async (sink) => {
        for await (const chunk of parent.stream(path)) {
          ctx.signal.throwIfAborted();
          await sink.write(chunk);
        }
      }),
    );
    ctx.progress(1);
  }
  return { files, ledgers: Object.fromEntries(stepsOf(ledgers).map(inherited)) };
}

/** What came out of an earlier selection goes into this one, whose own tasks count it: here is the rest. */
function inherited([step, ledger]: readonly [string, Ledger]): [string, Ledger] {
  return step === 'selected' ? [step, { ...ledger, in: ledger.in - ledger.out, out: 0 }] : [step, ledger];
}
