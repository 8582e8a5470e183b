import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runLocally } from '../../src/executors/index.ts';
import { gzipMember, readParquetRows } from '../../src/formats/index.ts';
import { runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { scoresOf } from '../../src/safety/classifier.ts';
import { createSafetyTagger, loadClassifier } from '../../src/safety/index.ts';
import { RELEASE_COLUMNS } from '../../src/stages/released.ts';
import { DROPPED_COLUMNS } from '../../src/stages/tables.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { tinyVision } from '../clip/tiny-model.ts';
import { watRecord } from '../support/crawl.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';

const folder = await mkdtemp(join(tmpdir(), 'gleaner-classifier-'));

/** Scores are the pixels of 2 × 2, by 1/256: 'red' is the first one's, 'green' the fifth's, 'blue' the ninth's. */
const LABELS = ['red', 'r1', 'r2', 'r3', 'green', 'g1', 'g2', 'g3', 'blue', 'b1', 'b2', 'b3'];
const CONFIG = {
  name: 'colours',
  version: '1',
  source: 'this test',
  licence: 'Apache-2.0',
  labels: LABELS,
  activation: 'none',
  rules: [{ label: 'red', threshold: 0.5, effect: 'NSFW' }],
};
const PREPROCESSOR = {
  size: { height: 2, width: 2 },
  do_center_crop: false,
  resample: 4,
  rescale_factor: 1 / 256,
  do_normalize: false,
};

/** Writes a classifier; null leaves a file out. */
function write(name: string, config: object = {}, files: Readonly<Record<string, unknown>> = {}): string {
  const dir = join(folder, name);
  mkdirSync(dir, { recursive: true });
  const all = {
    'config.json': { ...CONFIG, ...config },
    'preprocessor_config.json': PREPROCESSOR,
    'model.onnx': tinyVision({ imageOutput: 'scores' }),
    ...files,
  };
  for (const [file, content] of Object.entries(all))
    if (content !== null)
      writeFileSync(
        join(dir, file),
        content instanceof Uint8Array || typeof content === 'string' ? content : JSON.stringify(content),
      );
  return dir;
}

/** A picture of one colour, red, green and blue. */
function picture(...colour: readonly [number, number, number]) {
  return { data: Uint8Array.from({ length: 48 }, (_, i) => colour[i % 3] ?? 0), width: 4, height: 4 };
}

async function classify(dir: string, colour: readonly [number, number, number], thresholds = {}) {
  const classifier = await loadClassifier(dir, thresholds);
  try {
    return await classifier.classify(classifier.prepare(picture(...colour), picture(0, 0, 0)));
  } finally {
    await classifier.close();
  }
}

describe('a classifier', () => {
  it('keeps pictures apart that it is asked about at once', async () => {
    const classifier = await loadClassifier(write('at-once'));
    const reds = Array.from({ length: 20 }, (_, n) => (n % 3 === 0 ? 200 : 10));
    const found = await Promise.all(
      reds.map((red) => classifier.classify(classifier.prepare(picture(red, 0, 0), picture(0, 0, 0)))),
    );
    expect(found.map(({ nsfw }) => nsfw)).toEqual(reds.map((red) => (red === 200 ? 'NSFW' : 'UNLIKELY')));
    await classifier.close();
  });

  const rules = [
    { label: 'red', threshold: 0.5, effect: 'NSFW' },
    { label: 'green', threshold: 0.25, effect: 'UNSURE' },
    { label: 'blue', threshold: 0.5, effect: 'tag' },
    { label: 'b1', threshold: 0.75, effect: 'tag' },
    { label: 'b2', threshold: 0.875, effect: 'drop' },
  ];

  it.each([
    // 128/256 is 0.5: at the threshold is met, one step below is not.
    [[128, 0, 0], { nsfw: 'NSFW', tags: [], drop: null }],
    [[127, 0, 0], { nsfw: 'UNLIKELY', tags: [], drop: null }],
    [[0, 64, 0], { nsfw: 'UNSURE', tags: [], drop: null }],
    [[0, 63, 127], { nsfw: 'UNLIKELY', tags: [], drop: null }],
    [[128, 64, 128], { nsfw: 'NSFW', tags: ['blue'], drop: null }],
    [[0, 0, 192], { nsfw: 'UNLIKELY', tags: ['blue', 'b1'], drop: null }],
    [[0, 0, 224], { nsfw: 'UNLIKELY', tags: ['blue', 'b1'], drop: 'colours: b2 0.8750' }],
  ] as const)('of %j', async (colour, expected) => {
    expect(await classify(write('rules', { rules }), colour)).toEqual(expected);
  });

  it('has thresholds that a recipe may change', async () => {
    const dir = write('thresholds');
    expect((await classify(dir, [100, 0, 0], { red: 100 / 256 })).nsfw).toBe('NSFW');
    expect((await classify(dir, [128, 0, 0], { red: 0.51 })).nsfw).toBe('UNLIKELY');
    await expect(loadClassifier(dir, { pink: 0.5 })).rejects.toThrow(/has no label 'pink'/);
    await expect(loadClassifier(dir, { blue: 0.5 })).rejects.toThrow(/has no rule for the label 'blue'/);
  });

  it('sees the crop of the CLIP model where its folder says so, of the same size', async () => {
    const classifier = await loadClassifier(write('crop', { input: 'clip-crop' }));
    const crop = {
      ...picture(200, 0, 0),
      width: 2,
      height: 2,
      data: picture(200, 0, 0).data.subarray(0, 12),
    };
    expect(classifier.prepare(picture(0, 0, 0), crop)).toBe(crop);
    expect((await classifier.classify(crop)).nsfw).toBe('NSFW');
    expect(() => classifier.prepare(picture(0, 0, 0), picture(0, 0, 0))).toThrow(
      /wants crops of 2 x 2, but .* 4 x 4/,
    );
    await classifier.close();
  });

  it('makes scores of logits', () => {
    // e^0 / (e^0 + 3 e^0); 1 / (1 + e^-ln 3) = 3/4.
    expect(scoresOf(Float32Array.of(5, 5, 5, 5), 'softmax')).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect(scoresOf(Float32Array.of(0, Math.log(3)), 'sigmoid')).toEqual([0.5, expect.closeTo(0.75, 6)]);
    expect(scoresOf(Float32Array.of(0, Math.log(3)), 'softmax')).toEqual([
      expect.closeTo(0.25, 6),
      expect.closeTo(0.75, 6),
    ]);
    expect(scoresOf(Float32Array.of(1000, -1000), 'softmax')).toEqual([1, 0]);
    expect(scoresOf(Float32Array.of(-3, 0.5), 'none')).toEqual([-3, 0.5]);
  });

  it.each([
    ['no config', {}, { 'config.json': null }, /config\.json: is missing/],
    ['no network', {}, { 'model.onnx': null }, /model\.onnx: is missing/],
    ['no preprocessing', {}, { 'preprocessor_config.json': null }, /preprocessor_config\.json: is missing/],
    ['no JSON', {}, { 'config.json': '{' }, /config\.json: is not understood/],
    ['a rule for no label', { rules: [{ label: 'x', threshold: 1, effect: 'tag' }] }, {}, /has no label 'x'/],
    ['an unknown effect', { rules: [{ label: 'red', threshold: 1, effect: 'x' }] }, {}, /rules\.0\.effect/],
    [
      'a threshold above 1',
      { rules: [{ label: 'red', threshold: 1.1, effect: 'tag' }] },
      {},
      /rules\.0\.threshold/,
    ],
    ['a label with a blank', { labels: ['a b'] }, {}, /labels\.0: has white space/],
    ['too few labels', { labels: ['red'] }, {}, /gives 12 numbers, but config\.json has 1 labels/],
    [
      'a cut network',
      {},
      { 'model.onnx': tinyVision().subarray(0, 60) },
      /model\.onnx: is not an ONNX network/,
    ],
    [
      'pixels of another size',
      {},
      { 'model.onnx': tinyVision({ imageSize: 3, dimension: 27 }) },
      /takes pixels of/,
    ],
  ] as const)('with %s is refused, and the file named', async (name, config, files, message) => {
    const loading = loadClassifier(write(name, config, files));
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toMatchObject({ code: 'CLASSIFIER_INVALID' });
  });

  it('that gives what is no number is refused, and the file named', async () => {
    // 10³⁹ is infinite in 32 bits.
    const files = { 'preprocessor_config.json': { ...PREPROCESSOR, rescale_factor: 1e39 } };
    await expect(classify(write('nan', {}, files), [1, 1, 1])).rejects.toThrow(
      /model\.onnx: gives no 12 finite numbers/,
    );
  });
});

it('the graver of two opinions counts, and what may not stand beside it is asked then', () => {
  const guard = { prompts: ['p'], others: ['o', 'q'], words: ['kid'], wordLists: [] };
  const names = { name: 'n', version: '1', source: 's', licence: 'l' };
  const categories = { ...names, safe: ['a', 'b'], sexual: ['x', 'y'], minors: guard, animals: guard };
  // Prompts in order: x y a b, p o q, p o q: each a direction of its own.
  const identity = Float32Array.from({ length: 100 }, (_, i) => (i % 11 === 0 ? 1 : 0));
  const { tag } = createSafetyTagger(categories, identity);
  const classes = ['UNLIKELY', 'UNSURE', 'NSFW'] as const;
  const images = [
    [0, 0, 1, 1],
    [1, 0, 1, 0],
    [1, 1, 0, 0],
  ];
  for (const [i, scores] of images.entries())
    for (const [j, opinion] of classes.entries()) {
      const image = Float32Array.from([...scores, 0, 1, 1, 0, 1, 1]);
      const graver = classes[Math.max(i, j)];
      expect(tag(image, 'text', opinion)).toEqual({ kept: true, value: graver });
      expect(tag(image, 'a kid', opinion)).toMatchObject(
        graver === 'UNLIKELY' ? { kept: true } : { kept: false, reason: 'minor' },
      );
    }
});

describe('a run with classifiers', () => {
  let origin: ImageOrigin;
  let wat: string;
  beforeAll(async () => {
    origin = await startImageOrigin();
    wat = join(folder, 'crawl.warc.wat.gz');
    const images = [0, 1, 2].map((n) => ({ url: origin.image(n), alt: `A picture, number ${n}` }));
    await writeFile(wat, gzipMember(watRecord('http://site.example/', images)));
  });
  afterAll(() => origin.close());

  async function run(name: string, rules: readonly object[]) {
    const out = join(folder, name);
    const options = {
      recipe: 'everything',
      overrides: {
        score: { minSimilarity: -1 },
        safety: { classifiers: [{ path: write(`${name}-classifier`, { rules }) }] },
        release: { parts: 1 },
      },
      wats: [wat],
      allowHosts: [origin.host],
      workers: 1,
      out,
    };
    await runLocally(options);
    const storage = fileStorage(out);
    expect((await verifyRun(storage)).problems).toEqual([]);
    return { options, storage };
  }

  it('has their tags and classes in its release', async () => {
    const { options, storage } = await run('tagged', [
      { label: 'red', threshold: 0, effect: 'tag' },
      { label: 'green', threshold: 0, effect: 'NSFW' },
      { label: 'blue', threshold: 0, effect: 'tag' },
    ]);
    const source = await storage.open('release/metadata/metadata_0.parquet');
    const rows = await Array.fromAsync(readParquetRows(source, RELEASE_COLUMNS));
    await source.close();
    expect(rows.map(({ tags, NSFW }) => [tags, NSFW])).toEqual(Array(3).fill(['red blue', 'NSFW']));
    // Another network under the same name is another run.
    writeFileSync(join(folder, 'tagged-classifier', 'model.onnx'), tinyVision({ imageOutput: 'other' }));
    await expect(runLocally(options)).rejects.toMatchObject({ code: 'RUN_MISMATCH' });
  }, 60_000);

  it('drops what they refuse, with the score', async () => {
    const { storage } = await run('refused', [{ label: 'red', threshold: 0, effect: 'drop' }]);
    expect((await runLedgers(storage)).safe).toEqual({ in: 3, out: 0, dropped: { classifier: 3 } });
    const source = await storage.open('release/dropped/harvest_00000.parquet');
    const rows = await Array.fromAsync(readParquetRows(source, DROPPED_COLUMNS));
    await source.close();
    for (const { reason, detail } of rows)
      expect(`${reason} ${detail}`).toMatch(/^classifier colours: red [01]\.\d{4}$/);
  }, 60_000);
});
