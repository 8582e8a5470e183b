/** What a training came to: figures, curves, and the table of several trainings. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Curves, curvesSvg } from '../autodiff/index.ts';
import type { Measures } from './evaluate.ts';
import type { Size } from './model.ts';

export interface Metrics {
  readonly recipe: {
    readonly seed: number;
    readonly steps: number;
    readonly batchSize: number;
    readonly rate: number;
    readonly sizeName: string;
    readonly size: Size;
    /** Captions dealt out at random. */
    readonly control: boolean;
    /** Names the pairs. */
    readonly data: string;
  };
  /** Pairs. */
  readonly trainedOn: number;
  /** Pairs of the validation split that curves are of. */
  readonly lookedAt: number;
  readonly weights: number;
  readonly tokens: number;
  /** On the test split, by the exported model. */
  readonly measures: Measures;
  readonly curves: Curves;
  /** Of wall time, over all processes that took part. */
  readonly seconds: number;
  /** Of the process that ended it. */
  readonly cpuSeconds: number;
}

export function writeMetrics(folder: string, metrics: Metrics): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'metrics.json'), `${JSON.stringify(metrics, null, 1)}\n`);
}

export function readMetrics(folder: string): Metrics {
  return JSON.parse(readFileSync(join(folder, 'metrics.json'), 'utf8')) as Metrics;
}

const nameOf = ({ recipe: { seed, control } }: Metrics) => (control ? 'shuffled captions' : `seed ${seed}`);

/** PREFIXloss.svg and PREFIXrecall.svg, with a line for each training, and for chance. */
export function writeCurves(prefix: string, all: readonly Metrics[]): void {
  const [first] = all;
  if (!first) return;
  const { steps, batchSize } = first.recipe;
  const level = (name: string, value: number) => ({
    ...{ name, faint: true },
    points: [
      [0, value],
      [steps, value],
    ] as const,
  });
  const of = (curve: string) =>
    all.map((metrics) => ({ name: nameOf(metrics), points: metrics.curves[curve] ?? [] }));
  const loss = curvesSvg({
    ...{ title: 'Contrastive loss in training', x: 'step', y: `loss (nats), batches of ${batchSize}` },
    series: [...of('loss'), level(`chance: ln ${batchSize}`, Math.log(batchSize))],
  });
  const recall = curvesSvg({
    title: 'Captions that find their picture among the first ten',
    ...{ x: 'step', y: `R@10 (%), ${first.lookedAt} pairs of the validation split` },
    series: [...of('text to image'), level('chance', Math.min(100, 1000 / first.lookedAt))],
  });
  mkdirSync(dirname(prefix), { recursive: true });
  writeFileSync(`${prefix}loss.svg`, loss);
  writeFileSync(`${prefix}recall.svg`, recall);
}

/** A figure of several trainings: "41.2 (40.1 to 42.6)". */
function spread(values: readonly number[]): string {
  if (values.length < 2) return `${values[0] ?? ''}`;
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return `${mean.toFixed(1)} (${Math.min(...values)} to ${Math.max(...values)})`;
}

/** A row of the table: figures of each training, in percent, and what chance gives. */
interface Row {
  readonly title: string;
  readonly read: (measures: Measures) => readonly number[] | undefined;
  readonly chance: readonly number[];
}

const recallRow = (part: 'retrieval' | 'seen' | 'unseen', way: 'textToImage' | 'imageToText') => ({
  title: way === 'textToImage' ? 'text to image' : 'image to text',
  read: (measures: Measures) => {
    const { at1, at5, at10 } = measures[part]?.[way] ?? {};
    return at1 === undefined || at5 === undefined || at10 === undefined ? undefined : [at1, at5, at10];
  },
});

function rowsOf({ retrieval, seen, unseen, names, namesSeen, groups }: Measures): readonly Row[] {
  const { chance, gallery } = retrieval;
  const byChance = [chance.at1, chance.at5, chance.at10];
  const parts = [
    ['retrieval', `all ${gallery}`, retrieval],
    ['seen', 'class seen in training', seen],
    ['unseen', 'class never seen', unseen],
  ] as const;
  const recalls = parts.flatMap(([part, which, found]) => {
    if (!found) return [];
    const count = part === 'retrieval' ? which : `${which}: ${found.textToImage.queries}`;
    return (['textToImage', 'imageToText'] as const).map((way) => {
      const { title, read } = recallRow(part, way);
      return { title: `${title}, ${count}`, read, chance: byChance };
    });
  });
  const kinds = [
    ['names', 'a name of', names],
    ['namesSeen', 'a name of', namesSeen],
    ['groups', 'a group of', groups],
  ] as const;
  const classified = kinds.flatMap(([key, what, found]): Row[] => {
    if (!found) return [];
    const which = key === 'namesSeen' ? `class seen in training: ${found.pictures}` : `all ${found.pictures}`;
    const read = (measures: Measures) => {
      const part = measures[key];
      return part && [part.top1, part.top5];
    };
    const chance = [found.chance1, Number((5 * found.chance1).toPrecision(2))];
    return [
      { title: `${what} ${found.classes}, ${which}; the commonest is ${found.majority} %`, read, chance },
    ];
  });
  return [...recalls, ...classified];
}

/** Figures of trainings side by side, as Markdown: mean and range of the seeds; the control; chance. */
export function tableOf(seeds: readonly Measures[], controls: readonly Measures[]): string {
  const first = seeds[0] ?? controls[0];
  if (!first) return '';
  const lines = rowsOf(first).map(({ title, read, chance }) => {
    const at = (some: readonly Measures[], place: number) =>
      spread(some.flatMap((measures) => read(measures)?.[place] ?? []));
    const places = [0, 1, 2].map((place) => at(seeds, place));
    const shuffled = chance.map((_, place) => at(controls, place));
    return [title, ...places, shuffled.join(' / '), chance.join(' / ')];
  });
  const head = ['%', '@1', '@5', '@10', 'shuffled captions', 'chance'];
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
