import {
  BACKSLASH,
  CLOSE,
  CLOSE_LIST,
  COLON,
  COMMA,
  isEscape,
  isHex,
  isScalarByte,
  OPEN,
  OPEN_LIST,
  QUOTE,
  SCALAR,
} from './json-bytes.ts';

/** Nesting beyond this is left to a parser: the kinds of all open containers have to fit the bits of a number. */
const MAX_DEPTH = 30;

/** 1 for what ends a run of plain characters within a string: a quote, a backslash, a control character. */
const ENDS_RUN = Uint8Array.from({ length: 256 }, (_, c) =>
  c < 0x20 || c === QUOTE || c === BACKSLASH ? 1 : 0,
);

/**
 * Walks over JSON text without making anything of it. Every method takes a position and returns the one behind what
 * it walked over, or -1 where that is no legal JSON, or nested too deep.
 */
export class JsonWalker {
  readonly bytes: Buffer;
  readonly #view: DataView;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** White space, or none. */
  space(at: number): number {
    const { bytes } = this;
    for (;;) {
      const c = bytes[at] ?? 0;
      if (c > 0x20 || (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09)) return at;
      at++;
    }
  }

  /** From behind the opening quote to behind the closing one. */
  string(at: number): number {
    const { bytes } = this;
    const view = this.#view;
    const last = bytes.length - 4;
    for (;;) {
      // Four bytes at once: the lowest bit of each that is below 0x20, or equal to what it is xored with, borrows.
      for (; at <= last; at += 4) {
        const x = view.getInt32(at, true);
        const quote = x ^ 0x22222222;
        const backslash = x ^ 0x5c5c5c5c;
        const borrows =
          ((x - 0x20202020) & ~x) | ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash);
        if ((borrows & 0x80808080) !== 0) break;
      }
      while (ENDS_RUN[bytes[at] ?? 0] === 0) at++;
      // Beyond the end stands nothing, which is no quote.
      const c = bytes[at++];
      if (c === QUOTE) return at;
      if (c !== BACKSLASH) return -1;
      const kind = bytes[at++] ?? 0;
      if (kind !== 0x75) {
        if (!isEscape(kind)) return -1;
      } else for (let i = 0; i < 4; i++) if (!isHex(bytes[at++] ?? 0)) return -1;
    }
  }

  /** A value of any kind, from its first byte. */
  value(at: number): number {
    const { bytes } = this;
    let depth = 0;
    /** A bit for each open container, the innermost the lowest: 1 for an object. */
    let kinds = 0;
    for (;;) {
      const c = bytes[at];
      if (c === OPEN || c === OPEN_LIST) {
        if (++depth > MAX_DEPTH) return -1;
        kinds = (kinds << 1) | (c === OPEN ? 1 : 0);
        at = this.space(at + 1);
        if (bytes[at] !== (c === OPEN ? CLOSE : CLOSE_LIST)) {
          if (c === OPEN) at = this.name(at);
          if (at < 0) return -1;
          continue;
        }
        // Empty: what follows sees to the closing one.
      } else {
        at = c === QUOTE ? this.string(at + 1) : this.#scalar(at);
        if (at < 0 || depth === 0) return at;
        at = this.space(at);
      }
      while (bytes[at] === (kinds & 1 ? CLOSE : CLOSE_LIST)) {
        at++;
        if (--depth === 0) return at;
        kinds >>>= 1;
        at = this.space(at);
      }
      if (bytes[at] !== COMMA) return -1;
      at = this.space(at + 1);
      if (kinds & 1) at = this.name(at);
      if (at < 0) return -1;
    }
  }

  /** The name of a member, from its quote to where its value begins. */
  name(at: number): number {
    if (this.bytes[at] !== QUOTE) return -1;
    at = this.string(at + 1);
    if (at < 0) return -1;
    at = this.space(at);
    return this.bytes[at] === COLON ? this.space(at + 1) : -1;
  }

  /** A number, true, false or null. */
  #scalar(at: number): number {
    const start = at;
    while (isScalarByte(this.bytes[at] ?? 0)) at++;
    return SCALAR.test(this.bytes.toString('latin1', start, at)) ? at : -1;
  }
}
