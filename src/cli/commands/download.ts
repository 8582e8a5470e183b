import { type Command, InvalidArgumentError, Option } from 'commander';
import type { DownloadLocallyOptions } from '../../executors/download.ts';
import type { IncrementalMode } from '../../pipeline/download/run-file.ts';
import type { ListFormat } from '../../pipeline/download/url-lists.ts';
import {
  ENCODE_FORMATS,
  type EncodeFormat,
  HASHES,
  type HashName,
  OUTPUT_FORMATS,
  type OutputFormat,
  RESIZE_MODES,
  type ResizeMode,
} from '../../stages/download/options.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { formatLedgers } from '../ledgers.ts';
import { ProgressLines } from '../progress.ts';
import { naturalNumber, wholeNumber } from '../run-options.ts';

interface DownloadFlags {
  readonly urls: readonly string[];
  readonly out: string;
  readonly inputFormat?: ListFormat;
  readonly urlCol: string;
  readonly captionCol?: string;
  readonly saveAdditionalColumns?: readonly string[];
  readonly imageSize: number;
  readonly resizeMode: ResizeMode;
  readonly resizeOnlyIfBigger?: true;
  readonly encodeFormat: EncodeFormat;
  readonly encodeQuality?: number;
  readonly skipReencode?: true;
  readonly disableAllReencoding?: true;
  readonly minImageSize: number;
  readonly maxImageArea?: number;
  readonly maxAspectRatio?: number;
  readonly outputFormat: OutputFormat;
  readonly numberSamplePerShard: number;
  readonly oomShardCount: number;
  readonly computeHash: HashName | 'none';
  readonly extractExif: boolean;
  readonly recipe: string;
  readonly timeout?: number;
  readonly retries?: number;
  readonly threadCount?: number;
  readonly contact?: string;
  readonly userAgent?: string;
  readonly disallowedHeaderDirectives?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly incrementalMode: IncrementalMode;
  readonly workers?: number;
  readonly json?: true;
}

/** Above 100 files of one second each, which no shard of images is: more digits would only be longer names. */
const MAX_SHARD_DIGITS = 12;

export function downloadCommand(context: CommandContext): Command {
  return newCommand(
    'download',
    'Download lists of image URLs to a dataset, with the options of img2dataset.',
    [
      'gleaner download --urls urls.txt --contact you@example.com --out images',
      'gleaner download --urls pairs.parquet --url-col URL --caption-col TEXT --contact you@example.com --out images',
      'gleaner download --urls out/unique --caption-col text --save-additional-columns uid license --contact you@example.com --out images',
      'gleaner download --urls list.csv.gz --contact you@example.com --out images --output-format parquet --resize-mode keep_ratio',
    ],
  )
    .requiredOption(
      '--urls <list...>',
      'lists of URLs, plain or gzip: paths, patterns, folders, http://, https:// or s3:// URLs',
    )
    .requiredOption('--out <dir>', 'folder to write to; started again, it goes on where it was stopped')
    .addOption(
      new Option('--input-format <format>', 'what the lists are (default: by their extensions)').choices([
        ...['txt', 'csv', 'tsv', 'json', 'jsonl', 'parquet'],
      ]),
    )
    .option('--url-col <name>', 'column of the URLs', 'url')
    .option('--caption-col <name>', 'column of the captions (default: no captions)')
    .option('--save-additional-columns <name...>', 'columns to carry over')
    .option('--image-size <pixels>', 'side that images are resized to', wholeNumber, 256)
    .addOption(
      new Option('--resize-mode <mode>', 'how they are brought to that size')
        .choices(RESIZE_MODES)
        .default('border'),
    )
    .option('--resize-only-if-bigger', 'leave smaller images as they are')
    .addOption(
      new Option('--encode-format <format>', 'format that images are stored in')
        .choices(ENCODE_FORMATS)
        .default('jpg'),
    )
    .option(
      '--encode-quality <n>',
      'of jpg and webp 1 to 100 (default: 95), of png 0 to 9 (default: 6)',
      naturalNumber,
    )
    .option('--skip-reencode', 'store bytes as they came where nothing is to be changed')
    .option('--disable-all-reencoding', 'store all bytes as they came, and decode nothing')
    .option('--min-image-size <pixels>', 'refuse images with a shorter side below this', naturalNumber, 0)
    .option('--max-image-area <pixels>', 'refuse images with more pixels', wholeNumber)
    .option('--max-aspect-ratio <ratio>', 'refuse images more elongated', ratio)
    .addOption(
      new Option('--output-format <format>', 'tars, single files, or all in Parquet')
        .choices(OUTPUT_FORMATS)
        .default('webdataset'),
    )
    .option('--number-sample-per-shard <n>', 'URLs of a shard', wholeNumber, 10_000)
    .option('--oom-shard-count <n>', "digits of a shard's number", shardDigits, 5)
    .addOption(
      new Option('--compute-hash <name>', 'of the bytes as fetched')
        .choices([...HASHES, 'none'])
        .default('sha256'),
    )
    .option('--no-extract-exif', 'leave out the column of EXIF tags')
    .option('--recipe <name>', 'recipe whose limits hold, or the path of a YAML file', 'everything')
    .option(
      '--timeout <s>',
      'seconds for one URL, redirects and retries with it (default: of the recipe)',
      seconds,
    )
    .option('--retries <n>', 'further tries for what may pass (default: of the recipe)', naturalNumber)
    .option('--thread-count <n>', 'requests under way at once (default: of the recipe)', wholeNumber)
    .option(
      '--contact <mail|url>',
      'whom the owners of sites can write to; the open web is not asked without',
    )
    .option('--user-agent <text>', 'what requests call themselves (default: gleaner with the contact)')
    .option(
      '--disallowed-header-directives <none>',
      "'none': ignore X-Robots-Tag and TDM-Reservation, which else keep images out",
      directives,
    )
    .option('--allow-host <host:port...>', 'fetch from this host although its address is not public')
    .addOption(
      new Option('--incremental-mode <mode>', 'what becomes of a download that is there')
        .choices(['incremental', 'extend', 'overwrite'])
        .default('incremental'),
    )
    .option('--workers <n>', 'processes (default: one for four cores)', wholeNumber)
    .option('--json', 'print the counts as JSON')
    .action((flags: DownloadFlags) => download(flags, context));
}

async function download(flags: DownloadFlags, { signal, print }: CommandContext): Promise<void> {
  const { downloadLocally } = await import('../../executors/download.ts');
  const lines = new ProgressLines();
  try {
    const summary = await downloadLocally({
      ...named(flags),
      signal,
      onProgress: (progress) => lines.update({ name: 'download', unit: 'URLs', ...progress }),
    });
    lines.end();
    print(flags.json ? asJson(summary) : formatLedgers({ download: summary.ledger }));
  } finally {
    lines.end();
  }
}

function named(flags: DownloadFlags): DownloadLocallyOptions {
  const fetch = {
    ...(flags.timeout !== undefined && timeouts(flags.timeout)),
    ...(flags.retries !== undefined && { retries: flags.retries }),
    ...(flags.threadCount !== undefined && { concurrency: flags.threadCount }),
    ...(flags.contact !== undefined && { contact: flags.contact }),
    ...(flags.userAgent !== undefined && { userAgent: flags.userAgent }),
    ...(flags.disallowedHeaderDirectives && { respectHeaders: false }),
  };
  return {
    urls: flags.urls,
    out: flags.out,
    ...(flags.inputFormat && { inputFormat: flags.inputFormat }),
    columns: {
      url: flags.urlCol,
      caption: flags.captionCol ?? null,
      additional: flags.saveAdditionalColumns ?? [],
    },
    recipe: flags.recipe,
    overrides: { fetch },
    options: {
      outputFormat: flags.outputFormat,
      imageSize: flags.imageSize,
      resizeMode: flags.resizeMode,
      resizeOnlyIfBigger: flags.resizeOnlyIfBigger ?? false,
      encodeFormat: flags.encodeFormat,
      encodeQuality: flags.encodeQuality ?? (flags.encodeFormat === 'png' ? 6 : 95),
      skipReencode: flags.skipReencode ?? false,
      disableAllReencoding: flags.disableAllReencoding ?? false,
      minImageSize: flags.minImageSize,
      maxImageArea: flags.maxImageArea ?? null,
      maxAspectRatio: flags.maxAspectRatio ?? null,
      computeHash: flags.computeHash === 'none' ? null : flags.computeHash,
      extractExif: flags.extractExif,
      samplesPerShard: flags.numberSamplePerShard,
      shardDigits: flags.oomShardCount,
    },
    ...(flags.allowHost && { allowHosts: flags.allowHost }),
    incrementalMode: flags.incrementalMode,
    ...(flags.workers !== undefined && { workers: flags.workers }),
  };
}

/** No part may take longer than the whole. */
function timeouts(total: number) {
  const totalTimeoutMs = Math.round(total * 1000);
  return { totalTimeoutMs, connectTimeoutMs: totalTimeoutMs, firstByteTimeoutMs: totalTimeoutMs };
}

function ratio(value: string): number {
  const n = Number(value);
  if (!(n >= 1)) throw new InvalidArgumentError('Give a number of at least 1, as 3.');
  return n;
}

function seconds(value: string): number {
  const n = Number(value);
  if (!(n > 0 && n < 86_400)) throw new InvalidArgumentError('Give seconds, as 10.');
  return n;
}

function shardDigits(value: string): number {
  const n = wholeNumber(value);
  if (n > MAX_SHARD_DIGITS) throw new InvalidArgumentError(`Give at most ${MAX_SHARD_DIGITS}.`);
  return n;
}

function directives(value: string): readonly string[] {
  if (value.toLowerCase() !== 'none') throw new InvalidArgumentError("Give 'none', or leave it out.");
  return [];
}
