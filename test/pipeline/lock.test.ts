import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockFolder } from '../../src/pipeline/lock.ts';

const newFolder = () => mkdtemp(join(tmpdir(), 'gleaner-lock-'));
const lockOf = (pid: number, host = hostname()) => JSON.stringify({ pid, host });

describe('lockFolder', () => {
  it('lets one in at a time and leaves nothing behind', async () => {
    const folder = await newFolder();
    const unlock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    await unlock();
    expect(await readdir(folder)).toEqual([]);
    await (await lockFolder(folder))();
  });

  it('lets one of many in that ask at once', async () => {
    const folder = await newFolder();
    const asked = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await readdir(folder)).toEqual(['.lock']);
  });

  it('takes over from a process that is gone, or whose number is ours by chance', async () => {
    const dead = spawnSync(process.execPath, ['--version']).pid;
    for (const content of [lockOf(dead), lockOf(process.pid), 'no lock of ours']) {
      const folder = await newFolder();
      await writeFile(join(folder, '.lock'), content);
      await (await lockFolder(folder))();
    }
  });

  it('believes the lock of a living process and of another machine', async () => {
    for (const content of [lockOf(process.ppid), lockOf(1, 'another-machine.example')]) {
      const folder = await newFolder();
      await writeFile(join(folder, '.lock'), content);
      await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
      expect(await readdir(folder)).toEqual(['.lock']);
    }
  });
});
