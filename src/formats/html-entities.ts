import { ENTITIES, LEGACY_ENTITIES } from './html-entity-names.ts';

/** 128 to 159 as numbers mean Windows-1252 (WHATWG HTML, 13.2.5.80). */
const WINDOWS_1252 = new TextDecoder('windows-1252');

/**
 * Decodes the character references of a text once. Only those that end with a semicolon: in an attribute,
 * `?a=1&copy=2` is no reference (WHATWG HTML, 13.2.5.73). Unknown ones stay as they are.
 */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));/g,
    (whole, dec: string | undefined, hex: string | undefined, name: string | undefined) => {
      if (name !== undefined) return ENTITIES.get(name) ?? whole;
      return characterOf(dec === undefined ? Number.parseInt(hex ?? '', 16) : Number(dec));
    },
  );
}

function characterOf(code: number): string {
  if (code >= 0x80 && code <= 0x9f) return WINDOWS_1252.decode(Uint8Array.of(code));
  // No character, half a pair, or beyond Unicode.
  return code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff
    ? '\ufffd'
    : String.fromCodePoint(code);
}

/**
 * Python's html.unescape: as {@link decodeEntities}, and numbers and the old names also without a semicolon, the longest
 * name first (`&copy 2020`, `&notit` is ¬it); numbers of controls and of what is no character are left out.
 */
export function unescapeHtml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(
    /&(?:#(\d+);?|#[xX]([0-9a-fA-F]+);?|([^\t\n\f <&#;]{1,32});?)/gu,
    (whole, dec: string | undefined, hex: string | undefined, name: string | undefined) => {
      if (name === undefined) {
        const code = dec === undefined ? Number.parseInt(hex ?? '', 16) : Number(dec);
        return isNoCharacter(code) ? '' : characterOf(code);
      }
      const end = whole.endsWith(';') ? ';' : '';
      const exact = end !== '' || LEGACY_ENTITIES.has(name) ? ENTITIES.get(name) : undefined;
      if (exact !== undefined) return exact;
      for (let length = name.length; length >= 2; length--) {
        const legacy = name.slice(0, length);
        if (LEGACY_ENTITIES.has(legacy)) return ENTITIES.get(legacy) + name.slice(length) + end;
      }
      return whole;
    },
  );
}

/** Controls but white space, and noncharacters: html/__init__.py, _invalid_codepoints. */
function isNoCharacter(code: number): boolean {
  if (code < 0x20) return code !== 0 && code !== 9 && code !== 10 && code !== 12 && code !== 13;
  return (
    code === 0x7f || (code >= 0xfdd0 && code <= 0xfdef) || (code <= 0x10ffff && (code & 0xfffe) === 0xfffe)
  );
}
