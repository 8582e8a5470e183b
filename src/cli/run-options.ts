import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ModelVariant, PROVIDER_CHOICES, type ProviderChoice, VARIANTS } from '../clip/choices.ts';
import type { RecipeOverrides } from '../config/index.ts';
import type { NamedRun, RunLocallyOptions } from '../executors/index.ts';
import { GleanerError } from '../schema/index.ts';
import type { CommandContext } from './command.ts';
import { ProgressLines, stageStep } from './progress.ts';

/** Options that run and the stages of a run share, as commander gives them. */
export interface RunFlags extends ModelFlags {
  readonly wat?: readonly string[];
  readonly crawl?: string;
  readonly wats?: { readonly from: number; readonly to: number | null };
  readonly sample?: number;
  readonly seed?: number;
  readonly baseUrl?: string;
  readonly out: string;
  readonly recipe: string;
  readonly imagesFrom?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly contact?: string;
  readonly seen?: readonly string[];
  readonly tombstones?: readonly string[];
  readonly fetchApart?: true;
  readonly keepFetched?: true;
  readonly workers?: number;
  readonly json?: true;
}

/** @param out what the help says of --out */
export function withInputs(
  command: Command,
  out = 'folder of the run, or s3://BUCKET/PREFIX; started again, it goes on where it was stopped',
): Command {
  return command
    .option('--wat <file...>', 'WAT files, plain or gzip: paths, patterns, http://, https:// or s3:// URLs')
    .option('--crawl <name>', 'or the WAT files of this crawl of Common Crawl')
    .option('--wats <from:to>', 'only these of the crawl, counted from 0, without the last', fileRange)
    .option('--sample <n>', 'only so many of them, drawn at random', wholeNumber)
    .option('--seed <n>', 'what the sample is drawn by (default: 0)', naturalNumber)
    .option('--base-url <url>', "mirror of Common Crawl's files: http://, https:// or s3://")
    .requiredOption('--out <dir>', out)
    .option('--recipe <name>', 'built-in recipe, or the path of a YAML file', 'laion400m')
    .option('--json', 'print the result as JSON');
}

export function withWorkers(command: Command): Command {
  return command.option(
    '--workers <n>',
    'threads, and processes for the harvest (default: the number of cores)',
    wholeNumber,
  );
}

/** Options of whatever embeds. */
export interface ModelFlags {
  readonly model?: string;
  readonly modelVariant?: ModelVariant;
  readonly provider?: ProviderChoice;
}

export function withModelOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--model-variant <variant>',
        'numbers of its weights (default: the first that is there)',
      ).choices(VARIANTS),
    )
    .addOption(
      new Option('--provider <name>', 'what the networks run on (default: cpu)').choices(PROVIDER_CHOICES),
    );
}

export function withSeen(command: Command): Command {
  return command.option(
    '--seen <dir|file.bloom...>',
    'drop what earlier runs had: their --out (exact), or a Bloom filter',
  );
}

/** Options of whatever harvests, or has others harvest. */
export function withHarvestOptions(command: Command): Command {
  return command
    .option(
      '--model <model>',
      "name as 'gleaner models' lists it, or a folder with an ONNX CLIP as the hub lays it out",
      'gleaner-mini',
    )
    .option(
      '--tombstones <file|dir...>',
      "bring nothing back that was taken down there: removed.jsonl of 'gleaner remove', or the run that has it",
    )
    .option('--fetch-apart', 'fetch all images first and score them afterwards; the release is the same')
    .option('--keep-fetched', 'keep the images as they were fetched, in fetched/: with --fetch-apart')
    .option(
      '--images-from <warc...>',
      'take the images from these WARC files (paths or URLs), not from the web',
    )
    .option('--allow-host <host:port...>', 'fetch from this host although its address is not public')
    .option(
      '--contact <mail|url>',
      'whom the owners of sites can write to; the open web is not crawled without',
    );
}

/** What the options of a run name. @throws GleanerError USAGE */
export function namedRun(flags: RunFlags, { signal }: CommandContext): NamedRun {
  return {
    recipe: flags.recipe,
    wats: watsOf(flags),
    out: flags.out,
    signal,
    ...(flags.model !== undefined && { model: flags.model }),
    ...(flags.imagesFrom && { imagesFrom: flags.imagesFrom }),
    ...(flags.allowHost && { allowHosts: flags.allowHost }),
    overrides: overridesOf(flags),
    onNotice: (line) => process.stderr.write(`gleaner: ${line}\n`),
    ...(flags.seen && { seen: flags.seen }),
    ...(flags.tombstones && { tombstones: flags.tombstones }),
    ...(flags.fetchApart && { fetchApart: true }),
    ...(flags.keepFetched && { keepFetched: true }),
  };
}

/** Runs up to a stage with progress on standard error. */
export async function runWithProgress(
  flags: RunFlags,
  until: RunLocallyOptions['until'],
  context: CommandContext,
): Promise<void> {
  // Not at the top: the native libraries of a run cost time that neither help nor a wrong option should wait for.
  const { runLocally } = await import('../executors/index.ts');
  const lines = new ProgressLines();
  try {
    await runLocally({
      ...namedRun(flags, context),
      onProgress: (progress) => lines.update(stageStep(progress)),
      ...(flags.workers !== undefined && { workers: flags.workers }),
      ...(until && { until }),
    });
  } finally {
    lines.end();
  }
}

/** Options that are values of a recipe. */
function overridesOf({ contact, modelVariant, provider }: RunFlags): RecipeOverrides {
  const score = {
    ...(modelVariant !== undefined && { variant: modelVariant }),
    ...(provider !== undefined && { provider }),
  };
  return {
    ...(contact !== undefined && { fetch: { contact } }),
    ...(Object.keys(score).length > 0 && { score }),
  };
}

/** What to read, out of options of which some exclude others. @throws GleanerError USAGE */
function watsOf({ wat, crawl, wats, sample, seed, baseUrl }: RunFlags): RunLocallyOptions['wats'] {
  const usage = (problem: string) => new GleanerError('USAGE', { problem });
  if (wat && crawl !== undefined) throw usage("give either '--wat' or '--crawl', not both.");
  const ofCrawl = { '--wats': wats, '--sample': sample, '--seed': seed, '--base-url': baseUrl };
  const [stray] = Object.entries(ofCrawl).find(([, value]) => value !== undefined) ?? [];
  if (wat && stray) throw usage(`'${stray}' goes with '--crawl', not with '--wat'.`);
  if (wat) return wat;
  if (crawl === undefined) throw usage("give '--wat <file...>' or '--crawl <name>'.");
  if (seed !== undefined && sample === undefined) throw usage("'--seed' goes with '--sample'.");
  return {
    crawl,
    ...(baseUrl !== undefined && { baseUrl }),
    ...(wats && { range: wats }),
    ...(sample !== undefined && { sample: { size: sample, seed: seed ?? 0 } }),
  };
}

function fileRange(value: string): NonNullable<RunFlags['wats']> {
  const [, from, to] = /^(\d{0,9}):(\d{0,9})$/.exec(value) ?? [];
  if (from === undefined || to === undefined || value === ':' || (to !== '' && Number(from) >= Number(to)))
    throw new InvalidArgumentError('Give FROM:TO, as 0:100 for the first hundred.');
  return { from: Number(from), to: to === '' ? null : Number(to) };
}

export function naturalNumber(value: string): number {
  const n = Number(value);
  if (!Number.isSafeInteger(n) || n < 0 || value.trim() === '')
    throw new InvalidArgumentError('Give a whole number of at least 0.');
  return n;
}

export function integer(value: string): number {
  const n = Number(value);
  if (!Number.isSafeInteger(n) || value.trim() === '') throw new InvalidArgumentError('Give a whole number.');
  return n;
}

export function wholeNumber(value: string): number {
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

/** Of an hour, in any currency. */
export function price(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('Give a number of 0 or more, as 0.04.');
  return value;
}
