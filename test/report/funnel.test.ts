import { expect, test } from 'vitest';
import { buildFunnel, formatFunnel } from '../../src/stages/report/funnel.ts';
import { formatCount, formatShare } from '../../src/stages/report/numbers.ts';
import { SIX_INPUT } from './small-release.ts';

const SIX = { funnel: buildFunnel(SIX_INPUT.ledgers) };

test('a bar, a count and two shares for every step, a count for every reason', () => {
  expect(formatFunnel(SIX).split('\n')).toEqual([
    '10 page records read, 1 dropped',
    '  − metadata is not legal JSON                              1   10.0 %',
    '                                                               of step of links',
    'image links             █████████████████████████████████  40           100.0 %',
    '  − no alternative text                                     9   22.5 %',
    '  − scheme is not http or https                             1    2.5 %',
    'links with a text       ████████████████████████▊          30   75.0 %   75.0 %',
    '  − text too short                                          4   13.3 %',
    '  − text in another language                                2    6.7 %',
    'texts accepted          ███████████████████▊               24   80.0 %   60.0 %',
    '  − URL and text seen before                                4   16.7 %',
    'unique pairs            ████████████████▌                  20   83.3 %   50.0 %',
    '  − closed by robots.txt                                    1    5.0 %',
    '  − took too long                                           1    5.0 %',
    '  − HTTP status is not 200                                  3   15.0 %',
    'images fetched          ████████████▍                      15   75.0 %   37.5 %',
    '  − body too small                                          2   13.3 %',
    'images accepted         ██████████▊                        13   86.7 %   32.5 %',
    '  − text does not match the image                           6   46.2 %',
    'text and image match    █████▊                              7   53.8 %   17.5 %',
    '  − possible minor beside possible sexual content           1   14.3 %',
    'kept                    █████                               6   85.7 %   15.0 %',
    '',
  ]);
});

test('fits 80 columns with the counts of LAION-5B too', () => {
  const big = 50_000_000_000;
  const same = { in: big, out: big, dropped: {} };
  const funnel = buildFunnel({
    record: { in: big, out: big - 3_000_000, dropped: { record_corrupt: 3_000_000 } },
    link: { in: 2 * big, out: big, dropped: { no_url: big } },
    pair: same,
    unique: same,
    fetched: same,
    image: same,
    matched: same,
    safe: { in: big, out: big - 2, dropped: { minor: 2 } },
  });
  const lines = formatFunnel({ funnel }).split('\n');
  for (const line of lines) expect([...line].length).toBeLessThanOrEqual(80);
  expect(lines[1]).toMatch(/… 3,000,000 +<0\.1 %$/);
  expect(lines.at(-2)).toMatch(/49,999,999,998 +>99\.9 % +50\.0 %$/);
});

test('colour adds escape sequences and nothing else', () => {
  const colored = formatFunnel(SIX, { color: true });
  expect(colored).toContain('\x1b[');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(colored.replace(/\x1b\[\d+m/g, '').replace(/ +$/gm, '')).toBe(formatFunnel(SIX));
});

test('shares never round to none or to all', () => {
  expect([0, 0.0001, 0.0005, 0.5, 0.9994, 0.9996, 1].map(formatShare)).toEqual([
    '0.0 %',
    '<0.1 %',
    '0.1 %',
    '50.0 %',
    '99.9 %',
    '>99.9 %',
    '100.0 %',
  ]);
  expect([0, 999, 1000, 1234567].map(formatCount)).toEqual(['0', '999', '1,000', '1,234,567']);
});
