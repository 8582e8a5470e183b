import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Storage } from '../../src/storage/index.ts';
import { someBytes } from './flaky-server.ts';

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

    it('replaces a file only where it is still the version that was read, of many that do one', async () => {
      const storage = await create();
      expect(await storage.version('x')).toBeUndefined();
      await storage.put('x', 'first');
      const version = await storage.version('x');
      if (version === undefined) throw new Error('a file has a version');
      const attempts = Array.from({ length: 8 }, (_, i) =>
        storage.put('x', `attempt ${i}`, { ifVersion: version }),
      );
      const winners = (await Promise.all(attempts)).flatMap((info, i) => (info ? [`attempt ${i}`] : []));
      expect(winners).toHaveLength(1);
      expect(text(await storage.read('x'))).toBe(winners[0]);
      expect(await storage.put('x', 'late', { ifVersion: version })).toBeUndefined();
      await storage.remove('x');
      expect(await storage.put('x', 'to nothing', { ifVersion: version })).toBeUndefined();
      expect(await storage.list('')).toEqual([]);
    });

    it('writes and reads what is larger than any buffer, and nothing of it is seen before', async () => {
      const storage = await create();
      const chunk = someBytes((3 << 20) + 7);
      const file = await storage.create('a/large');
      const digest = createHash('sha256');
      for (let i = 0; i < 7; i++) {
        await file.write(chunk);
        digest.update(chunk);
      }
      expect(await storage.list('')).toEqual([]);
      const sha256 = digest.digest('hex');
      expect(await file.commit()).toEqual({ path: 'a/large', bytes: 7 * chunk.length, sha256 });
      const streamed = createHash('sha256');
      for await (const part of storage.stream('a/large', { passing: true })) streamed.update(part);
      expect(streamed.digest('hex')).toBe(sha256);
      const source = await storage.open('a/large');
      const at = 2 * chunk.length - 5;
      const across = new Uint8Array(await source.slice(at, at + 10));
      expect([...across]).toEqual([...chunk.subarray(-5), ...chunk.subarray(0, 5)]);
      await source.close();
    });

    it('writes files that hold nothing, and reads nothing behind their end', async () => {
      const storage = await create();
      expect(await storage.put('empty', '')).toMatchObject({ bytes: 0 });
      expect(await storage.size('empty')).toBe(0);
      expect(await storage.read('empty')).toHaveLength(0);
      await storage.put('x', 'abc');
      for (const [path, start] of [
        ['empty', 0],
        ['empty', 5],
        ['x', 3],
        ['x', 9],
      ] as const) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of storage.stream(path, { start })) chunks.push(chunk);
        expect(Buffer.concat(chunks)).toHaveLength(0);
      }
    });

    it('moves files over others, and folders in place of what was there', async () => {
      const storage = await create();
      for (const path of ['from/1', 'from/b/2', 'to/1', 'to/old', 'tool']) await storage.put(path, path);
      await storage.move('from', 'to');
      expect(await storage.list('')).toEqual(['to/1', 'to/b/2', 'tool']);
      expect(text(await storage.read('to/1'))).toBe('from/1');
      await storage.move('tool', 'to/1');
      expect(text(await storage.read('to/1'))).toBe('tool');
      expect(await storage.list('')).toEqual(['to/1', 'to/b/2']);
      await expect(storage.move('none', 'x')).rejects.toThrow();
    });

    it('takes names as they are, and refuses those that lead out', async () => {
      const storage = await create();
      const names = ['a b', 'a+b', 'ä/%41&', "q?x=1#'(*)!", '<x>"y"'].sort();
      for (const name of names) await storage.put(name, name);
      expect(await storage.list('')).toEqual(names);
      for (const name of names) expect(text(await storage.read(name))).toBe(name);
      await storage.move('a b', 'c d/ä');
      expect(text(await storage.read('c d/ä'))).toBe('a b');
      for (const name of names) await storage.remove(name);
      expect(await storage.list('')).toEqual(['c d/ä']);
      for (const path of ['../secret', '/etc/passwd', 'a/../../secret'])
        await expect(storage.read(path)).rejects.toMatchObject({ code: 'DAMAGED' });
    });

    it('sweeps away what killed writers left, and nothing else', async () => {
      const storage = await create();
      await storage.put('kept', 'x');
      const file = await storage.create('a/half');
      // So much that some of it has left this process, wherever it goes.
      await file.write(new Uint8Array(40 << 20));
      await storage.sweep();
      await expect(file.commit()).rejects.toThrow();
      expect(await storage.list('')).toEqual(['kept']);
    });
  });
}
