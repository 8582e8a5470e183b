import { droppedRow, row, SIX_INPUT } from './small-release.ts';

/** Texts as an attacker would write them. */
export const HOSTILE = [
  '<script>window.pwned = 1</script>',
  '"><img src=x onerror="window.pwned = 1">',
  "' onmouseover='window.pwned = 1",
  '</title></style><svg onload=window.pwned=1>',
  '\u202egnp.exe \u2066unclosed \u200f',
  '[click](javascript:alert(1)) ![x](http://evil.example/x.png) <b>bold</b> | cell | `code`',
  'line\n# heading\n- item\r\n---\n```js',
  'nul \0 bell \x07 lone \ud800 surrogate',
] as const;

/** A release in which every string of a stranger is hostile. */
export const HOSTILE_ROWS = HOSTILE.map((text, i) =>
  row(i, {
    text: text.toWellFormed(),
    language: text.toWellFormed(),
    license: text.toWellFormed(),
    format: text.toWellFormed(),
    url: i === 0 ? 'javascript:window.pwned=1' : `https://a.example/"><script>window.pwned=1</script>${i}`,
    similarity: 0.3 + i / 100,
    // Sizes from one power of two to another: the ends of the axes have labels.
    width: i === 0 ? 32 : 8000,
    height: i === 0 ? 32 : 8000,
  }),
);
export const HOSTILE_TRAIL = HOSTILE.map((text) => droppedRow('http_status', text.toWellFormed()));
const n = HOSTILE.length;
const through = { in: n, out: n, dropped: {} };
export const HOSTILE_INPUT = {
  ...SIX_INPUT,
  recipe: { ...SIX_INPUT.recipe, description: HOSTILE.join(' ') },
  model: { name: HOSTILE[1], dimension: 4, files: { [HOSTILE[0]]: 'ab' } },
  ledgers: {
    record: through,
    link: { in: 2 * n, out: 2 * n, dropped: {} },
    pair: { in: 2 * n, out: 2 * n, dropped: {} },
    unique: { in: 2 * n, out: 2 * n, dropped: {} },
    fetched: { in: 2 * n, out: n, dropped: { http_status: n } },
    image: through,
    matched: through,
    safe: through,
  },
};
