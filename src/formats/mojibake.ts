/** The characters of bytes 0 to 255 in WHATWG's windows-1252, which gives the five undefined ones themselves. */
export const WINDOWS_1252: readonly string[] = Array.from(
  new TextDecoder('windows-1252').decode(Uint8Array.from({ length: 256 }, (_, i) => i)),
);
/** Byte of a character; a C1 control stands for itself, as where text was read as Latin-1. */
const BYTES = new Map([
  ...WINDOWS_1252.map((c, byte) => [c, byte] as const),
  ...Array.from({ length: 32 }, (_, i) => [String.fromCharCode(0x80 + i), 0x80 + i] as const),
]);

/** The characters that bytes `from` to `to` look like, as the inside of a character class. */
function looks(from: number, to: number): string {
  const c1 = from < 0xa0 ? '\\x80-\\x9f' : '';
  return c1 + WINDOWS_1252.slice(from, to + 1).join('');
}

const NEXT = looks(0x80, 0xbf);
/** One or more characters of UTF-8, each byte of which was read as a character of its own. */
const MISREAD = new RegExp(
  `(?:[${looks(0xc2, 0xdf)}][${NEXT}]|[${looks(0xe0, 0xef)}][${NEXT}]{2}|[${looks(0xf0, 0xf4)}][${NEXT}]{3})+`,
  'g',
);
/**
 * What nobody writes on purpose: two misread characters in a row; one that begins with Â or Ã; three or four bytes
 * that begin as dashes and quotes (â), byte order marks (ï), emoji (ð) and most Chinese and Japanese (ã to é) do.
 * A single É® or Ö– is left: that is a brand name or an interval.
 */
const SUSPECT = new RegExp(`^(?:[ÂÃ][${NEXT}]|[âãäåæçèéï][${NEXT}]{2}|ð[${NEXT}]{3}|[^]{4})`);

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Mends what was written as UTF-8 and read as Windows-1252 or Latin-1: `cafÃ©` is `café`. One layer of it. */
export function mendMojibake(text: string): string {
  return text.replace(MISREAD, (run) => {
    if (!SUSPECT.test(run)) return run;
    try {
      return UTF_8.decode(Uint8Array.from(run, (c) => BYTES.get(c) ?? 0));
    } catch {
      return run; // Not UTF-8 after all: overlong, or a surrogate.
    }
  });
}
