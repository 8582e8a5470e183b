export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_LIST = 0x5b;
export const BACKSLASH = 0x5c;
export const CLOSE_LIST = 0x5d;
export const OPEN = 0x7b;
export const CLOSE = 0x7d;

export const IMAGE_PATH = 'IMG@/src';
/** What is looked for. Node searches fewer than eight bytes twice as fast, by their first byte. */
export const MARK = 'IMG@/sr';

export const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

export function isScalarByte(c: number): boolean {
  return (
    (c >= 0x30 && c <= 0x39) ||
    (c >= 0x61 && c <= 0x7a) ||
    c === 0x2d ||
    c === 0x2b ||
    c === 0x2e ||
    c === 0x45
  );
}

export function isEscape(c: number): boolean {
  // " \ / b f n r t
  return (
    c === QUOTE ||
    c === BACKSLASH ||
    c === 0x2f ||
    c === 0x62 ||
    c === 0x66 ||
    c === 0x6e ||
    c === 0x72 ||
    c === 0x74
  );
}

export function isHex(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x66);
}

/** Whether a string that begins at `hit` with the mark is the whole path, and no part of another string. */
export function isImagePath(list: Buffer, hit: number): boolean {
  return list[hit - 1] === QUOTE && list[hit + 7] === 0x63 && list[hit + 8] === QUOTE;
}

/** Whether the object begins right here, as most generators write it: `{"path":"IMG@/src"`. */
export function isCanonical(list: Buffer, hit: number): boolean {
  return (
    hit >= 9 &&
    list[hit - 9] === OPEN &&
    list[hit - 8] === QUOTE &&
    list[hit - 7] === 0x70 &&
    list[hit - 6] === 0x61 &&
    list[hit - 5] === 0x74 &&
    list[hit - 4] === 0x68 &&
    list[hit - 3] === QUOTE &&
    list[hit - 2] === COLON &&
    list[hit - 1] === QUOTE
  );
}

export function linkField(
  bytes: Buffer,
  start: number,
  end: number,
): 'path' | 'url' | 'alt' | 'rel' | 'escaped' | undefined {
  const length = end - start;
  const a = bytes[start];
  const b = bytes[start + 1];
  const c = bytes[start + 2];
  if (length === 3) {
    if (a === 0x75 && b === 0x72 && c === 0x6c) return 'url';
    if (a === 0x61 && b === 0x6c && c === 0x74) return 'alt';
    if (a === 0x72 && b === 0x65 && c === 0x6c) return 'rel';
  }
  if (length === 4 && a === 0x70 && b === 0x61 && c === 0x74 && bytes[start + 3] === 0x68) return 'path';
  for (let at = start; at < end; at++) if (bytes[at] === BACKSLASH) return 'escaped';
  return undefined;
}

/** Whether `IMG@/src` may stand in this text with one of its characters escaped. */
export function hidesPath(list: Buffer): boolean {
  if (!list.includes(BACKSLASH)) return false;
  if (list.includes('\\/src', 0, 'latin1')) return true;
  for (let at = list.indexOf('\\u00', 0, 'latin1'); at >= 0; at = list.indexOf('\\u00', at + 4, 'latin1')) {
    const code = Number.parseInt(list.toString('latin1', at + 4, at + 6), 16);
    if (IMAGE_PATH.includes(String.fromCharCode(code))) return true;
  }
  return false;
}
