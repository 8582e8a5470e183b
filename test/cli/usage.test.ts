import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { gzipMember } from '../../src/formats/index.ts';
import { writeTinyModel } from '../clip/tiny-model.ts';
import { makeSmallCrawl, type SmallCrawl, watRecord } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');

/** What a user sees of a mistake: one line on standard error that begins as ours do, and no stack trace. */
const oneLine = (text: RegExp) =>
  expect.stringMatching(new RegExp(`^gleaner: [^\\n]*${text.source}[^\\n]*\\n$`, text.flags));

describe('gleaner, used wrongly', () => {
  let folder: string;
  let crawl: SmallCrawl;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-cli-'));
    crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 1, pagesPerWat: 2 });
    await writeFile(join(folder, 'picture.png'), PNG);
    await mkdir(join(folder, 'empty-model'));
  });

  const run = (...args: string[]) => gleaner(['run', ...args]);
  const inFolder = (name: string) => join(folder, name);

  it('names a WAT that is not there, and writes nothing', async () => {
    const wats = ['--wat', ...crawl.wats, inFolder('none.warc.wat.gz')];
    expect(await run(...wats, '--out', inFolder('a'))).toEqual({
      code: 1,
      stdout: '',
      stderr: oneLine(/none\.warc\.wat\.gz: no such file/),
    });
    expect(await readdir(folder)).not.toContain('a');
  });

  it('says what a file is that is no WAT', async () => {
    const out = ['--out', inFolder('b')];
    expect(await run('--wat', inFolder('picture.png'), ...out)).toMatchObject({
      code: 1,
      stderr: oneLine(/picture\.png: is not a WAT file \(it begins with a PNG image\)/),
    });
    expect(await run('--wat', folder, ...out)).toMatchObject({ code: 1, stderr: oneLine(/it is no file/) });
    expect(await run('--wat', ...crawl.wats, '--images-from', inFolder('picture.png'), ...out)).toMatchObject(
      {
        code: 1,
        stderr: oneLine(/picture\.png: is not a WARC file/),
      },
    );
    expect(await readdir(folder)).not.toContain('b');
  });

  it.each([
    [['run', '--wat', 'x', '--out', 'y', '--recipe', 'laion500m'], /laion500m: no such recipe.*laion400m/],
    [['run', '--wat', 'x', '--out', 'y', '--fast'], /unknown option '--fast'/],
    [['run', '--out', 'y'], /give '--wat <file\.\.\.>' or '--crawl/],
    [['run', '--wat', 'x', '--out', 'y', '--workers', 'many'], /whole number/],
    [['serve', 'x', '--port', '99999'], /port from 0 to 65535/],
    [['serve'], /missing required argument 'dir'/],
    [['frobnicate'], /unknown command 'frobnicate'/],
  ])('exits with 2 at %j', async (args, problem) => {
    expect(await gleaner(args)).toEqual({ code: 2, stdout: '', stderr: oneLine(problem) });
  });

  it('shows its help when nothing is asked', async () => {
    const { code, stderr } = await gleaner([]);
    expect(code).toBe(2);
    expect(stderr).toContain('Commands:');
  });

  it('keeps an output folder to its recipe, its input and its images', async () => {
    const mine = inFolder('mine.yaml');
    await writeFile(mine, 'name: mine\nfetch: { contact: me@example.com }\n');
    const out = ['--out', inFolder('kept')];
    const wat = ['--wat', ...crawl.wats];
    const archive = ['--images-from', crawl.archive];
    expect(await run('--recipe', mine, ...wat, ...archive, ...out)).toMatchObject({ code: 0 });
    expect(await run(...wat, ...archive, ...out)).toMatchObject({
      code: 1,
      stderr: oneLine(/kept: holds a run with another recipe/),
    });
    const other = inFolder('other.warc.wat.gz');
    await writeFile(other, gzipMember(watRecord('http://a.example/', [])));
    expect(await run('--recipe', mine, '--wat', other, ...archive, ...out)).toMatchObject({
      code: 1,
      stderr: oneLine(/another list of WAT files/),
    });
    expect(await run('--recipe', mine, ...wat, ...out)).toMatchObject({
      code: 1,
      stderr: oneLine(/another image source/),
    });
    const model = ['--model', writeTinyModel(inFolder('other-model'))];
    expect(await run('--recipe', mine, ...wat, ...archive, ...out, ...model)).toMatchObject({
      code: 1,
      stderr: oneLine(/kept: holds a run with another model/),
    });
    expect(await gleaner(['verify', inFolder('kept')])).toMatchObject({ code: 0 });
  });

  it('names the file that a model folder lacks', async () => {
    const contact = ['--contact', 'me@example.com'];
    const args = ['--wat', ...crawl.wats, ...contact, '--out', inFolder('c'), '--model'];
    expect(await run(...args, inFolder('empty-model'))).toMatchObject({
      code: 1,
      stderr: oneLine(/empty-model\/config\.json: is missing/),
    });
    expect(await run(...args, inFolder('no-model'))).toMatchObject({ code: 1, stderr: oneLine(/no-model/) });
    expect(await readdir(folder)).not.toContain('c');
  });

  it('refuses a provider that this machine cannot have, and a variant that the model has not', async () => {
    const other = process.platform === 'darwin' ? 'dml' : 'coreml';
    const args = ['--wat', ...crawl.wats, '--contact', 'me@example.com', '--out', inFolder('e')];
    expect(await run(...args, '--provider', other)).toMatchObject({
      code: 1,
      stderr: oneLine(
        new RegExp(`--provider ${other}: does not work here: this build of onnxruntime has only`),
      ),
    });
    expect(await run(...args, '--provider', 'abacus')).toMatchObject({
      code: 2,
      stderr: oneLine(/Allowed choices/),
    });
    expect(await run(...args, '--model-variant', 'int8')).toMatchObject({
      code: 1,
      stderr: oneLine(/onnx\/vision_model_quantized\.onnx: is missing \(there is fp32\)/),
    });
    expect(await readdir(folder)).not.toContain('e');
  });

  it('says what to add before the open web is crawled, and leaves nothing', async () => {
    const args = ['--wat', ...crawl.wats, '--out', inFolder('anonymous')];
    expect(await run(...args)).toMatchObject({
      code: 2,
      stderr: oneLine(/--contact you@example\.com, or fetch\.contact/),
    });
    expect(await run(...args, '--contact', 'me')).toMatchObject({
      code: 2,
      stderr: oneLine(/fetch\.contact: me is neither/),
    });
    expect(await readdir(folder)).not.toContain('anonymous');
  });

  it('says that a port is in use', async () => {
    expect(await gleaner(['index', inFolder('kept')])).toMatchObject({ code: 0 });
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('no port');
    expect(await gleaner(['serve', inFolder('kept'), '--port', String(address.port)])).toEqual({
      code: 1,
      stdout: '',
      stderr: oneLine(new RegExp(`port ${address.port} on 127\\.0\\.0\\.1 is in use.*--port`)),
    });
    server.close();
  });

  it('names an --allow-host that is none, and a file of safety categories that is missing', async () => {
    const args = ['--wat', ...crawl.wats, '--contact', 'me@example.com', '--out', inFolder('d')];
    expect(await run(...args, '--allow-host', 'localhost')).toMatchObject({
      code: 2,
      stderr: oneLine(/localhost is not HOST:PORT/),
    });
    await writeFile(inFolder('own.yaml'), 'name: own\nsafety: { categories: ./none.yaml }\n');
    const contact = ['--contact', 'me@example.com'];
    expect(await run(...args, ...contact, '--recipe', inFolder('own.yaml'))).toMatchObject({
      stderr: oneLine(/none\.yaml/),
    });
    expect(await readdir(folder)).not.toContain('d');
  });

  it('says what a folder lacks that is no finished run', async () => {
    for (const command of ['stats', 'verify', 'index', 'serve'])
      expect(await gleaner([command, inFolder('nothing')])).toMatchObject({
        code: 1,
        stderr: oneLine(/nothing: holds no/),
      });
    expect(await readdir(folder)).not.toContain('nothing');
  });

  it('says what the system refused', async () => {
    expect(
      await gleaner(['extract', '--wat', ...crawl.wats, '--out', join(crawl.archive, 'x')]),
    ).toMatchObject({
      code: 1,
      stderr: oneLine(/not a directory/),
    });
  });
});

describe('gleaner --help', () => {
  const commands = [
    ...['run', 'extract', 'dedup', 'download', 'retry', 'remove'],
    ...['index', 'serve', 'stats', 'explain', 'verify', 'models'],
  ];

  it('lists every command', async () => {
    const { code, stdout } = await gleaner(['--help']);
    expect(code).toBe(0);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
  });

  it.each(commands)('%s shows examples', async (command) => {
    const { code, stdout } = await gleaner([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`  $ gleaner ${command}`);
  });
});
