/** What a training came to: figures, curves, and the table of several trainings. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

/** loss.svg and recall.svg, with a line for each training, and for chance. */
export function writeCurves(folder: string, all: readonly Metrics[]): void {
  const [first] = all;
  if (!first) return;
  const { steps, batchSize } = first.recipe;
  const chance = Math.log(batchSize);
  const level = (name: string, value: number) => ({
    name,
    points: [
      [0, value],
      [steps, value],
    ] as const,
    faint: true,
  });
  const of = (curve: string) =>
    all.map((metrics) => ({ name: nameOf(metrics), points: metrics.curves[curve] ?? [] }));
  const loss = curvesSvg({
    ...{ title: 'Contrastive loss in training', x: 'step', y: 'loss (nats)' },
    series: [...of('loss'), level(`chance: ln ${batchSize}`, chance)],
  });
  const recall = curvesSvg({
    ...{
      title: 'Captions that find their picture among the first ten',
      x: 'step',
      y: 'R@10 on the validation split (%)',
    },
    series: of('text to image'),
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'loss.svg'), loss);
  writeFileSync(join(folder, 'recall.svg'), recall);
}
