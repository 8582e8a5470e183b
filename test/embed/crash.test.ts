import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { embedLocally } from '../../src/executors/embed.ts';
import { writeTinyModel } from '../clip/tiny-model.ts';
import { startGleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';
import { tarOf, write } from './datasets.ts';

/** Ends its process at images whose bytes hold 'ends by abort' or 'ends by kill'. */
const CRASHING = `--import=${new URL('../download/crashing-decoder.ts', import.meta.url)}`;
const SAMPLES = 80;

/** A picture with these words in a comment (COM), which decoders pass over. */
async function jpeg(n: number, words = ''): Promise<Buffer> {
  const picture = await sharp({
    create: { width: 8, height: 8, channels: 3, background: { r: 3 * n, g: 200 - n, b: 77 } },
  })
    .jpeg()
    .toBuffer();
  const comment = Buffer.from(`\xff\xfe\0${String.fromCharCode(words.length + 2)}${words}`, 'latin1');
  return Buffer.concat([picture.subarray(0, 2), comment, picture.subarray(2)]);
}

describe('embedding with images that end its process', () => {
  let root: string;
  let model: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'gleaner-embed-crash-'));
    model = writeTinyModel(join(root, 'tiny'));
  });
  afterAll(() => rm(root, { recursive: true }));
  afterEach(() => {
    delete process.env.ENDS_ONCE;
    delete process.env.ENDS_AT_ONCE;
    delete process.env.NODE_OPTIONS;
  });

  /** A tar of pictures, those of the given numbers deadly; without them where `left` says so. */
  async function dataset(name: string, deadly: Readonly<Record<number, string>>, left = false) {
    const members: [string, Uint8Array][] = [];
    for (let n = 0; n < SAMPLES; n++) {
      if (left && deadly[n] !== undefined) continue;
      const stem = String(n).padStart(3, '0');
      members.push([`${stem}.jpg`, await jpeg(n, deadly[n])], [`${stem}.txt`, Buffer.from(`cat ${n % 7}`)]);
    }
    await write(join(root, name), { '0.tar': tarOf(members) });
    return [join(root, name)];
  }

  const embed = (inputs: readonly string[], out: string, batchSize = 4) =>
    embedLocally({
      ...{ model, inputs, out: join(root, out), batchSize, preproWorkers: 2 },
      ...{ writeBatchSize: 30, segmentSamples: 16, parts: { image: true, text: true, metadata: false } },
    });

  /** What others read. */
  async function files(out: string) {
    const all = Object.entries(await treeOf(join(root, out)));
    return Object.fromEntries(all.filter(([path]) => !path.startsWith('_gleaner')));
  }

  it('costs these images and no other: the files are those of the dataset without them', async () => {
    const deadly = { 0: 'ends by abort', 21: 'ends by kill', 22: 'ends by abort', 79: 'ends by kill' };
    await embed(await dataset('without', deadly, true), 'without-out');
    const inputs = await dataset('with', deadly);
    process.env.NODE_OPTIONS = CRASHING;
    const summary = await embed(inputs, 'with-out');
    expect(summary).toMatchObject({ samples: SAMPLES, rows: SAMPLES - 4, left: { undecodable: 4 } });
    expect(await files('with-out')).toEqual(await files('without-out'));
    expect(Object.keys(await treeOf(join(root, 'with-out'))).filter((p) => p.includes('/segments/'))).toEqual(
      [],
    );
  }, 400_000);

  it('costs nothing where it was the system that ended the process', async () => {
    const inputs = await dataset('good', {});
    await embed(inputs, 'undisturbed');
    process.env.NODE_OPTIONS = CRASHING;
    process.env.ENDS_ONCE = join(root, 'ended');
    expect(await embed(inputs, 'disturbed')).toMatchObject({ samples: SAMPLES, rows: SAMPLES, left: {} });
    expect(existsSync(join(root, 'ended'))).toBe(true);
    expect(await files('disturbed')).toEqual(await files('undisturbed'));
  }, 400_000);

  it('ends the command where the process dies whatever it does, in one line', async () => {
    const inputs = await dataset('dead', {});
    process.env.NODE_OPTIONS = CRASHING;
    process.env.ENDS_AT_ONCE = '1';
    // Not of the command itself, which is loaded with these options too.
    await expect(embed(inputs, 'dead-out')).rejects.toMatchObject({
      code: 'TASK_FAILED',
      message: expect.stringMatching(/^embed: its process died 3 times/),
    });
  }, 400_000);

  it('leaves nobody behind who writes on when the command is killed', async () => {
    const inputs = await dataset('killed', {});
    await embed(inputs, 'whole');
    const args = ['embed', ...inputs, '--out', join(root, 'killed-out'), '--model', model];
    const child = startGleaner([...args, '--write-batch-size', '30', '--batch-size', '4']);
    const exit = new Promise((resolve) => child.once('exit', resolve));
    const lock = join(root, 'killed-out', '.lock');
    while (!existsSync(join(root, 'killed-out', '_gleaner/embed.json')) && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill('SIGKILL');
    await exit;
    expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({ pid: child.pid });
    expect(await embed(inputs, 'killed-out', 5)).toMatchObject({ rows: SAMPLES });
    expect(await files('killed-out')).toEqual(await files('whole'));
  }, 400_000);
});
