import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { LOCK_FILE, loadClip, type PullOptions, pullModel } from '../../src/clip/index.ts';
import type { KnownModel } from '../../src/clip/known-models.ts';
import { someBytes } from '../storage/flaky-server.ts';
import { gleaner } from '../support/gleaner.ts';
import { LoopbackHub } from './hub.ts';
import { writeTinyModel } from './tiny-model.ts';

const LARGE = 'onnx/vision_model.onnx_data';
const MODEL: KnownModel = {
  ...{ name: 'tiny', what: 'a model of two nodes', repository: 'someone/tiny', revision: 'main' },
  ...{ licence: 'CC0-1.0', parametersM: 0, dimension: 12, sha256: {} },
  configs: ['config.json', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json'],
  networks: { fp32: ['onnx/vision_model.onnx', 'onnx/text_model.onnx', LARGE] },
};
const PATHS = [...MODEL.configs, ...(MODEL.networks.fp32 ?? [])];
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

let root: string;
let source: string;
let dir: string;
let hub: LoopbackHub;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'gleaner-pull-'));
  source = writeTinyModel(join(root, 'source'), { [LARGE]: someBytes(3_000_000) });
  dir = join(root, 'pulled');
  hub = await LoopbackHub.start();
  publish('someone/tiny');
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

function publish(repository: string): void {
  for (const path of PATHS)
    hub.files.set(`${repository}/resolve/main/${path}`, readFileSync(join(source, path)));
}
const hubPath = (path: string) => `someone/tiny/resolve/main/${path}`;
const pull = (options: Partial<PullOptions> = {}) =>
  pullModel({ model: MODEL, dir, hub: `${hub.origin}/`, retry: { attempts: 3, backoffMs: 1 }, ...options });
const lock = () => JSON.parse(readFileSync(join(dir, LOCK_FILE), 'utf8'));
const asked = (path: string) =>
  hub.asked.filter(([name]) => name === hubPath(path)).map(([, range]) => range);

function expectWhole(): void {
  for (const path of PATHS)
    expect(readFileSync(join(dir, path)).equals(readFileSync(join(source, path)))).toBe(true);
  expect(globSync('**/*.part*', { cwd: dir })).toEqual([]);
}

/** Pulls until the large file has begun to come, and stops there as Ctrl-C does. */
async function pullAndStop(): Promise<number> {
  const stop = new AbortController();
  const stopped = pull({
    signal: stop.signal,
    onProgress: (path, bytes) => path === LARGE && bytes >= 100_000 && stop.abort(new Error('stopped')),
  });
  await expect(stopped).rejects.toThrow('stopped');
  return readFileSync(join(dir, `${LARGE}.part`)).length;
}

describe('pullModel', () => {
  it('brings every file, through redirects, and records what came', async () => {
    const files = await pull();
    expect(files.map(({ path, checked, downloaded }) => [path, checked, downloaded])).toEqual(
      PATHS.map((path) => [path, 'new', true]),
    );
    expectWhole();
    expect(lock()).toMatchObject({ repository: 'someone/tiny', revision: 'main' });
    for (const path of PATHS)
      expect(lock().files[path].sha256).toBe(sha256(readFileSync(join(source, path))));
    const model = await loadClip(dir);
    expect(model.dimension).toBe(12);
    await model.close();
  });

  it('asks for nothing that is there, and again for what was damaged', async () => {
    await pull();
    hub.asked.length = 0;
    expect((await pull()).every(({ downloaded, checked }) => !downloaded && checked === 'recorded')).toBe(
      true,
    );
    expect(hub.asked).toEqual([]);
    writeFileSync(join(dir, 'onnx/text_model.onnx'), 'damaged');
    await pull();
    expect(hub.asked).toEqual([[hubPath('onnx/text_model.onnx'), undefined]]);
    expectWhole();
  });

  it('goes on where a connection broke', async () => {
    hub.breaks.set(hubPath(LARGE), 1_000_000);
    const seen: number[] = [];
    await pull({ onProgress: (path, bytes) => path === LARGE && seen.push(bytes) });
    const [first, second] = asked(LARGE);
    expect(first).toBeUndefined();
    expect(second).toMatch(/^bytes=\d+-$/);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(3_000_000);
    expectWhole();
  });

  it('goes on where an earlier start was stopped', async () => {
    const there = await pullAndStop();
    expect(there).toBeGreaterThanOrEqual(100_000);
    hub.asked.length = 0;
    await pull();
    expect(hub.asked).toEqual([[hubPath(LARGE), `bytes=${there}-`]]);
    expectWhole();
  });

  it('goes on without ranges too, if what it has is the same', async () => {
    hub.plain = true;
    await pullAndStop();
    await pull();
    expectWhole();
  });

  it.each([true, false])('begins anew what has changed meanwhile (without an ETag: %s)', async (plain) => {
    hub.plain = plain;
    await pullAndStop();
    const other = someBytes(3_000_000, 7);
    writeFileSync(join(source, LARGE), other);
    publish('someone/tiny');
    await pull();
    expectWhole();
  });

  it('keeps no file with another hash than the pinned one', async () => {
    const wrong = '0'.repeat(64);
    const error = await pull({ model: { ...MODEL, sha256: { [LARGE]: wrong } } }).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'MODEL_NOT_PULLED',
      message: expect.stringMatching(
        new RegExp(
          `${LARGE} has the SHA-256 ${sha256(someBytes(3_000_000))}, not ${wrong} that gleaner knows`,
        ),
      ),
    });
    expect(globSync('onnx/*_data*', { cwd: dir })).toEqual([]);
    const right = { ...MODEL, sha256: { [LARGE]: sha256(someBytes(3_000_000)) } };
    expect((await pull({ model: right })).at(-1)).toMatchObject({ checked: 'pinned', downloaded: true });
  });

  it('keeps no file with another hash than the one of the first time', async () => {
    await pull();
    rmSync(join(dir, LARGE));
    hub.files.set(hubPath(LARGE), someBytes(3_000_000, 7));
    await expect(pull()).rejects.toThrow(
      /has the SHA-256 .* that gleaner-model\.json has of the first download/,
    );
    expect(globSync('onnx/*_data*', { cwd: dir })).toEqual([]);
  });

  it('says in one line what is missing, and how to place the files by hand', async () => {
    hub.files.delete(hubPath('onnx/text_model.onnx'));
    const error = await pull().catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'MODEL_NOT_PULLED' });
    const message = String(error);
    expect(message).toMatch(
      /text_model\.onnx: no such file\. The server answered 404\. .*by hand: config\.json, /,
    );
    expect(message).toContain(`from ${hub.origin}/someone/tiny/tree/main into ${dir}`);
    expect(message).not.toContain('\n');
    expect(existsSync(join(dir, 'onnx/text_model.onnx.part'))).toBe(false);
  });

  it('takes files that were placed by hand, asks for none, and records them', async () => {
    cpSync(source, dir, { recursive: true });
    const files = await pull({ hub: 'http://127.0.0.1:9' });
    expect(files.every(({ downloaded, checked }) => !downloaded && checked === 'new')).toBe(true);
    expect(Object.keys(lock().files)).toEqual(PATHS);
  });

  it.each([
    ['a web page', '<!DOCTYPE html><title>Log in</title>'],
    ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n'],
  ])('neither records nor keeps %s in place of a file, and takes the file then', async (what, text) => {
    const file = readFileSync(join(source, 'onnx/text_model.onnx'));
    hub.files.set(hubPath('onnx/text_model.onnx'), Buffer.from(text));
    await expect(pull()).rejects.toThrow(`onnx/text_model.onnx is ${what}`);
    expect(Object.keys(lock().files)).not.toContain('onnx/text_model.onnx');
    // Also where somebody put it there.
    writeFileSync(join(dir, 'onnx/text_model.onnx'), text);
    hub.files.set(hubPath('onnx/text_model.onnx'), file);
    await pull();
    expectWhole();
  });

  it('does not follow a redirect into a private network that nobody named', async () => {
    const other = await LoopbackHub.start();
    onTestFinished(() => other[Symbol.asyncDispose]());
    hub.cdn = other.origin;
    await expect(pull()).rejects.toThrow(/a redirect led to it, and its address is not public/);
    expect(other.asked).toEqual([]);
  });

  it('refuses a folder of another model, a variant that is not published, and what is no model', async () => {
    await expect(pull({ variant: 'int8' })).rejects.toThrow(/not published as int8, but as fp32/);
    hub.files.set(hubPath('config.json'), Buffer.from('{}'));
    await expect(pull()).rejects.toThrow(/config\.json: has no projection_dim/);
    await expect(pull({ model: { ...MODEL, repository: 'else/where' } })).rejects.toThrow(
      /holds someone\/tiny/,
    );
  });
});

describe('gleaner models', () => {
  it('lists what is known, pulls by name, and then finds it by that name', async () => {
    const repository = 'Xenova/clip-vit-base-patch32';
    publish(repository);
    const env = { ...process.env, GLEANER_MODELS: join(root, 'home'), HF_ENDPOINT: hub.origin };
    const name = 'clip-vit-base-patch32';
    const list = async () => JSON.parse((await gleaner(['models', '--json'], { env })).stdout);
    const find = async () => (await list()).find((model: { name: string }) => model.name === name);
    expect(await find()).toMatchObject({ repository, licence: 'MIT', dimension: 512, here: null });
    const early = await gleaner(['serve', root, '--model', name], { env });
    expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining(`gleaner models pull ${name}`) });
    const pulled = await gleaner(['models', 'pull', name, '--json'], { env });
    expect(pulled.code).toBe(0);
    expect(JSON.parse(pulled.stdout)).toMatchObject({ dir: join(root, 'home', name), files: { length: 6 } });
    expect(await find()).toMatchObject({ here: join(root, 'home', name) });
    const { stdout } = await gleaner(['models'], { env });
    for (const known of [
      'gleaner-mini',
      'clip-vit-base-patch16',
      'clip-vit-large-patch14',
      'laion2b',
      'siglip',
      'xlm-roberta',
    ])
      expect(stdout).toMatch(new RegExp(`^\\S*${known}`, 'm'));
  });

  it.each([
    [['models', 'pull', 'clip-vit'], 2, /clip-vit: no such model\. Known: clip-vit-base-patch32/],
    [['models', 'pull', 'gleaner-mini'], 2, /comes with gleaner/],
    [['models', 'pull'], 2, /missing required argument/],
    [['models', 'push'], 2, /too many arguments|unknown command/],
    [['models', 'pull', 'clip-vit-base-patch32', '--model-variant', 'int3'], 2, /Allowed choices/],
  ])('%j', async (args, code, problem) => {
    expect(await gleaner(args)).toMatchObject({
      ...{ code, stdout: '' },
      stderr: expect.stringMatching(new RegExp(`^gleaner: [^\\n]*${problem.source}[^\\n]*\\n$`)),
    });
  });
});
