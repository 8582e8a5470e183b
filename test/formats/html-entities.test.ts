import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeEntities, unescapeHtml } from '../../src/formats/html-entities.ts';
import { ENTITIES, LEGACY_ENTITIES } from '../../src/formats/html-entity-names.ts';

describe('named character references', () => {
  it("are those of Python's html.entities.html5, with and without a semicolon", () => {
    const codes = (text: string) => Array.from(text, (c) => c.codePointAt(0)?.toString(16)).join(' ');
    const lines = [...ENTITIES].flatMap(([name, text]) => [
      `${name}; ${codes(text)}`,
      ...(LEGACY_ENTITIES.has(name) ? [`${name} ${codes(text)}`] : []),
    ]);
    expect(lines.length).toBe(2231);
    // python3 -c "import html.entities as h, hashlib; print(hashlib.sha256('\n'.join(sorted(f\"{k} {' '.join(format(ord(c),
    //   'x') for c in v)}\" for k, v in h.html5.items())).encode()).hexdigest())"
    expect(createHash('sha256').update(lines.sort().join('\n')).digest('hex')).toBe(
      'bf0bc2f7f6a7ba09a5fd3d05ffd34332e5fe7201d6d93049761f6f6061e7620c',
    );
  });

  // Right: what Python's html.unescape gives.
  it.each([
    ['100&percnt; &NotEqualTilde; &bne;', '100% ≂̸ =⃥'],
    ['&copy 2020 &notit; &notin; &angst &ampamp;', '© 2020 ¬it; ∉ &angst &amp;'],
    ['a?b=1&copy=2&ltimes', 'a?b=1©=2<imes'],
    ['&#65 &#x42; &#X43z &#128; &#150', 'A B Cz € –'],
    ['&#0; &#xD800; &#1114112; &#99999999999;', '\ufffd \ufffd \ufffd \ufffd'],
    ['a&#1;b&#xFFFE;c&#x7f;d&#9;e', 'abcd\te'],
    ['& &; &# &#x; &unknown; &é;', '& &; &# &#x; &unknown; &é;'],
  ])('%j without a semicolon too', (text, right) => {
    expect(unescapeHtml(text)).toBe(right);
  });

  it.each([
    ['?a=1&copy=2&amp;b', '?a=1&copy=2&b'],
    ['&percnt;&Bfr;&#8364;&#x20AC;&AMP;', '%𝔅€€&'],
    ['&unknown; &Percnt; &#; &eacute', '&unknown; &Percnt; &#; &eacute'],
  ])('%j in an attribute, only with one', (text, right) => {
    expect(decodeEntities(text)).toBe(right);
  });
});
