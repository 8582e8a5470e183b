import { expect, test } from 'vitest';
import { type OpenSource, streamSource, withSource } from '../../src/storage/index.ts';

/** A storage of one file that says how many are open. */
function oneFile() {
  const state = { open: 0, opened: 0 };
  const source: OpenSource = {
    byteLength: 3,
    slice: async (start, end = 3) => Uint8Array.of(7, 8, 9).buffer.slice(start, end),
    async close() {
      state.open--;
    },
  };
  const storage = {
    async open(path: string) {
      if (path !== 'x') throw new Error('no such file');
      state.open++;
      state.opened++;
      return source;
    },
  };
  return { state, storage };
}

test('withSource hands the source to the work and closes it after', async () => {
  const { state, storage } = oneFile();
  const length = await withSource(storage, 'x', async (source) => {
    expect(state.open).toBe(1);
    return (await source.slice(1)).byteLength;
  });
  expect([length, state.open, state.opened]).toEqual([2, 0, 1]);
});

test('withSource closes it where the work fails, and where there is none fails itself', async () => {
  const { state, storage } = oneFile();
  const failing = withSource(storage, 'x', () => Promise.reject(new Error('bad')));
  await expect(failing).rejects.toThrow('bad');
  await expect(withSource(storage, 'y', async () => 1)).rejects.toThrow('no such file');
  expect([state.open, state.opened]).toEqual([0, 1]);
});

async function* numbers(until = 3) {
  for (let n = 0; n < until; n++) yield n;
  if (until > 3) throw new Error('bad');
}

test('streamSource opens when it is read, and closes at the end, at an error, and when nobody reads on', async () => {
  const { state, storage } = oneFile();
  const stream = streamSource(storage, 'x', () => numbers());
  expect(state.opened).toBe(0);
  expect(await Array.fromAsync(stream)).toEqual([0, 1, 2]);
  expect([state.open, state.opened]).toEqual([0, 1]);
  await expect(Array.fromAsync(streamSource(storage, 'x', () => numbers(4)))).rejects.toThrow('bad');
  expect([state.open, state.opened]).toEqual([0, 2]);
  for await (const n of streamSource(storage, 'x', () => numbers())) {
    expect(state.open).toBe(1);
    if (n === 1) break;
  }
  expect([state.open, state.opened]).toEqual([0, 3]);
});
