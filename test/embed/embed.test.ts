import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmbedLocallyOptions, embedLocally } from '../../src/executors/embed.ts';
import { createParquetWriter } from '../../src/formats/index.ts';
import { openEmbedInputs } from '../../src/pipeline/embed/inputs.ts';
import type { EmbedSummary } from '../../src/pipeline/embed/run.ts';
import { EmbedRunner } from '../../src/pipeline/embed/runner.ts';
import { tinyVision, writeTinyModel } from '../clip/tiny-model.ts';
import { memorySink } from '../formats/support.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';
import { type Colour, imageRow, type Names, png, tarOf, textRow, write } from './datasets.ts';

let root: string;
let model: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gleaner-embed-'));
  model = writeTinyModel(join(root, 'tiny'));
});
afterAll(() => rm(root, { recursive: true }));

const RED: Colour = [255, 0, 0];
const SEA: Colour = [51, 102, 153];
const TINT: Colour = [10, 240, 30];
/** Ids of the tiny tokenizer: `cat</w>`; `a</w>`, `b</w>`. */
const CAT = [53];
const A_B = [26, 27];

const utf8 = (text: string) => Buffer.from(text);
type Options = Omit<EmbedLocallyOptions, 'model'>;

/**
 * What `embedLocally` has done in a process of its own, in this one: sooner begun, and to be stopped to the sample.
 * @param stop samples after which it is stopped
 */
async function run(options: Options, stop = Number.POSITIVE_INFINITY): Promise<EmbedSummary | undefined> {
  const { out, batchSize = 32, writeBatchSize = 1_000_000, segmentSamples } = options;
  const found = await openEmbedInputs(options.inputs, options.inputFormat);
  const parts = { image: true, text: true, metadata: false, ...options.parts };
  const sizes = { batchSize, writeBatchSize, segmentSamples, threads: 1, preproWorkers: 1 };
  await mkdir(out, { recursive: true });
  await using runner = await EmbedRunner.open({
    ...{ root: out, inputs: found, model, parts, names: options.names ?? {} },
    ...sizes,
  });
  const controller = new AbortController();
  const watch = { suspects: new Set<number>(), fatal: new Set<number>(), journal: () => () => undefined };
  const onProgress = ({ done }: { done: number }) => {
    if (done >= stop) controller.abort();
  };
  const summary = await runner
    .run({ ...watch, signal: controller.signal, onProgress })
    .catch((error: unknown) => {
      if (!controller.signal.aborted) throw error;
      return undefined;
    });
  expect(controller.signal.aborted).toBe(stop !== Number.POSITIVE_INFINITY);
  return summary;
}

/** float16 rows of an npy file (numpy/lib/format.py, version 1.0). */
async function matrix(path: string): Promise<number[][]> {
  const bytes = await readFile(path);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, start);
  const [, rows, columns] =
    /'descr': '<f2', 'fortran_order': False, 'shape': \((\d+), (\d+)\)/.exec(header) ?? [];
  const data = new DataView(bytes.buffer, bytes.byteOffset + start);
  expect(data.byteLength).toBe(Number(rows) * Number(columns) * 2);
  return Array.from({ length: Number(rows) }, (_, row) =>
    Array.from({ length: Number(columns) }, (_, i) => data.getFloat16((row * Number(columns) + i) * 2, true)),
  );
}

function near(actual: readonly number[][], expected: readonly number[][]): void {
  expect(actual.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  // float16 has 11 bits, of numbers up to 1.
  for (const [n, row] of expected.entries())
    for (const [i, v] of row.entries())
      expect(Math.abs((actual[n]?.[i] ?? Number.NaN) - v)).toBeLessThan(5e-4);
}

const table = async (path: string) => {
  const { buffer, byteOffset, byteLength } = await readFile(path);
  return parquetReadObjects({
    file: buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer,
    compressors,
  });
};

describe('webdataset tars', () => {
  it.each([
    ['ustar', '000000'],
    ['gnu', `é/${'n'.repeat(150)}`],
    ['pax', `é/${'n'.repeat(150)}`],
  ] as const)('with names as %s writes them', async (names: Names, stem) => {
    const folder = join(root, `tar-${names}`);
    const members: [string, Uint8Array][] = [
      [`${stem}0.png`, await png(RED)],
      [`${stem}0.txt`, utf8('cat')],
      [`${stem}0.json`, utf8('{"n": 1, "deep": {"er": "x"}, "caption": "not this"}')],
      [`${stem}1.PNG`, await png(SEA)],
      [`${stem}1.txt`, utf8('a b')],
      [`${stem}1.json`, utf8('{"n": 2.5, "list": [1, 2], "flag": true}')],
    ];
    await write(folder, { '00000.tar': tarOf(members, names) });
    const out = join(root, `out-${names}`);
    const summary = await run({ inputs: [folder], out, parts: { metadata: true } });
    expect(summary).toEqual({ samples: 2, rows: 2, left: {}, parts: 1, damaged: [] });
    near(await matrix(join(out, 'img_emb/img_emb_0.npy')), [imageRow(RED), imageRow(SEA)]);
    near(await matrix(join(out, 'text_emb/text_emb_0.npy')), [textRow(CAT), textRow(A_B)]);
    expect(await table(join(out, 'metadata/metadata_0.parquet'))).toEqual([
      { image_path: `${stem}0`, caption: 'cat', n: 1, 'deep.er': 'x', list: null, flag: null },
      { image_path: `${stem}1`, caption: 'a b', n: 2.5, 'deep.er': null, list: '[1,2]', flag: 'true' },
    ]);
  });

  it('leaves out what cannot be embedded, says why, and embeds its neighbours', async () => {
    const good = await png(TINT);
    await write(join(root, 'odd'), {
      'a.tar': tarOf([
        ['0.png', good],
        ['0.txt', utf8('cat')],
        ['1.png', good.subarray(0, good.length - 20)],
        ['1.txt', utf8('cut off')],
        ['2.txt', utf8('no picture')],
        ['3.png', good],
        ['4.png', utf8('<html>not found</html>')],
        ['4.txt', utf8('a page')],
        ['5.png', good],
        ['5.txt', utf8('cat')],
      ]),
      // Cut off within the text of its second sample.
      'b.tar': tarOf([
        ['6.png', good],
        ['6.txt', utf8('cat')],
        ['7.png', good],
        ['7.txt', utf8('cat')],
      ]).subarray(0, 3072 + 600),
    });
    const out = join(root, 'out-odd');
    const summary = await run({ inputs: [join(root, 'odd')], out });
    expect(summary).toMatchObject({
      samples: 7,
      rows: 3,
      left: { undecodable: 1, no_image: 1, no_caption: 1, format: 1 },
    });
    expect(summary?.damaged).toEqual([
      { path: join(root, 'odd/b.tar'), problem: expect.stringContaining('cut off') },
    ]);
    near(await matrix(join(out, 'img_emb/img_emb_0.npy')), [imageRow(TINT), imageRow(TINT), imageRow(TINT)]);
    expect(await table(join(out, 'metadata/metadata_0.parquet'))).toEqual([
      { image_path: '0', caption: 'cat' },
      { image_path: '5', caption: 'cat' },
      { image_path: '6', caption: 'cat' },
    ]);
  });

  it('without images, or without texts', async () => {
    await write(join(root, 'single'), {
      'a.tar': tarOf([
        ['0.txt', utf8('cat')],
        ['1.png', await png(SEA)],
      ]),
    });
    const inputs = [join(root, 'single/a.tar')];
    await run({ inputs, out: join(root, 'texts'), parts: { image: false } });
    near(await matrix(join(root, 'texts/text_emb/text_emb_0.npy')), [textRow(CAT)]);
    expect((await readdir(join(root, 'texts'))).sort()).toEqual(['_gleaner', 'metadata', 'text_emb']);
    await run({ inputs, out: join(root, 'images'), parts: { text: false } });
    near(await matrix(join(root, 'images/img_emb/img_emb_0.npy')), [imageRow(SEA)]);
    expect(await table(join(root, 'images/metadata/metadata_0.parquet'))).toEqual([{ image_path: '1' }]);
  });
});

it('a folder of images with texts beside them', async () => {
  const folder = join(root, 'photos');
  await write(folder, {
    'b.png': await png(RED),
    'b.txt': 'cat',
    'sub/a.jpeg.png': await png(SEA),
    'sub/a.jpeg.txt': 'a b',
    'alone.png': await png(RED),
    'notes.md': 'nothing to see',
  });
  const out = join(root, 'out-files');
  const summary = await run({ inputs: [folder], out });
  expect(summary).toMatchObject({ samples: 3, rows: 2, left: { no_caption: 1 } });
  near(await matrix(join(out, 'img_emb/img_emb_0.npy')), [imageRow(RED), imageRow(SEA)]);
  expect(await table(join(out, 'metadata/metadata_0.parquet'))).toEqual([
    { image_path: `${folder}/b.png`, caption: 'cat' },
    { image_path: `${folder}/sub/a.jpeg.png`, caption: 'a b' },
  ]);
});

it("Parquet with bytes in a column, as img2dataset's", async () => {
  const sink = memorySink();
  const columns = [
    { name: 'key', type: 'string' },
    { name: 'caption', type: 'string', nullable: true },
    { name: 'jpg', type: 'binary', nullable: true },
    { name: 'width', type: 'int32', nullable: true },
  ] as const;
  const writer = createParquetWriter(sink, columns);
  await writer.writeRowGroup([
    { key: '000', caption: 'cat', jpg: await png(RED), width: 6 },
    { key: '001', caption: 'failed', jpg: null, width: null },
  ]);
  await writer.writeRowGroup([{ key: '002', caption: 'a b', jpg: await png(SEA), width: 6 }]);
  await writer.finish();
  await write(join(root, 'parquet'), { '00000.parquet': sink.bytes() });
  const out = join(root, 'out-parquet');
  const summary = await run({ inputs: [join(root, 'parquet')], out, parts: { metadata: true } });
  expect(summary).toMatchObject({ samples: 3, rows: 2, left: { no_image: 1 } });
  near(await matrix(join(out, 'img_emb/img_emb_0.npy')), [imageRow(RED), imageRow(SEA)]);
  near(await matrix(join(out, 'text_emb/text_emb_0.npy')), [textRow(CAT), textRow(A_B)]);
  expect(await table(join(out, 'metadata/metadata_0.parquet'))).toEqual([
    { image_path: '000', caption: 'cat', key: '000', width: 6n },
    { image_path: '002', caption: 'a b', key: '002', width: 6n },
  ]);
});

describe('a run that is stopped', () => {
  const SAMPLES = 230;
  let inputs: string[];
  let whole: Record<string, string>;
  beforeAll(async () => {
    const members = await Promise.all(
      Array.from(
        { length: SAMPLES },
        async (_, n): Promise<[string, Uint8Array][]> => [
          [`${n}.png`, n % 9 === 4 ? utf8('no picture') : await png([n, 255 - n, 7])],
          [`${n}.txt`, utf8(`cat ${'ab'.repeat(n % 5)} ${n % 3}`)],
          [`${n}.json`, utf8(JSON.stringify({ n, [`late${n >> 6}`]: 'x' }))],
        ],
      ),
    );
    await write(join(root, 'many'), {
      'a.tar': tarOf(members.slice(0, 100).flat()),
      'b.tar': tarOf(members.slice(100).flat(), 'gnu'),
    });
    inputs = [join(root, 'many')];
    const out = join(root, 'whole');
    await run({ inputs, out, parts: { metadata: true }, writeBatchSize: 60 });
    whole = await files(out);
    expect(Object.keys(whole)).toHaveLength(3 * 4);
    expect(whole['metadata/metadata_003.parquet']).toBeDefined();
  });

  /** Without gleaner's own, where manifests and what is unfinished lie. */
  async function files(out: string): Promise<Record<string, string>> {
    const all = Object.entries(await treeOf(out));
    return Object.fromEntries(all.filter(([path]) => !path.startsWith('_gleaner')));
  }

  it.each([1, 59, 61, 99, 100, 131, 229, 230])('after %i samples goes on to the same bytes', async (stop) => {
    const out = join(root, `stopped-${stop}`);
    const options = { inputs, out, parts: { metadata: true }, writeBatchSize: 60, segmentSamples: 13 };
    await run({ ...options, batchSize: 5 }, stop);
    const summary = await run({ ...options, batchSize: 16 });
    expect(summary).toMatchObject({ samples: SAMPLES, left: { format: 26 }, rows: SAMPLES - 26, parts: 4 });
    expect(await files(out)).toEqual(whole);
    expect(Object.keys(await treeOf(out)).filter((path) => path.includes('/segments/'))).toEqual([]);
  });

  it('by SIGKILL goes on to the same bytes, and says the same when it is done already', async () => {
    const out = join(root, 'killed');
    const args = ['embed', ...inputs, '--out', out, '--model', model, '--enable-metadata'];
    args.push('--write-batch-size', '60', '--batch-size', '4', '--json');
    const child = startGleaner(args);
    const exit = once(child, 'exit');
    while (child.exitCode === null && !existsSync(join(out, '_gleaner/parts/0.json'))) await sleep(2);
    child.kill('SIGKILL');
    await exit;
    const first = await gleaner(args);
    expect([first.code, first.stderr.includes('100 %')]).toEqual([0, true]);
    expect(await files(out)).toEqual(whole);
    const again = await gleaner(args);
    expect(again.stdout).toBe(first.stdout);
    expect(await files(out)).toEqual(whole);
  });

  it('is not gone on with by another model, other inputs or other sizes', async () => {
    const out = join(root, 'whole');
    const options = { inputs, out, parts: { metadata: true }, writeBatchSize: 60 };
    const other = writeTinyModel(join(root, 'other'), {
      'onnx/vision_model.onnx': tinyVision({ quantized: true }),
    });
    await expect(embedLocally({ ...options, model: other })).rejects.toThrow('another model');
    await expect(embedLocally({ ...options, model, writeBatchSize: 61 })).rejects.toThrow(
      'another write batch size',
    );
    await expect(run({ ...options, inputs: [join(root, 'many/a.tar')] })).rejects.toThrow(
      'another list of inputs',
    );
    expect(await files(out)).toEqual(whole);
  });
});

describe('bad input', () => {
  it.each([
    ['no such file', ['missing.tar'], 1, 'no such file'],
    ['no tar', ['tiny/tokenizer.json', '--input-format', 'webdataset'], 1, 'is not a tar'],
    ['an unknown kind', ['tiny/config.json'], 2, '--input-format'],
    ['nothing to embed', ['tiny', '--no-image', '--no-text'], 2, 'nothing to embed'],
  ] as const)('%s is one line', async (_, args, code, words) => {
    const [input, ...more] = args;
    const command = ['embed', join(root, input), '--out', join(root, 'bad'), '--model', model, ...more];
    const { code: status, stderr } = await gleaner(command);
    expect(status).toBe(code);
    expect(stderr).toContain(words);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
