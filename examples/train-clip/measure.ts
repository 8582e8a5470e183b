/**
 * Holds any model that gleaner reads against the pairs that `train:clip` holds out:
 * `node examples/train-clip/measure.ts DIR --model FOLDER [--classes FILE|demo]` prints the same table.
 */
import { parseArgs } from 'node:util';
import { knownClasses } from './classes.ts';
import { findSplit, MOST_HELD_OUT, readPairs } from './data.ts';
import { openModel } from './embedder.ts';
import { evaluate } from './evaluate.ts';
import { tableOf } from './results.ts';

/** Pixels a side that pictures are read at: models cut out what they want. */
const SIDE = 256;
/** Pixels a side of those whose captions alone count. */
const SMALL = 16;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: 'string', default: '' }, classes: { type: 'string' } },
});
const [dir = ''] = positionals;
const source = { dir, file: await findSplit(dir, console.log), side: SIDE, workers: 1 };
const test = await readPairs(source, 'test', MOST_HELD_OUT);
const { texts } = await readPairs({ ...source, side: SMALL }, 'train', Number.POSITIVE_INFINITY);
const model = await openModel(values.model, SIDE);
console.log(tableOf([await evaluate(model, test, await knownClasses(values.classes, texts))], []));
await model.close();
