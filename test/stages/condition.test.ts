import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GleanerError } from '../../src/schema/index.ts';
import { parseCondition } from '../../src/stages/condition/index.ts';

const COLUMNS = [
  { name: 'URL', type: 'string', nullable: false },
  { name: 'TEXT', type: 'string', nullable: false },
  { name: 'HEIGHT', type: 'int32', nullable: false },
  { name: 'WIDTH', type: 'int32', nullable: false },
  { name: 'LICENSE', type: 'string', nullable: false },
  { name: 'NSFW', type: 'string', nullable: false },
  { name: 'similarity', type: 'double', nullable: false },
  { name: 'language_confidence', type: 'float', nullable: false },
  { name: 'note', type: 'string', nullable: true },
  { name: 'SAMPLE_ID', type: 'int64', nullable: false },
  { name: 'thumbnail', type: 'binary', nullable: false },
  { name: 'list', type: 'other', nullable: false },
] as const;

const row = (
  URL: string,
  TEXT: string,
  [HEIGHT, WIDTH]: readonly [number, number],
  LICENSE: string,
  NSFW: string,
  similarity: number,
  confidence: number,
  note: string | null,
) => ({
  ...{ URL, TEXT, HEIGHT, WIDTH, LICENSE, NSFW, similarity, note },
  language_confidence: Math.fround(confidence),
  SAMPLE_ID: 7n,
});
const BY = 'https://creativecommons.org/licenses/by/4.0/';
const ROWS = [
  row('https://a.example/x.jpg', 'a red fruit', [512, 1024], '?', 'UNLIKELY', 0.31, 0.95, null),
  row('https://b.example/50%_off.png', '100% Größe', [300, 300], BY, 'UNSURE', 0.32, 0.5, 'x'),
  row('http://c.example/', '🍎 apple', [0, 2000], '?', 'NSFW', -0.1, 0, ''),
  row("http://c.example/q?a='b'", "it's  ﬀ", [511, 513], '?', 'UNLIKELY', 0.3200001, 0.949999, 'y'),
  row('https://a.example/Ü.webp', 'ÜBER', [1, 1], '?', 'UNLIKELY', 1, 1, null),
];

/** Conditions, and the rows of ROWS that DuckDB 1.5.6 selects by them out of a table with columns of these types. */
const BY_DUCKDB: readonly (readonly [string, readonly number[]])[] = [
  ['WIDTH >= 512 AND similarity > 0.32', [3]],
  ['width >= 512 and NOT similarity > 0.32', [0, 2]],
  ['"WIDTH" = 300 OR "WIDTH" = 1', [1, 4]],
  ['WIDTH / HEIGHT > 1.5', [0, 2]],
  ['0 / HEIGHT > 1e300 AND 0 / HEIGHT = 0 / 0', [2]],
  ['WIDTH // HEIGHT = 2', [0]],
  ['WIDTH % 2 = 1', [3, 4]],
  ['HEIGHT / 0 IS NULL', []],
  ['WIDTH // HEIGHT IS NULL', [2]],
  ['NOT (WIDTH / HEIGHT > 1.5)', [1, 3, 4]],
  ['(WIDTH / HEIGHT > 1.5) IS NOT TRUE', [1, 3, 4]],
  ['language_confidence >= 0.95', [0, 4]],
  ['language_confidence = 0.95', [0]],
  ['language_confidence * 2 >= 1.9', [0, 4]],
  ['language_confidence BETWEEN 0.5 AND 0.95', [0, 1, 3]],
  ['similarity BETWEEN 0.31 AND 0.32', [0, 1]],
  ['similarity NOT BETWEEN 0.31 AND 0.32', [2, 3, 4]],
  ["NSFW IN ('UNSURE', 'NSFW')", [1, 2]],
  ["NSFW NOT IN ('UNSURE', 'NSFW')", [0, 3, 4]],
  ["note IN ('x', NULL)", [1]],
  ["note NOT IN ('x', NULL)", []],
  ['note IS NULL', [0, 4]],
  ["note IS NOT NULL AND note <> 'x'", [2, 3]],
  ["note = 'x' OR note = NULL", [1]],
  ["coalesce(note, 'none') = 'none'", [0, 4]],
  ['length(TEXT) = 7', [2, 3]],
  ['length(note) = 0', [2]],
  ["TEXT LIKE '%pple'", [2]],
  ["TEXT LIKE '_ apple'", [2]],
  ["TEXT LIKE '%%'", [0, 1, 2, 3, 4]],
  ["URL LIKE 'http://%?a=''b'''", [3]],
  ["URL LIKE '%50%'", [1]],
  ["TEXT ILIKE 'über'", [4]],
  ["TEXT ILIKE 'ÜBER'", [4]],
  ["TEXT NOT LIKE '%e%'", [3, 4]],
  ["lower(TEXT) = 'über'", [4]],
  ["upper(TEXT) = 'A RED FRUIT'", [0]],
  ["starts_with(URL, 'https://a.') AND ends_with(URL, '.jpg')", [0]],
  ["contains(TEXT, '''')", [3]],
  ["TEXT < 'b'", [0, 1]],
  ["TEXT > 'ﬀ'", [2]],
  ["LICENSE = '?' AND (NSFW = 'UNLIKELY' OR similarity < 0)", [0, 2, 3, 4]],
  ["LICENSE <> '?' OR NSFW != 'UNLIKELY' AND similarity < 0", [1, 2]],
  ["NOT NSFW = 'UNLIKELY' AND NOT WIDTH = 300", [2]],
  ['WIDTH - 1 - 1 = 298', [1]],
  ['2 + 3 * 4 = 14 AND WIDTH = 1', [4]],
  ['-WIDTH < -1000', [0, 2]],
  ['- -WIDTH = 300', [1]],
  ['abs(similarity) < 0.2', [2]],
  ['round(similarity * 10) = 3', [0, 1, 3]],
  ['round(-2.5) = -3 AND WIDTH = 1', [4]],
  ['floor(similarity) = -1 OR ceil(similarity) = 0', [2]],
  ['greatest(WIDTH, HEIGHT) >= 1024', [0, 2]],
  ['least(WIDTH, HEIGHT) >= 300', [0, 1, 3]],
  ["greatest(note, 'w') = 'w'", [0, 2, 4]],
  ['TRUE', [0, 1, 2, 3, 4]],
  ['WIDTH > 1e3 OR WIDTH = .1e1', [0, 2, 4]],
  ['similarity == 1', [4]],
  ['(((WIDTH = 1)))', [4]],
  ['(WIDTH > 300) = (HEIGHT > 300)', [0, 1, 3, 4]],
  ["(NSFW = 'NSFW') IS FALSE AND HEIGHT < 2", [4]],
  ["note LIKE '%'", [1, 2, 3]],
  ['WIDTH + language_confidence > 1024.9', [0, 2]],
  ['-5 % 3 = -2 AND -7 // 2 = -3 AND WIDTH = 1', [4]],
];

function select(condition: string): number[] {
  const { holds } = parseCondition(condition, COLUMNS);
  return ROWS.flatMap((one, i) => (holds(one) ? [i] : []));
}

function refused(condition: string, at: number, problem: RegExp): void {
  const failed = (() => {
    try {
      parseCondition(condition, COLUMNS);
    } catch (error) {
      return error;
    }
  })();
  expect(failed).toBeInstanceOf(GleanerError);
  if (!(failed instanceof GleanerError)) return;
  expect(failed.exitCode).toBe(2);
  expect(failed.message).toMatch(problem);
  expect(failed.message).not.toContain('\n');
  expect(failed.message).toMatch(new RegExp(`^--where, character ${at}: `));
}

describe('a condition', () => {
  it.each(BY_DUCKDB)('%s selects what DuckDB selects', (condition, expected) => {
    expect(select(condition)).toEqual(expected);
  });

  it('asks for the columns that it names, and no other', () => {
    const { columns } = parseCondition('WIDTH > 5 AND lower("TEXT") LIKE \'%x%\'', COLUMNS);
    expect([...columns].sort()).toEqual(['TEXT', 'WIDTH']);
    expect(parseCondition('SAMPLE_ID = 7', COLUMNS).holds({ SAMPLE_ID: 7n })).toBe(true);
  });

  it.each([
    ['', 1, /nothing in it/],
    ['WIDHT > 5', 1, /no column 'WIDHT'\. The columns are URL, TEXT/],
    ['WIDTH > 5; DROP TABLE x', 10, /no second statement/],
    ['WIDTH > 5 -- and so on', 11, /comments are not taken/],
    ['WIDTH > 5 /* x */', 11, /comments are not taken/],
    ['(SELECT 1) = 1', 2, /SELECT is no part of a condition/],
    ['EXISTS (SELECT 1)', 1, /EXISTS is no part of a condition/],
    ['CASE WHEN TRUE THEN TRUE END', 1, /CASE is no part/],
    ["read_csv('/etc/passwd') = 'x'", 1, /no function 'read_csv'\. The functions are abs, ceil/],
    ["getenv('HOME') = 'x'", 1, /no function 'getenv'/],
    ["constructor('x') = 'x'", 1, /no function 'constructor'/],
    ['constructor = 1', 1, /no column 'constructor'/],
    ['thumbnail IS NULL', 1, /no column 'thumbnail'/],
    ['NSFW = "UNSURE"', 8, /Texts stand in single quotes: 'UNSURE'/],
    ['WIDTH', 1, /it is a number, not true or false/],
    ["'true'", 1, /it is a text, not true or false/],
    ["WIDTH = '512'", 9, /a number cannot be compared with a text/],
    ['TEXT + 1 > 2', 1, /this is a text, where a number is needed/],
    ['WIDTH AND TRUE', 1, /this is a number, where true or false is needed/],
    ['WIDTH LIKE 5', 1, /this is a number, where a text is needed/],
    ['WIDTH > 300 = TRUE', 13, /'=' follows a comparison/],
    ['1 < WIDTH < 3', 11, /'<' follows a comparison/],
    ['WIDTH >', 8, /ends too soon/],
    ['(WIDTH > 5', 11, /a '\)' is missing/],
    ['WIDTH > 5)', 10, /'\)' was not expected/],
    ['WIDTH IN ()', 11, /'\)' was not expected/],
    ['WIDTH NOT 5', 11, /'5' was not expected/],
    ['WIDTH BETWEEN 5', 16, /ends too soon/],
    ['abs(1, 2) = 1', 1, /'abs' takes 1 argument, not 2/],
    ["TEXT = 'x", 8, /the ' has no end/],
    ['WIDTH > 5x', 9, /'5x' is no number/],
    ['WIDTH > 5 AND @', 15, /"@" is no part of a condition/],
    ['WIDTH > \u{1f34e}', 9, /is no part of a condition/],
  ])('%s is refused with its place, in one line', (condition, at, problem) => {
    refused(condition, at, problem);
  });

  it('is refused where it is too long, or too deep for a stack', () => {
    refused(`${'('.repeat(5000)}TRUE${')'.repeat(5000)}`, 1, /longer than 10000 characters/);
    refused(`${'('.repeat(500)}TRUE${')'.repeat(500)}`, 102, /more than 100 parts/);
    refused(`${'NOT '.repeat(500)}TRUE`, 405, /more than 100 parts/);
    refused(`${'abs('.repeat(500)}1`, 405, /more than 100 parts/);
  });

  it('never throws anything but that, whatever it is given', () => {
    const word = fc.constantFrom(
      ...[
        'WIDTH',
        'TEXT',
        'note',
        'AND',
        'OR',
        'NOT',
        'IN',
        'IS',
        'NULL',
        'LIKE',
        'BETWEEN',
        '(',
        ')',
        ',',
        '=',
        '<',
      ],
      ...['+', '-', '/', "'x'", '5', 'abs', 'coalesce', '"', "'", ';', '%', '\\', '\0', 'é'],
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(text, (condition) => {
        try {
          for (const one of ROWS) expect(parseCondition(condition, COLUMNS).holds(one)).toBeTypeOf('boolean');
        } catch (error) {
          expect(error).toBeInstanceOf(GleanerError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('LIKE takes no longer than both lengths say, whatever the pattern', () => {
    const { holds } = parseCondition(`TEXT LIKE '${'%a'.repeat(300)}b'`, COLUMNS);
    expect(holds({ TEXT: 'a'.repeat(20_000) })).toBe(false);
  });
});

/** SQLite knows nothing of types, and divides otherwise: what is written here means the same in both. */
describe('conditions that are put together at random', () => {
  const number = fc.oneof(
    fc.constantFrom('WIDTH', 'HEIGHT', 'similarity', 'amount'),
    fc.integer({ min: -5, max: 5 }).map(String),
    fc.constantFrom('0.5', '-1.25', '2e0'),
  );
  const sum = fc
    .tuple(number, fc.constantFrom('+', '-', '*'), number)
    .map(([a, operator, b]) => `${a} ${operator} ${b}`);
  const numeric = fc.oneof(
    number,
    sum,
    sum.map((inner) => `(${inner})`),
    number.map((n) => `abs(${n})`),
  );
  const pattern = fc
    .array(fc.constantFrom('a', 'b', '%', '_', 'é', '🍎'), { maxLength: 6 })
    .map((parts) => `'${parts.join('')}'`);
  const text = fc.oneof(
    fc.constantFrom('TEXT', 'note', "'a'", "'ab'", "''", "'🍎'"),
    fc.constant("coalesce(note, 'b')"),
  );
  const comparison = fc.constantFrom('=', '<>', '<', '<=', '>', '>=');
  const leaf = fc.oneof(
    fc.tuple(numeric, comparison, numeric).map((parts) => parts.join(' ')),
    fc.tuple(text, comparison, text).map((parts) => parts.join(' ')),
    fc.tuple(text, fc.constantFrom('LIKE', 'NOT LIKE'), pattern).map((parts) => parts.join(' ')),
    fc
      .tuple(numeric, fc.constantFrom('BETWEEN', 'NOT BETWEEN'), number, number)
      .map(([a, is, b, c]) => `${a} ${is} ${b} AND ${c}`),
    fc
      .tuple(text, fc.constantFrom('IN', 'NOT IN'), text, text)
      .map(([a, is, b, c]) => `${a} ${is} (${b}, ${c})`),
    fc
      .tuple(fc.constantFrom('note', 'amount'), fc.constantFrom('IS NULL', 'IS NOT NULL'))
      .map((parts) => parts.join(' ')),
    fc.constantFrom('NULL', 'TRUE', 'FALSE'),
  );
  const condition = fc.letrec<{ any: string }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.tuple(tie('any'), fc.constantFrom('AND', 'OR'), tie('any')).map((parts) => parts.join(' ')),
      tie('any').map((inner) => `(${inner})`),
      tie('any').map((inner) => `NOT (${inner})`),
      tie('any').map((inner) => `(${inner}) IS NOT TRUE`),
    ),
  })).any;
  const columns = [...COLUMNS, { name: 'amount', type: 'double', nullable: true } as const];
  const rows = fc.array(
    fc.record({
      WIDTH: fc.integer({ min: -5, max: 5 }),
      HEIGHT: fc.integer({ min: -5, max: 5 }),
      similarity: fc.constantFrom(-1.25, -0.5, 0, 0.5, 1, 2),
      amount: fc.constantFrom(null, 0, 0.5, 3),
      TEXT: fc.array(fc.constantFrom('a', 'b', 'é', '🍎'), { maxLength: 4 }).map((parts) => parts.join('')),
      note: fc.constantFrom(null, '', 'a', 'ab', '🍎'),
    }),
    { minLength: 1, maxLength: 8 },
  );

  it('select what SQLite selects', () => {
    using database = new DatabaseSync(':memory:');
    database.exec('PRAGMA case_sensitive_like = ON');
    database.exec(
      'CREATE TABLE t (WIDTH INT, HEIGHT INT, similarity REAL, amount REAL, TEXT TEXT, note TEXT)',
    );
    const insert = database.prepare('INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)');
    let some = 0;
    fc.assert(
      fc.property(rows, condition, (given, where) => {
        database.exec('DELETE FROM t');
        for (const { WIDTH, HEIGHT, similarity, amount, TEXT, note } of given)
          insert.run(WIDTH, HEIGHT, similarity, amount, TEXT, note);
        const theirs = database
          .prepare(`SELECT rowid AS id FROM t WHERE ${where} ORDER BY rowid`)
          .all()
          .map(({ id }) => Number(id));
        const first = Number(database.prepare('SELECT min(rowid) AS id FROM t').get()?.id);
        const { holds } = parseCondition(where, columns);
        expect(given.flatMap((one, i) => (holds(one) ? [first + i] : []))).toEqual(theirs);
        if (theirs.length > 0 && theirs.length < given.length) some++;
      }),
      { numRuns: 1500 },
    );
    // Not all of them are true or false of every row.
    expect(some).toBeGreaterThan(200);
  });
});
