import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileStorage } from '../../src/storage/index.ts';
import { storageConformance } from './conformance.ts';

const newFolder = () => mkdtemp(join(tmpdir(), 'gleaner-storage-'));

storageConformance('files', async () => fileStorage(await newFolder()));

describe('fileStorage', () => {
  it('makes its folder only when it is written to', async () => {
    const root = join(await newFolder(), 'new');
    const storage = fileStorage(root);
    expect(await storage.list('')).toEqual([]);
    expect(await storage.size('x')).toBeUndefined();
    await expect(readdir(root)).rejects.toThrow();
    await storage.put('x', 'y');
    expect(await readdir(root)).toEqual(['x']);
  });

  it('refuses paths that lead out of its folder', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'secret'), 's');
    const storage = fileStorage(join(folder, 'run'));
    for (const path of ['../secret', '/etc/passwd', 'a/../../secret'])
      await expect(storage.read(path)).rejects.toMatchObject({ code: 'DAMAGED' });
    await expect(storage.put('../secret', 'x')).rejects.toMatchObject({ code: 'DAMAGED' });
    await expect(storage.remove('../secret')).rejects.toMatchObject({ code: 'DAMAGED' });
  });

  it('sweeps away folders that hold nothing, and no others', async () => {
    const root = await newFolder();
    const storage = fileStorage(root);
    await storage.put('a/kept', 'x');
    const killed = await storage.create('harvest/00000-killed/rows.parquet');
    await storage.sweep();
    await killed.abort();
    expect(await readdir(root, { recursive: true })).toEqual(['a', 'a/kept']);
  });
});
