/**
 * Several trainings side by side: `node examples/train-clip/summary.ts FOLDER... [--svg PREFIX]` prints a table of their figures, and
 * draws their curves into PREFIXloss.svg and PREFIXrecall.svg.
 */
import { parseArgs } from 'node:util';
import { readMetrics, tableOf, writeCurves } from './results.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { svg: { type: 'string' } } });
const all = positionals.map(readMetrics);
const [seeds, controls] = [false, true].map((control) =>
  all.filter(({ recipe }) => recipe.control === control).map(({ measures }) => measures),
);
console.log(tableOf(seeds ?? [], controls ?? []));
if (values.svg !== undefined) writeCurves(values.svg, all);
