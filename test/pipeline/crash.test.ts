import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RunLocallyOptions, runLocally } from '../../src/executors/index.ts';
import { gzipMember } from '../../src/formats/index.ts';
import { explainPair, runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { watRecord } from '../support/crawl.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { treeOf } from '../support/tree.ts';

const CRASHING = new URL('./crashing-harvest.ts', import.meta.url);
/** A named pipe blocks the thread that opens it, as a decoder that never ends does; Windows has none. */
const PIPES = process.platform !== 'win32';

describe('a harvest with images that end its process', () => {
  let folder: string;
  let origin: ImageOrigin;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-crash-'));
    origin = await startImageOrigin();
    if (PIPES) await promisify(execFile)('mkfifo', [join(folder, 'never')]);
    process.env.NEVER = join(folder, 'never');
  });
  afterAll(() => {
    delete process.env.NEVER;
    return origin.close();
  });
  afterEach(() => {
    delete process.env.ENDS_AT_ONCE;
    delete process.env.NODE_OPTIONS;
    origin.cut = false;
  });

  /** A run with these pictures, in two tasks. */
  async function prepared(name: string, urls: readonly string[]): Promise<RunLocallyOptions> {
    const wat = join(folder, `${name}.warc.wat.gz`);
    const images = urls.map((url, n) => ({ url, alt: `A picture of something round, number ${n}` }));
    await writeFile(wat, gzipMember(watRecord('http://site.example/', images)));
    return {
      recipe: 'everything',
      overrides: { harvest: { pairsPerTask: 12, recordTime: false } },
      wats: [wat],
      allowHosts: [origin.host],
      out: join(folder, name),
      workers: 1,
      processFile: CRASHING,
    };
  }

  /** Twenty pictures, of which these are deadly. */
  function pictures(words: readonly string[]): { urls: string[]; deadly: string[] } {
    const deadly = words.map((word, n) => origin.marked(n, word));
    const good = Array.from({ length: 20 - words.length }, (_, n) => origin.image(n));
    return { urls: [...good, ...deadly], deadly };
  }

  it('drops them and no other', { timeout: 240_000 }, async () => {
    const words = ['ends by abort', 'takes all memory', ...(PIPES ? ['never ends'] : [])];
    const { urls, deadly } = pictures(words);
    const options = await prepared('deadly', urls);
    process.env.NODE_OPTIONS = '--max-old-space-size=200'; // So that all memory is taken soon.
    await runLocally(options);
    delete process.env.NODE_OPTIONS;
    const storage = fileStorage(options.out);
    for (const url of deadly)
      expect(await explainPair(storage, url)).toMatchObject([
        { kept: false, row: { reason: 'undecodable', detail: 'ended its worker' } },
      ]);
    const ledgers = await runLedgers(storage);
    expect(ledgers.image).toEqual({
      in: 20,
      out: 20 - deadly.length,
      dropped: { undecodable: deadly.length },
    });
    expect((await verifyRun(storage)).problems).toEqual([]);
    // What processes had half written when they ended is gone.
    expect((await readdir(join(options.out, 'harvest'))).map((path) => path.slice(0, 5)).sort()).toEqual([
      '00000',
      '00001',
    ]);
    expect(
      (await readdir(options.out, { recursive: true })).filter((path) => path.includes('.pending-')),
    ).toEqual([]);

    // The same pictures, but the deadly ones only damaged, by gleaner's own process.
    origin.cut = true;
    const undisturbed = join(folder, 'undisturbed');
    const { processFile: _, ...own } = options;
    await runLocally({ ...own, out: undisturbed, workers: 2 });
    const released = async (out: string) =>
      Object.entries(await treeOf(join(out, 'release'))).filter(([path]) =>
        /^(?:metadata|images|img_emb|text_emb)\//.test(path),
      );
    expect(await released(options.out)).toEqual(await released(undisturbed));
    expect((await released(undisturbed)).length).toBe(4 * 32);
  });

  it('says in a line that a process dies whatever it does', { timeout: 60_000 }, async () => {
    process.env.ENDS_AT_ONCE = '1';
    const options = await prepared('dead', [origin.image(1)]);
    await expect(runLocally(options)).rejects.toMatchObject({
      code: 'TASK_FAILED',
      message:
        'harvest/00000: its process died 3 times (the last time: SIGKILL, with no image in work). Is there enough memory?',
    });
    // It can be gone on with.
    delete process.env.ENDS_AT_ONCE;
    await runLocally(options);
    expect((await runLedgers(fileStorage(options.out))).safe).toMatchObject({ in: 1, out: 1 });
  });

  it.runIf(PIPES)(
    'leaves no process behind when it is killed, not even one that decodes for ever',
    { timeout: 120_000 },
    async () => {
      const options = await prepared('orphan', [origin.marked(1, 'never ends')]);
      const script = `
        import { runLocally } from ${JSON.stringify(new URL('../../src/executors/index.ts', import.meta.url).href)};
        const { processFile, ...options } = JSON.parse(process.argv[1]);
        await runLocally({ ...options, processFile: new URL(processFile) });`;
      const pidFile = `${join(folder, 'never')}.pid`;
      await writeFile(pidFile, '');
      const parent = spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify(options)], {
        stdio: 'ignore',
      });
      const pidOf = async () => Number(await readFile(pidFile, 'utf8'));
      while ((await pidOf()) === 0 && parent.exitCode === null) await sleep(50);
      expect(parent.exitCode).toBeNull();
      const pid = await pidOf();
      expect(isRunning(pid)).toBe(true);
      parent.kill('SIGKILL');
      await once(parent, 'exit');
      while (isRunning(pid)) await sleep(50); // Else the test's own time is over.
    },
  );
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
