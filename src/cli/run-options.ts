import { type Command, InvalidArgumentError } from 'commander';
import type { RunLocallyOptions } from '../executors/index.ts';
import type { CommandContext } from './command.ts';
import { ProgressLines, stageStep } from './progress.ts';

/** Options that run and the stages of a run share, as commander gives them. */
export interface RunFlags {
  readonly wat: readonly string[];
  readonly out: string;
  readonly recipe: string;
  readonly model?: string;
  readonly imagesFrom?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly workers?: number;
  readonly json?: true;
}

export function withInputs(command: Command): Command {
  return command
    .requiredOption('--wat <file...>', 'WAT files of a crawl, plain or gzip')
    .requiredOption('--out <dir>', 'folder of the run; started again, it goes on where it was stopped')
    .option('--recipe <name>', 'built-in recipe, or the path of a YAML file', 'laion400m')
    .option('--workers <n>', 'threads (default: the number of cores)', wholeNumber)
    .option('--json', 'print the result as JSON');
}

/** Runs up to a stage with progress on standard error. */
export async function runWithProgress(
  flags: RunFlags,
  until: RunLocallyOptions['until'],
  { signal }: CommandContext,
): Promise<void> {
  // Not at the top: the native libraries of a run cost time that neither help nor a wrong option should wait for.
  const { runLocally } = await import('../executors/index.ts');
  const lines = new ProgressLines();
  try {
    await runLocally({
      recipe: flags.recipe,
      wats: flags.wat,
      out: flags.out,
      signal,
      onProgress: (progress) => lines.update(stageStep(progress)),
      ...(flags.model !== undefined && { model: flags.model }),
      ...(flags.imagesFrom && { imagesFrom: flags.imagesFrom }),
      ...(flags.allowHost && { allowHosts: flags.allowHost }),
      ...(flags.workers !== undefined && { workers: flags.workers }),
      ...(until && { until }),
    });
  } finally {
    lines.end();
  }
}

function wholeNumber(value: string): number {
  const n = Number(value);
  if (!Number.isSafeInteger(n) || n < 1) throw new InvalidArgumentError('Give a whole number of at least 1.');
  return n;
}

export function portNumber(value: string): number {
  const n = Number(value);
  if (!Number.isSafeInteger(n) || n < 0 || n > 65_535 || value.trim() === '')
    throw new InvalidArgumentError('Give a port from 0 to 65535.');
  return n;
}
