/** What a part of a condition is. A `float` has the precision of 32 bits: 0.95 beside it is meant so too. */
export type ValueType = 'number' | 'float' | 'text' | 'truth' | 'null';

export type Value = number | string | boolean | null;

/** A row by the names of its columns, as a reader of Parquet gives it. */
export type RowValues = Readonly<Record<string, unknown>>;

/** A part of a condition that is ready to be asked. */
export interface Part {
  readonly type: ValueType;
  /** Where it begins, for messages. */
  readonly at: number;
  /** A number or a text that was written out, or made of such. */
  readonly literal: boolean;
  readonly value: (row: RowValues) => Value;
}

/** How messages call a type. */
export function typeName(type: ValueType): string {
  return { number: 'a number', float: 'a number', text: 'a text', truth: 'true or false', null: 'NULL' }[
    type
  ];
}

export function isNumeric(type: ValueType): boolean {
  return type === 'number' || type === 'float' || type === 'null';
}

/** Order of texts by their code points, which is that of their UTF-8, as databases have it: UTF-16 sorts otherwise. */
export function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/**
 * SQL's LIKE: `%` is any number of characters, `_` one. In time that grows with the product of both lengths at most,
 * whatever the pattern.
 */
export function isLike(text: string, pattern: string): boolean {
  let [t, p] = [0, 0];
  // Where the last % stood, and how much of the text it has taken so far.
  let [star, taken] = [-1, 0];
  while (t < text.length) {
    const mark = pattern[p];
    if (mark === '%') {
      star = p++;
      taken = t;
    } else if (p < pattern.length && mark === '_') {
      t += widthAt(text, t);
      p++;
    } else if (p < pattern.length && mark === text[t]) {
      t++;
      p++;
    } else if (star >= 0) {
      taken += widthAt(text, taken);
      t = taken;
      p = star + 1;
    } else return false;
  }
  while (pattern[p] === '%') p++;
  return p === pattern.length;
}

/** Code units of the character at a place. */
function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

/** int64 comes as a bigint; sizes and numbers of rows are far from where a number would lose one. */
export function parseCell(cell: unknown): Value {
  if (typeof cell === 'bigint') return Number(cell);
  return typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'boolean' ? cell : null;
}
