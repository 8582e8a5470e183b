import { once } from 'node:events';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { takeLease } from '../../src/pipeline/lease.ts';
import { openStorage } from '../../src/storage/index.ts';
import { type S3Server, startS3, useS3 } from '../support/s3-server.ts';

describe('the lease of a prefix', () => {
  let server: S3Server;
  let env: Disposable;
  let places = 0;

  beforeAll(async () => {
    server = await startS3();
    env = useS3(server);
  });

  afterAll(async () => {
    env[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  const newRoot = () => openStorage(`s3://${server.bucket}/lease${places++}`);
  /** What another machine leaves. */
  const foreign = (beat: number) =>
    JSON.stringify({ id: 'other', beat, pid: 1, host: 'far-away', machine: 'far-away boot pid' });

  /** Counts waits; `during` says what happens meanwhile. */
  function waiting(during: (waits: number) => Promise<unknown> = async () => undefined) {
    const counted = Object.assign(
      async (ms: number) => {
        counted.ms += ms;
        await during(++counted.waits);
      },
      { waits: 0, ms: 0 },
    );
    return counted;
  }

  it('is held by one of many that want it, and free again when it is given back', async () => {
    const root = newRoot();
    const tries = await Promise.allSettled(Array.from({ length: 5 }, () => takeLease(root, waiting())));
    const held = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(held).toHaveLength(1);
    for (const one of tries)
      if (one.status === 'rejected')
        expect(one.reason).toMatchObject({
          code: 'RUN_LOCKED',
          message: expect.stringContaining(`process ${process.pid} on ${hostname()}`),
        });
    await held[0]?.release();
    expect(await root.list('')).toEqual([]);
    await (await takeLease(root, waiting())).release();
  });

  it('of another machine is taken over when nobody wrote it for a minute', async () => {
    const root = newRoot();
    await root.put('.lock', foreign(7));
    const clock = waiting();
    const held = await takeLease(root, clock);
    expect(clock.ms).toBe(60_000);
    await held.release();
    expect(await root.list('')).toEqual([]);
  });

  it('of another machine that lives is left to it', async () => {
    const root = newRoot();
    await root.put('.lock', foreign(7));
    const clock = waiting(async (waits) => waits === 3 && (await root.put('.lock', foreign(8))));
    await expect(takeLease(root, clock)).rejects.toMatchObject({
      code: 'RUN_LOCKED',
      message: expect.stringContaining('process 1 on far-away'),
    });
    expect(clock.waits).toBe(3);
    expect(new TextDecoder().decode(await root.read('.lock'))).toBe(foreign(8));
  });

  it('that is given back meanwhile is taken at once', async () => {
    const root = newRoot();
    await root.put('.lock', foreign(7));
    const clock = waiting(async () => root.remove('.lock'));
    await (await takeLease(root, clock)).release();
    expect(clock.waits).toBe(1);
  });

  it('of a process of this machine that is gone is taken over without waiting', async () => {
    const root = newRoot();
    const mine = await takeLease(root, waiting());
    const lease = JSON.parse(new TextDecoder().decode(await root.read('.lock'))) as { pid: number };
    await mine.release();
    const { spawn } = await import('node:child_process');
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    await root.put('.lock', JSON.stringify({ ...lease, id: 'killed', pid: child.pid }));
    const clock = waiting();
    await (await takeLease(root, clock)).release();
    expect(clock.waits).toBe(0);
  });

  it('is not to be had where the store takes no conditional puts', async () => {
    await using plain = await startS3({ conditions: false });
    using _ = useS3(plain);
    await expect(takeLease(newRoot(), waiting())).rejects.toMatchObject({
      code: 'STORAGE_REFUSED',
      message: expect.stringMatching(/takes no conditional puts/),
    });
  });

  it('is written again and again', async () => {
    const root = newRoot();
    const held = await takeLease(root, waiting(), 5);
    const first = await root.version('.lock');
    while ((await root.version('.lock')) === first) await new Promise((resolve) => setImmediate(resolve));
    expect(held.lost.aborted).toBe(false);
    await held.release();
    expect(await root.list('')).toEqual([]);
  });

  it('that another took over is lost, and not given back', async () => {
    const root = newRoot();
    const held = await takeLease(root, waiting(), 5);
    await root.put('.lock', foreign(1));
    if (!held.lost.aborted) await once(held.lost, 'abort');
    expect(held.lost.reason).toMatchObject({ code: 'RUN_LOCKED' });
    await held.release();
    expect(new TextDecoder().decode(await root.read('.lock'))).toBe(foreign(1));
  });
});
