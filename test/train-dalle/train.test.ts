import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { recipeWith } from '../../examples/train-dalle/recipe.ts';
import { train } from '../../examples/train-dalle/train.ts';
import { checkpointOf } from '../support/checkpoint.ts';
import { treeOf } from '../support/tree.ts';
import { TINY, writeShapes } from './shapes.ts';

const SCRIPT = new URL('../../examples/train-dalle/train.ts', import.meta.url).pathname;
const MODEL = new URL('../../models/gleaner-mini', import.meta.url).pathname;
const RECIPE = recipeWith(JSON.stringify(TINY), 'tiny');
/** Each shape on each colour again and again, but the box on green is of no split. */
const SPLITS = Array.from({ length: 48 }, (_, n) =>
  n % 8 === 5 ? 'left out' : n >= 40 ? 'test' : n >= 32 ? 'validation' : 'train',
);
const Figures = z.object({
  autoencoder: z.object({ psnr: z.number(), codesInUse: z.number() }),
  nats: z.object({ matched: z.number(), shuffled: z.number(), none: z.number() }),
  captions: z.array(z.string()),
});

let root: string;
let dir: string;
const lines: string[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gleaner-dalle-'));
  dir = join(root, 'run');
  await writeShapes(dir, SPLITS);
  await writeFile(join(root, 'tiny.json'), JSON.stringify(TINY));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const say = (line: string) => void lines.push(line);
const options = (out: string) => ({
  ...{ dir, out: join(root, out), recipe: RECIPE, model: MODEL, captions: [], threads: 1, every: 3600 },
});
const checkpointsOf = (out: string) =>
  ['vq', 'transformer'].map((name) => checkpointOf(join(root, out, `${name}.safetensors`)));
/** Files with their digests, but for the checkpoints: these tell how long they took. */
const writtenIn = async (out: string) =>
  Object.entries(await treeOf(join(root, out))).filter(([name]) => !name.endsWith('.safetensors'));

/** Runs the command, and kills it as it says what `moment` matches. @returns what it said */
async function killAt(out: string, moment: RegExp): Promise<string> {
  const args = [SCRIPT, dir, '--out', join(root, out), '--recipe', join(root, 'tiny.json')];
  const child = spawn(process.execPath, [...args, '--threads', '1', '--checkpoint-every', '0']);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (moment.test(said)) child.kill('SIGKILL');
    });
  const [, signal] = await once(child, 'exit');
  expect(signal, said).toBe('SIGKILL');
  return said;
}

describe('training on shapes', { timeout: 300_000 }, () => {
  it('learns what they look like, and that captions matter', async () => {
    await train(options('whole'), say);
    const figures = Figures.parse(JSON.parse(await readFile(join(root, 'whole', 'figures.json'), 'utf8')));
    expect(figures.autoencoder.psnr).toBeGreaterThan(12); // before training it is 7.6
    const { matched, shuffled, none } = figures.nats;
    expect(matched).toBeLessThan(Math.log(RECIPE.vq.codes) / 2);
    expect(shuffled).toBeGreaterThan(matched + 0.3);
    expect(none).toBeGreaterThan(matched + 0.1);
    // Of eight combinations seven were seen: one is new.
    expect(figures.captions).toEqual(['a drawing of a box on a green background']);
    const png = await readFile(join(root, 'whole', 'samples.png'));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(await readFile(join(root, 'whole', 'transformer.svg'), 'utf8')).toContain('nats a code');
  });

  it('goes on where it was killed, to the same weights and pictures', async () => {
    await killAt('killed', /autoencoder \d+\//);
    await killAt('killed', /transformer \d+\//);
    lines.length = 0;
    await train(options('killed'), say);
    expect(lines).toContainEqual(expect.stringMatching(/^autoencoder: done before/));
    expect(checkpointsOf('killed')).toEqual(checkpointsOf('whole'));
    const written = await writtenIn('whole');
    expect(written.map(([name]) => name)).toEqual(
      expect.arrayContaining(['samples.png', 'figures.json', 'transformer.svg']),
    );
    expect(await writtenIn('killed')).toEqual(written);
  });

  it('refuses a folder of another recipe, a broken shard and an empty split, and keeps what is there', async () => {
    const before = await treeOf(join(root, 'whole'));
    const another = { ...RECIPE, vqTraining: { ...RECIPE.vqTraining, steps: 51 } };
    await expect(train({ ...options('whole'), recipe: another }, say)).rejects.toMatchObject({
      code: 'RUN_MISMATCH',
    });
    expect(await treeOf(join(root, 'whole'))).toEqual(before);
    const empty = join(root, 'empty');
    await writeShapes(
      empty,
      SPLITS.map(() => 'test'),
    );
    await expect(train({ ...options('x'), dir: empty }, say)).rejects.toMatchObject({ code: 'SPLIT_EMPTY' });
    const broken = join(root, 'broken');
    await writeShapes(broken, SPLITS);
    await truncate(join(broken, 'release', 'images', '00000.tar'), 9000);
    await expect(train({ ...options('y'), dir: broken }, say)).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});
