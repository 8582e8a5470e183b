import { type Command, Option } from 'commander';
import type { EmbedSummary } from '../../pipeline/embed/run.ts';
import { isReason, REASONS } from '../../schema/index.ts';
import type { EmbedFormat } from '../../stages/embed/read-samples.ts';
import { formatCount } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { ProgressLines } from '../progress.ts';
import { wholeNumber } from '../run-options.ts';

interface EmbedFlags {
  readonly out: string;
  readonly model: string;
  readonly inputFormat?: EmbedFormat;
  readonly text: boolean;
  readonly image: boolean;
  readonly enableMetadata?: true;
  readonly batchSize: number;
  readonly writeBatchSize: number;
  readonly numPreproWorkers?: number;
  readonly threads: number;
  readonly imageKey?: string;
  readonly captionKey?: string;
  readonly json?: true;
}

export function embedCommand(context: CommandContext): Command {
  return newCommand(
    'embed',
    'CLIP embeddings of a dataset of images and texts, in the layout and with the options of clip-retrieval inference.',
    [
      'gleaner embed images --out embeddings --model clip-vit-base-patch32',
      "gleaner embed 'images/*.tar' --out embeddings --model clip-vit-base-patch32 --enable-metadata",
      'gleaner embed photos --input-format files --no-text --out embeddings',
      'gleaner embed pairs.parquet --caption-key TEXT --out embeddings --write-batch-size 100000',
    ],
  )
    .argument('<input...>', 'webdataset tars, Parquet files, folders of them, or folders of images')
    .requiredOption('--out <dir>', 'folder to write to; started again, it goes on where it was stopped')
    .option('--model <name|dir>', 'built-in model, or a folder with an ONNX CLIP', 'gleaner-mini')
    .addOption(
      new Option('--input-format <format>', 'what the inputs are (default: by their extensions)').choices([
        ...['webdataset', 'files', 'parquet'],
      ]),
    )
    .option('--no-image', 'leave images out')
    .option('--no-text', 'leave texts out')
    .option('--enable-metadata', 'carry over the JSON of each sample, or the other columns')
    .option(
      '--batch-size <n>',
      'images a call of the network; some 3.5 MB each with a ViT-B/32',
      wholeNumber,
      32,
    )
    .option('--write-batch-size <n>', 'rows of a file', wholeNumber, 1_000_000)
    .option('--num-prepro-workers <n>', 'threads that decode (default: by the number of cores)', wholeNumber)
    .option('--threads <n>', 'threads of the network', wholeNumber, 1)
    .option('--image-key <name>', 'extension or column of the images (default: the first known: jpg, png...)')
    .option('--caption-key <name>', 'extension or column of the texts (default: txt; caption, TEXT, text)')
    .option('--json', 'print the counts as JSON')
    .action((inputs: readonly string[], flags: EmbedFlags) => embed(inputs, flags, context));
}

async function embed(
  inputs: readonly string[],
  flags: EmbedFlags,
  { signal, print }: CommandContext,
): Promise<void> {
  const { embedLocally } = await import('../../executors/embed.ts');
  const lines = new ProgressLines();
  try {
    const summary = await embedLocally({
      inputs,
      out: flags.out,
      model: flags.model,
      ...(flags.inputFormat && { inputFormat: flags.inputFormat }),
      parts: { image: flags.image, text: flags.text, metadata: flags.enableMetadata ?? false },
      names: {
        ...(flags.imageKey !== undefined && { image: flags.imageKey }),
        ...(flags.captionKey !== undefined && { caption: flags.captionKey }),
      },
      batchSize: flags.batchSize,
      writeBatchSize: flags.writeBatchSize,
      ...(flags.numPreproWorkers !== undefined && { preproWorkers: flags.numPreproWorkers }),
      threads: flags.threads,
      signal,
      onProgress: (progress) => lines.update({ name: 'embed', unit: 'samples', ...progress }),
    });
    lines.end();
    print(flags.json ? asJson(summary) : describe(summary, flags.out));
  } finally {
    lines.end();
  }
}

/** Reasons that no funnel has: what a dataset can lack. */
const LACKS: Readonly<Record<string, string>> = {
  no_image: 'no image',
  no_caption: 'no text',
  no_metadata: 'no metadata, or none that is a JSON object',
};

function describe({ samples, rows, left, parts, damaged }: EmbedSummary, out: string): string {
  const titles = Object.entries(left).map(
    ([reason, n]) =>
      [`  − ${isReason(reason) ? REASONS[reason].title : (LACKS[reason] ?? reason)}`, n] as const,
  );
  const lines = [['samples', samples] as const, ...titles, ['embedded', rows] as const].map(
    ([title, n]) => `${title.padEnd(48)}${formatCount(n).padStart(12)}\n`,
  );
  const cut = damaged.map(({ problem }) => `not read to its end: ${problem}\n`);
  return `${lines.join('')}${cut.join('')}${parts} ${parts === 1 ? 'part' : 'parts'} in ${out}\n`;
}
