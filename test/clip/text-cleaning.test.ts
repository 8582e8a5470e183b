import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanText } from '../../src/clip/text-cleaning.ts';

// Right: what open_clip's cleaning gives, run with ftfy 6.3 (its `_clean_lower`).
const REFERENCE: readonly (readonly [text: string, cleaned: string])[] = [
  ['A  Photo\tof\na CAT ', 'a photo of a cat'],
  ['Tom &amp; Jerry', 'tom & jerry'],
  ['&lt;b&gt;bold&lt;/b&gt;', '<b>bold</b>'],
  ['&amp;amp;lt;', '<'],
  ['R&D; &copy 2020', 'r&d; © 2020'],
  ['&notit &amp', '¬it &'],
  ['&#39;q&#39; &#x1F600; &#128;', "'q' 😀 €"],
  ['<b>&eacute;</b>', '<b>é</b>'],
  ['schÃ¶n', 'schön'],
  ['donâ€™t', "don't"],
  ['â€œquotedâ€\x9d', '"quoted"'],
  ['Ã©tÃ© Â£100', 'été £100'],
  ['ï»¿bom', 'bom'],
  ['â\x80\x94', '—'],
  ['Ð¿Ñ€Ð¸Ð²ÐµÑ‚', 'привет'],
  ['æ–‡å\xad—', '文字'],
  ['NESTLÉ® CAFÉ™', 'nestlé® café™'],
  ['SÃO PAULO', 'são paulo'],
  ['5–10 Ö–Ä', '5–10 ö–ä'],
  ['“curly” ‘quotes’ „low“', '"curly" \'quotes\' "low"'],
  ['ﬁne ﬂow Ĳssel', 'fine flow ijssel'],
  ['ｆｕｌｌ　ｗｉｄｔｈ １２', 'full width 12'],
  ['\u212b', 'å'],
  ['cafe\u0301', 'café'],
  ['a\u2028b\u2029c\rd', 'a b c d'],
  ['nul\x00 bell\x07 del\x7f', 'nul bell del'],
  ['\x1b[31mred\x1b[0m', 'red'],
  ['c1\x85next', 'c1…next'],
  ['\x1cfs\x1dgs', 'fsgs'],
  ['ideo\u3000graphic\u1680space\u00a0nb', 'ideo graphic space nb'],
  ['zero\u200bwidth soft\u00adhyphen', 'zero\u200bwidth soft\u00adhyphen'],
  ['\ufeffbom', 'bom'],
  ['İstanbul ΌΣΟΣ', 'i̇stanbul όσος'],
  ['STRASSE ẞ', 'strasse ß'],
  ['a <x> &amp;\n&lt;b', 'a <x> & <b'],
  ['100&percnt; &NotEqualTilde;', '100% ≂̸'],
  ['P&EACUTE;REZ BUNDESSTRA&SZLIG;E &LTIMES;', 'pérez bundesstrasse <imes;'],
  ['', ''],
];

describe('cleanText', () => {
  it.each(REFERENCE)('%j', (text, cleaned) => {
    expect(cleanText(text, 'lower')).toBe(cleaned);
  });

  it('mends an emoji of four misread bytes', () => {
    // UTF-8 of 🐶, f0 9f 90 b6, read as Windows-1252.
    expect(cleanText('ð\u0178\x90¶ dog', 'lower')).toBe('🐶 dog');
  });

  it('leaves plain words as they are, in lower case and with single spaces', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9.,!?'"()-]{1,12}$/);
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(cleanText(`  ${words.join(' \t')}\n`, 'lower')).toBe(words.join(' ').toLowerCase());
      }),
    );
  });

  it('never throws and gives well-formed text, whatever comes', () => {
    const unit = fc.integer({ min: 0, max: 0xffff }).map((u) => String.fromCharCode(u));
    const piece = fc.oneof(
      unit,
      fc.constantFrom('&', '&amp;', '&#', '&#xD800;', 'Ã', '©', 'â€', '\x1b[', '<', '\n'),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const cleaned = cleanText(pieces.join(''), 'lower');
        expect(cleaned.isWellFormed()).toBe(true);
        expect(cleaned).toBe(cleaned.trim());
      }),
      { numRuns: 500 },
    );
  });
});
