import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Storage } from '../../src/storage/index.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | ArrayBuffer) => new TextDecoder().decode(data);

/** What every storage has to do, whatever lies behind it. `create` gives an empty one. */
export function storageConformance(name: string, create: () => Promise<Storage>): void {
  describe(`Storage: ${name}`, () => {
    it('shows a file whole when it is committed, and not before', async () => {
      const storage = await create();
      const file = await storage.create('a/b.txt');
      await file.write(bytes('one '));
      expect(await storage.size('a/b.txt')).toBeUndefined();
      expect(await storage.list('')).toEqual([]);
      await file.write(bytes('two'));
      const info = await file.commit();
      expect(info).toEqual({
        path: 'a/b.txt',
        bytes: 7,
        sha256: createHash('sha256').update('one two').digest('hex'),
      });
      expect(text(await storage.read('a/b.txt'))).toBe('one two');
    });

    it('leaves nothing of a file that was aborted', async () => {
      const storage = await create();
      const file = await storage.create('x');
      await file.write(bytes('half'));
      await file.abort();
      expect(await storage.list('')).toEqual([]);
      expect(await storage.size('x')).toBeUndefined();
    });

    it('replaces a file at once, but not with ifAbsent', async () => {
      const storage = await create();
      await storage.put('x', 'first');
      expect(await storage.put('x', 'second', { ifAbsent: true })).toBeUndefined();
      expect(text(await storage.read('x'))).toBe('first');
      await storage.put('x', 'third');
      expect(text(await storage.read('x'))).toBe('third');
    });

    it('lets one of many win that put with ifAbsent', async () => {
      const storage = await create();
      const attempts = Array.from({ length: 8 }, (_, i) => storage.put('x', String(i), { ifAbsent: true }));
      const winners = (await Promise.all(attempts)).flatMap((info, i) => (info ? [String(i)] : []));
      expect(winners).toHaveLength(1);
      expect(text(await storage.read('x'))).toBe(winners[0]);
    });

    it('reads ranges and streams from an offset', async () => {
      const storage = await create();
      await storage.put('x', '0123456789');
      const source = await storage.open('x');
      expect(source.byteLength).toBe(10);
      expect(text(await source.slice(2, 5))).toBe('234');
      expect(text(await source.slice(7))).toBe('789');
      expect(text(await source.slice(8, 100))).toBe('89');
      expect((await source.slice(4, 4)).byteLength).toBe(0);
      await source.close();
      let streamed = '';
      for await (const chunk of storage.stream('x', { start: 6 })) streamed += text(chunk);
      expect(streamed).toBe('6789');
    });

    it('lists what lies below a folder, in order, and removes it', async () => {
      const storage = await create();
      for (const path of ['b/2', 'b/10', 'b/c/1', 'a', 'bb/1']) await storage.put(path, path);
      expect(await storage.list('b')).toEqual(['b/10', 'b/2', 'b/c/1']);
      expect(await storage.list('none')).toEqual([]);
      await storage.remove('b');
      await storage.remove('none');
      expect(await storage.list('')).toEqual(['a', 'bb/1']);
    });

    it('says which file there is none of', async () => {
      const storage = await create();
      await expect(storage.read('no/such')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      await expect(storage.open('no/such')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      await expect(storage.stream('no/such')[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
      });
    });

    it('sweeps away what killed writers left, and nothing else', async () => {
      const storage = await create();
      await storage.put('kept', 'x');
      const file = await storage.create('a/half');
      await file.write(bytes('half'));
      await storage.sweep();
      await expect(file.commit()).rejects.toThrow();
      expect(await storage.list('')).toEqual(['kept']);
    });
  });
}
