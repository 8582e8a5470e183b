import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readFull, writeFull } from '../../src/storage/index.ts';

describe('an open file', () => {
  let folder = '';
  const opened = <T>(flags: string, use: (fd: number) => T): T => {
    const fd = openSync(join(folder, 'file'), flags);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-descriptor-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('gives what it has at a place, and says where that is less than was wanted', async () => {
    await writeFile(join(folder, 'file'), 'abcdef');
    const read = (length: number, position: number) => {
      const bytes = Buffer.alloc(length, '.');
      return [opened('r', (fd) => readFull(fd, bytes, position)), bytes.toString()];
    };
    expect(read(3, 2)).toEqual([true, 'cde']);
    expect(read(0, 6)).toEqual([true, '']);
    expect(read(4, 3)).toEqual([false, 'def.']);
    expect(read(1, 9)).toEqual([false, '.']);
  });

  it('gives more than one read moves, each byte in its place', async () => {
    const length = (64 << 20) + 5;
    await writeFile(join(folder, 'file'), 'ab');
    await truncate(join(folder, 'file'), length);
    opened('r+', (fd) => writeFull(fd, Buffer.from('cdef'), length - 4));
    const bytes = new Uint8Array(length - 1);
    expect(opened('r', (fd) => readFull(fd, bytes, 1))).toBe(true);
    expect(Buffer.from([...bytes.subarray(0, 2), ...bytes.subarray(-5)]).toString()).toBe('b\0\0cdef');
  });

  it('takes all of what is written, at a place or behind the last', async () => {
    opened('w', (fd) => {
      for (const text of ['ab', 'cd']) writeFull(fd, Buffer.from(text), null);
      writeFull(fd, Buffer.from('X'), 1);
      writeFull(fd, Buffer.from('ef'), null);
    });
    expect(await readFile(join(folder, 'file'), 'utf8')).toBe('aXcdef');
    const length = (64 << 20) + 5;
    const bytes = Buffer.alloc(length);
    bytes.write('ghij', length - 4);
    opened('w', (fd) => writeFull(fd, bytes, 0));
    expect((await stat(join(folder, 'file'))).size).toBe(length);
    expect((await readFile(join(folder, 'file'))).equals(bytes)).toBe(true);
  });
});
