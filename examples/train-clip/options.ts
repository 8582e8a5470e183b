/** The command line of a training. */
import { parseArgs } from 'node:util';
import { GleanerError } from '../../src/schema/index.ts';
import type { Size } from './model.ts';

export const HELP = `Usage: npm run train:clip -- DIR --out FOLDER [options]

Trains a CLIP from scratch on the train split of a release, measures it on the test split, and writes it as a model that
gleaner reads. Started again it goes on from its checkpoint, however it ended.

  DIR                    folder of a run of gleaner; parted by 'gleaner split' first, or else by this command
  --out FOLDER           gets checkpoint.safetensors, metrics.json, loss.svg, recall.svg and model/
  --split FILE           split.parquet of another place (default: DIR/split/split.parquet)
  --seed N               of weights, order and views (default: 1)
  --control              train on captions dealt out at random: what chance and leaks would give
  --classes FILE|demo    names of what pictures show, a line each, their group behind a tab: adds zero-shot classification
  --steps N              (default: 600)
  --batch N              pairs a step (default: 128)
  --rate R               highest learning rate (default: 0.001)
  --size small|tiny      of the networks (default: small: 64 pixels a side)
  --threads N            (default: 2)
  --memory MB            a train split of no more decoded pictures is held in memory, a larger one streamed (default: 512)
  --checkpoint-every S   seconds (default: 60)

Examples:
  npm run train:clip -- out --out clip --classes demo
  for s in 1 2 3; do npm run train:clip -- out --out clip-$s --seed $s; done
  npx gleaner run --recipe everything --wat crawl.wat.gz --model clip/model --out out2
`;

const SIZES: Readonly<Record<string, Size>> = {
  small: { side: 64, width: 32, blocks: 1, textWidth: 128, dimension: 128, merges: 1500 },
  tiny: { side: 16, width: 8, blocks: 1, textWidth: 16, dimension: 16, merges: 50 },
};

export interface Options {
  readonly dir: string;
  readonly out: string;
  readonly split: string | undefined;
  readonly classes: string | undefined;
  readonly seed: number;
  readonly control: boolean;
  readonly steps: number;
  readonly batch: number;
  readonly rate: number;
  readonly sizeName: string;
  readonly size: Size;
  readonly threads: number;
  /** Bytes of decoded pictures that may be held in memory. */
  readonly memory: number;
  /** Seconds between checkpoints. */
  readonly every: number;
}

/** @throws GleanerError USAGE that names the option; undefined where help is asked for */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const [dir] = positionals;
  if (dir === undefined || positionals.length > 1) throw usage('give one folder of a run');
  if (values.out === undefined) throw usage('give --out FOLDER');
  const size = SIZES[values.size];
  if (!size) throw usage(`--size ${values.size}: give ${Object.keys(SIZES).join(' or ')}`);
  const whole = (name: 'seed' | 'steps' | 'batch' | 'threads', least: number) => {
    const value = Number(values[name]);
    if (Number.isSafeInteger(value) && value >= least && value < 2 ** 32) return value;
    throw usage(`--${name} ${values[name]}: give a whole number of at least ${least}`);
  };
  const positive = (name: 'rate' | 'checkpoint-every' | 'memory') => {
    const value = Number(values[name]);
    if (value >= 0 && Number.isFinite(value)) return value;
    throw usage(`--${name} ${values[name]}: give a number`);
  };
  return {
    ...{ dir, out: values.out, split: values.split, classes: values.classes, control: values.control },
    ...{ seed: whole('seed', 0), steps: whole('steps', 1), batch: whole('batch', 2) },
    ...{ rate: positive('rate'), sizeName: values.size, size, threads: whole('threads', 1) },
    ...{ memory: positive('memory') * 2 ** 20, every: positive('checkpoint-every') },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        out: { type: 'string' },
        split: { type: 'string' },
        classes: { type: 'string' },
        control: { type: 'boolean', default: false },
        seed: { type: 'string', default: '1' },
        steps: { type: 'string', default: '600' },
        batch: { type: 'string', default: '128' },
        rate: { type: 'string', default: '0.001' },
        size: { type: 'string', default: 'small' },
        threads: { type: 'string', default: '2' },
        memory: { type: 'string', default: '512' },
        'checkpoint-every': { type: 'string', default: '60' },
      },
    });
  } catch (error) {
    throw usage(error instanceof Error ? error.message.replace(/\. To specify.*$/s, '') : String(error));
  }
}

function usage(problem: string): GleanerError {
  return new GleanerError('USAGE', { problem: `${problem} (train:clip --help).` });
}
