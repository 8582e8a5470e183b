import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FullTextIndex, FullTextThread } from '../../src/fulltext/index.ts';
import { RowSet } from '../../src/knn/index.ts';

let folder = '';
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fulltext-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Text i has id i. */
async function built(texts: readonly string[]): Promise<string> {
  const path = join(folder, `${made++}.sqlite`);
  await FullTextIndex.build(
    path,
    (async function* () {
      yield { ids: texts.map((_, id) => id), texts };
    })(),
  );
  return path;
}

const closing = <T extends { close(): Promise<void> }>(index: T) =>
  Object.assign(index, { [Symbol.asyncDispose]: () => index.close() });

async function opened(path: string, readOnly = true) {
  return closing(await FullTextIndex.open(path, { readOnly }));
}

const searchers = [
  ['on this thread', 40, async (path: string) => closing(await FullTextIndex.open(path))],
  // A thread begins for each.
  ['on a thread of its own', 8, async (path: string) => closing(await FullTextThread.open(path))],
] as const;

/**
 * BM25 by the formula of FTS5's documentation (https://www.sqlite.org/fts5.html#the_bm25_function), over texts that
 * are cut at spaces.
 */
function bm25(texts: readonly string[], query: readonly string[]): { id: number; score: number }[] {
  const cut = texts.map((text) => text.toLowerCase().split(' '));
  const mean = cut.reduce((sum, words) => sum + words.length, 0) / cut.length;
  const idf = (word: string) => {
    const having = cut.filter((words) => words.includes(word)).length;
    return Math.max(1e-6, Math.log((cut.length - having + 0.5) / (having + 0.5)));
  };
  return cut
    .map((words, id) => {
      const score = query.reduce((sum, word) => {
        const times = words.filter((one) => one === word).length;
        return sum + (idf(word) * times * 2.2) / (times + 1.2 * (0.25 + (0.75 * words.length) / mean));
      }, 0);
      return { id, score };
    })
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.id - b.id);
}

/** Whatever a user may write. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        ...[
          '"',
          "'",
          '*',
          '(',
          ')',
          ':',
          '^',
          '-',
          '+',
          '{',
          '}',
          ',',
          '\0',
          '\n',
          ' ',
          '\ud800',
          '""',
          '";--',
        ],
        ...['NEAR', 'NEAR(', 'AND', 'OR', 'NOT', 'text:', 'rowid:', 'cat', 'Dog', '猫', '😺', 'é', '\u0301'],
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join('')),
);

describe.each(searchers)('search by words %s', (_, numRuns, opened) => {
  test('orders as BM25 computed by hand', async () => {
    const word = fc.constantFrom('cat', 'dog', 'red', 'blue', 'old', 'sea', 'sky', 'sun', 'oak', 'elm');
    const text = fc.array(word, { minLength: 1, maxLength: 9 }).map((words) => words.join(' '));
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 30 }),
        fc.uniqueArray(word, { minLength: 1, maxLength: 4 }),
        async (texts, query) => {
          await using index = await opened(await built(texts));
          const hits = await index.search(query.join(' ').toUpperCase(), { k: 100 });
          const expected = bm25(texts, query);
          const scores = new Map(expected.map(({ id, score }) => [id, score]));
          expect(hits.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());
          hits.forEach(({ id, score }, i) => {
            expect(score).toBeCloseTo(scores.get(id) ?? Number.NaN, 9);
            expect(score).toBeLessThanOrEqual(hits[i - 1]?.score ?? Infinity);
          });
          expect(await index.search(query.join(' '), { k: 3 })).toEqual(hits.slice(0, 3));
          const odd = RowSet.of(
            texts.length,
            texts.flatMap((_, id) => (id % 2 === 1 ? [id] : [])),
          );
          expect(await index.search(query.join(' '), { k: 100, among: odd })).toEqual(
            hits.filter(({ id }) => id % 2 === 1),
          );
          const matched = await index.matched(
            query.join(' '),
            texts.map((_, id) => id),
          );
          for (const [id, of] of matched)
            expect(of).toEqual(query.filter((one) => texts[id]?.split(' ').includes(one)));
        },
      ),
      { numRuns, seed: 3 },
    );
  });

  test.each([
    ['case and diacritics', 'Crème BRÛLÉE', 'creme brulee'],
    ['diacritics that stand apart', 'cafe\u0301', 'café'],
    ['wide letters', 'ＡＢＣ store', 'abc'],
    ['a word with a hyphen', 'state-of-the-art camera', 'state-of-the-art'],
    ['an apostrophe', "the cat's whiskers", "cat's"],
    ['a number', 'iPhone 15 Pro', '15'],
    ['Japanese, part of a run', '吾輩は猫である', '猫'],
    ['Japanese, several signs of a run', '東京都庁舎の写真', '東京都'],
    ['Chinese', '一只红色的猫', '红色'],
    ['Katakana', 'スマートフォンケース', 'ケース'],
    ['Korean, a whole word', '빨간 고양이', '고양이'],
    ['Thai, part of a run', 'แมวสีแดงน่ารัก', 'สีแดง'],
    ['Arabic', 'قطة حمراء', 'حمراء'],
    ['Hindi', 'लाल बिल्ली', 'बिल्ली'],
    ['Russian', 'Красная кошка', 'кошка'],
    ['an emoji', 'I ❤️ my cat😺!', '😺'],
    ['an emoji of several signs', 'family 👨‍👩‍👧 photo', '👨‍👩‍👧'],
    ['a quoted word', 'say "hello" there', '"hello"'],
  ])('finds %s', async (_, text, query) => {
    await using index = await opened(await built(['something else', text, 'другое 別 다른']));
    expect((await index.search(query, { k: 9 })).map(({ id }) => id)).toEqual([1]);
    expect((await index.matched(query, [1])).get(1)).toEqual(query.split(' '));
  });

  test.each([
    ['Japanese signs that do not stand together', '東の京', '東京'],
    ['part of a word of letters', 'category', 'cat'],
    ['the name of the column', 'nothing of it', 'text:nothin'],
    ['a prefix', 'category', 'cat*'],
  ])('does not find %s', async (_, text, query) => {
    await using index = await opened(await built([text]));
    expect(await index.search(query, { k: 9 })).toEqual([]);
  });

  test.each([
    ['nothing', ''],
    ['only signs', '"" * ( ) - ^ /'],
    ['NUL', '\0'],
    ['only marks', '\u0301\u0301'],
  ])('a query of %s finds nothing', async (_, query) => {
    await using index = await opened(await built(['a text', '']));
    expect(await index.search(query, { k: 9 })).toEqual([]);
  });

  test('words of the query language are words', async () => {
    await using index = await opened(await built(['this OR that', 'near the sea', 'not and']));
    const found = async (query: string) => (await index.search(query, { k: 9 })).map(({ id }) => id);
    expect(await found('OR')).toEqual([0]);
    expect(await found('NEAR(zebra quagga)')).toEqual([]);
    expect(await found('NEAR')).toEqual([1]);
    expect((await found('zebra NOT sea')).sort()).toEqual([1, 2]);
  });

  test('a query of 10,000 characters, of one word and of thousands', async () => {
    const [one, some] = ['x'.repeat(10_000), 'ab '.repeat(3333)];
    await using index = await opened(await built([one, some, 'ab', '猫'.repeat(10_000)]));
    expect(await index.search(one, { k: 9 })).toEqual([]);
    expect((await index.search(some, { k: 9 })).map(({ id }) => id).sort()).toEqual([1, 2]);
    const many = Array.from({ length: 3000 }, (_, i) => `w${i}`).join(' ');
    expect(await index.search(many, { k: 9 })).toEqual([]);
    expect((await index.search('猫'.repeat(5000), { k: 9 })).map(({ id }) => id)).toEqual([3]);
  });

  test('common words choose no texts beside others, and the least common of them alone do', async () => {
    const texts = Array.from({ length: 24_000 }, (_, i) =>
      [
        i % 2 === 0 ? 'the' : 'a',
        i % 2 === 0 ? 'and' : 'other',
        i < 10 ? 'zebra' : 'x',
        i % 24_000 < 11_000 ? 'of' : 'y',
      ].join(' '),
    );
    await using index = await opened(await built(texts));
    expect(await index.search('the zebra', { k: 50 })).toHaveLength(10);
    expect(await index.search('THE and', { k: 50_000 })).toHaveLength(12_000);
    expect(await index.search('the of', { k: 50_000 })).toHaveLength(11_000);
    expect((await index.matched('the zebra', [0, 1])).get(0)).toEqual(['the', 'zebra']);
  });
});

describe('a thread that searches', () => {
  test('answers searches in their order, those among some rows too, while the caller goes on', async () => {
    await using index = closing(await FullTextThread.open(await built(['red cat', 'blue dog', 'red dog'])));
    const order: number[] = [];
    const searches = Array.from({ length: 50 }, async (_, i) => {
      const among = RowSet.of(3, [i % 3]);
      const hits = await index.search('red dog', { k: 3, among });
      order.push(i);
      expect(hits.map(({ id }) => id)).toEqual([i % 3]);
    });
    expect(order).toEqual([]);
    await Promise.all(searches);
    expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  test('that cannot open its file says so to each search, and begins again with the next', async () => {
    const path = await built(['red cat']);
    await using index = closing(await FullTextThread.open(path));
    await rename(path, `${path}-away`);
    const both = [index.search('cat', { k: 1 }), index.matched('cat', [0])];
    for (const one of both) await expect(one).rejects.toThrow('is no index of words');
    await rename(`${path}-away`, path);
    expect(await index.search('cat', { k: 1 })).toHaveLength(1);
  });

  test('is closed when closed, with what waits; a file that is none is refused', async () => {
    await expect(FullTextThread.open(join(folder, 'nowhere.sqlite'))).rejects.toMatchObject({
      code: 'DAMAGED',
    });
    const index = await FullTextThread.open(await built(['a']));
    const waiting = index.search('a', { k: 1 });
    await Promise.all([index.close(), expect(waiting).rejects.toThrow(/closed/)]);
    await index.close();
    await expect(index.search('a', { k: 1 })).rejects.toThrow(/closed/);
    await expect(index.matched('a', [0])).rejects.toThrow(/closed/);
  });

  test('holds up no process that has nothing else to do', async () => {
    const room = new URL('../../src/fulltext/index.ts', import.meta.url).href;
    const script = `const { FullTextThread } = await import(${JSON.stringify(room)});
      const index = await FullTextThread.open(${JSON.stringify(await built(['a cat']))});
      console.log((await index.search('cat', { k: 1 })).length);`;
    const file = join(folder, 'searches.mjs');
    await writeFile(file, script);
    const { stdout } = await promisify(execFile)(process.execPath, [file]);
    expect(stdout).toBe('1\n');
  });
});

describe('FullTextIndex', () => {
  test('never fails, and never gives a text that was removed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(hostile, { maxLength: 12 }),
        fc.array(hostile, { maxLength: 6 }),
        fc.uniqueArray(fc.nat(20)),
        fc.array(fc.tuple(fc.nat(20), hostile), { maxLength: 4 }),
        async (texts, queries, gone, added) => {
          const path = await built(texts);
          {
            await using index = await opened(path, false);
            for (const [id, text] of added) await index.add({ ids: [id], texts: [text] });
            const there = new Set([...texts.keys(), ...added.map(([id]) => id)]);
            expect(await index.remove(gone)).toBe(gone.filter((id) => there.has(id)).length);
            for (const query of [...texts, ...queries])
              for (const { id } of await index.search(query, { k: 50 })) expect(gone).not.toContain(id);
          }
          await using index = await opened(path);
          for (const query of [...texts, ...queries]) {
            const hits = await index.search(query, { k: 50 });
            for (const { id, score } of hits) {
              expect(gone).not.toContain(id);
              expect(score).toBeGreaterThan(0);
            }
            await index.matched(query, [0, 1, 2]);
          }
        },
      ),
      { numRuns: 60, seed: 7 },
    );
  });

  test('what is removed is in no file; what somebody has open stays as it was', async () => {
    const path = await built(['a public thing', 'quetzalcoatlus xylophonist', 'another thing']);
    const bytes = async () => {
      const files = (await readdir(folder)).filter((name) => name.includes(path.split('/').at(-1) ?? ''));
      expect(files).toHaveLength(1);
      return readFile(path);
    };
    expect((await bytes()).includes('quetzalcoatlus')).toBe(true);
    await using before = await opened(path);
    {
      await using index = await opened(path, false);
      expect(await index.remove([1, 1, 77])).toBe(1);
    }
    // Words are kept by what differs from the one before: the ends of both would be there.
    for (const part of ['quetzal', 'coatlus', 'xylo', 'phonist'])
      expect((await bytes()).includes(part)).toBe(false);
    expect((await before.search('xylophonist', { k: 5 })).map(({ id }) => id)).toEqual([1]);
    const after = await bytes();
    {
      await using index = await opened(path, false);
      expect(await index.remove([1])).toBe(0);
    }
    expect((await bytes()).equals(after)).toBe(true);
  });

  test('a text that is added is found at once, and takes the place of another', async () => {
    const path = await built(['red cat', 'blue dog']);
    {
      await using index = await opened(path, false);
      await index.add({ ids: [1, 5], texts: ['green bird', 'yellow dog'] });
      expect((await index.search('dog', { k: 5 })).map(({ id }) => id)).toEqual([5]);
    }
    await using index = await opened(path);
    expect((await index.search('dog bird', { k: 5 })).map(({ id }) => id).sort()).toEqual([1, 5]);
  });

  test('a file that is none is refused in one line, and is closed when closed', async () => {
    const path = join(folder, 'none.sqlite');
    await writeFile(path, 'no database'.repeat(1000));
    for (const readOnly of [true, false])
      for (const at of [path, join(folder, 'nowhere.sqlite')])
        await expect(FullTextIndex.open(at, { readOnly })).rejects.toMatchObject({ code: 'DAMAGED' });
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
    const index = await FullTextIndex.open(await built(['a']));
    await expect(index.remove([0])).rejects.toThrow(/reading/);
    await index.close();
    await index.close();
    await expect(index.search('a', { k: 1 })).rejects.toThrow(/closed/);
  });

  test('Node says nothing of SQLite being experimental', async () => {
    const room = new URL('../../src/fulltext/index.ts', import.meta.url).href;
    const script = `const { FullTextIndex } = await import(${JSON.stringify(room)});
      await FullTextIndex.open('/nowhere').catch(() => {}); process.emitWarning('another');`;
    const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(stderr).toContain('another');
    expect(stderr).not.toContain('SQLite');
  });
});
