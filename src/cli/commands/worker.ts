import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { StageName } from '../../pipeline/index.ts';
import { STAGES } from '../../pipeline/task.ts';
import { type CommandContext, newCommand } from '../command.ts';
import { type DatabaseFlags, databaseUrl, withDatabase } from '../fleet-options.ts';
import { type LendFlags, lendMachine, withLendOptions } from '../lend-machine.ts';
import { naturalNumber, portNumber, wholeNumber } from '../run-options.ts';

interface WorkerFlags extends DatabaseFlags, LendFlags {
  readonly stages?: readonly StageName[];
  readonly gpu?: true;
  readonly workers?: number;
  readonly memory?: number;
  readonly cache?: string;
  readonly grace: number;
  readonly metricsPort?: number;
  readonly name?: string;
  readonly exitWhenIdle?: number;
  readonly log: 'json' | 'text';
}

/** `gleaner worker`: a machine's part in a fleet. */
export function workerCommand(context: CommandContext): Command {
  const command = newCommand('worker', 'Do tasks of a fleet, until it is stopped.', [
    'gleaner worker --database postgres://gleaner:secret@db/gleaner',
    'gleaner worker --stages extract,dedup --workers 16',
    'gleaner worker --stages harvest --gpu --memory 24GiB --metrics-port 9090',
    'gleaner worker --exit-when-idle 600 --log text',
    'gleaner worker --coordinator https://gleaner.example.org --log text    # as a volunteer; its token in GLEANER_TOKEN',
  ]);
  return withLendOptions(withDatabase(command))
    .option('--stages <names>', `only these, of ${STAGES.join(',')} (default: all)`, stageNames)
    .option('--gpu', 'take the harvest of runs whose networks need a GPU, too')
    .option('--workers <n>', 'tasks side by side, at most (default: the number of cores)', wholeNumber)
    .option(
      '--memory <size>',
      'what it and its processes may take, as 8GiB (default: the limit of the container, else all)',
      byteSize,
    )
    .option('--cache <dir>', 'copies of models and lists; workers may share it (default: a temporary folder)')
    .option(
      '--grace <seconds>',
      'stopped, it waits so long for what it is at, and gives back the rest',
      naturalNumber,
      25,
    )
    .option('--metrics-port <port>', 'answer GET /metrics, /healthz and /readyz there', portNumber)
    .option('--name <text>', "what 'gleaner status' calls it (default: the name of the machine)")
    .option('--exit-when-idle <seconds>', 'end when there was nothing to do for so long', naturalNumber)
    .addOption(
      new Option('--log <format>', 'events on standard error').choices(['json', 'text']).default('json'),
    )
    .action(async (flags: WorkerFlags) => {
      if (flags.coordinator !== undefined) return lendMachine(flags.coordinator, flags, context);
      const [{ Worker }, { serveWorkerHealth }] = await Promise.all([
        import('../../executors/fleet/worker/worker.ts'),
        import('../../service/worker-health.ts'),
      ]);
      await using worker = await Worker.open({
        database: databaseUrl(flags),
        workers: flags.workers ?? availableParallelism(),
        graceMs: flags.grace * 1000,
        log: flags.log,
        ...(flags.stages && { stages: flags.stages }),
        ...(flags.gpu && { gpu: true }),
        ...(flags.memory !== undefined && { memoryBytes: flags.memory }),
        ...(flags.cache !== undefined && { cache: flags.cache }),
        ...(flags.name !== undefined && { name: flags.name }),
        ...(flags.exitWhenIdle !== undefined && { exitWhenIdleMs: flags.exitWhenIdle * 1000 }),
      });
      const { metricsPort } = flags;
      const health = metricsPort === undefined ? undefined : await serveWorkerHealth(worker, metricsPort);
      try {
        if (health) worker.log.info({ url: health.url }, 'metrics');
        await worker.work(context.signal);
      } finally {
        await health?.close();
      }
    });
}

function stageNames(value: string): StageName[] {
  const names = value.split(',').map((name) => name.trim());
  const stages = STAGES.filter((stage) => names.includes(stage));
  const unknown = names.find((name) => !stages.some((stage) => stage === name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`There is no stage '${unknown}'. Give some of ${STAGES.join(',')}.`);
  return stages;
}

const UNITS: Readonly<Record<string, number>> = { MiB: 1 << 20, GiB: 1 << 30, MB: 1e6, GB: 1e9 };

function byteSize(value: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([MG]i?B)$/.exec(value.trim()) ?? [];
  const bytes = Math.floor(Number(number) * (UNITS[unit] ?? Number.NaN));
  if (!(bytes > 0)) throw new InvalidArgumentError('Give a size as 8GiB or 500MiB.');
  return bytes;
}
