/** A piece of a condition, and where it begins, in UTF-16 code units. */
export type Token = { readonly at: number; readonly text: string } & (
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  /** As SQL has it, a name stands in double quotes or in none. */
  | { readonly kind: 'name'; readonly quoted: boolean }
  | { readonly kind: 'symbol' }
  | { readonly kind: 'end' }
);

/** What is wrong with a condition, and where. */
export class ConditionError extends Error {
  readonly at: number;

  /** @param at in UTF-16 code units from the beginning */
  constructor(problem: string, at: number) {
    super(problem);
    this.at = at;
  }
}

/** Longer ones come first: '<=' is not '<' and '='. */
const SYMBOL = /<>|<=|>=|!=|==|\/\/|[=<>+\-*/%(),]/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const NAME = /[A-Za-z_]\w*/y;
const BLANK = /\s+/y;

/**
 * Cuts a condition into tokens; the last is of kind 'end'.
 * @throws ConditionError at what is no part of one: a second statement, a comment, a text without its end
 */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    const blank = match(BLANK);
    if (blank) {
      at += blank.length;
      continue;
    }
    const token = text.startsWith('--', at) || text.startsWith('/*', at) ? undefined : next(text, at, match);
    if (!token) throw new ConditionError(refusal(text, at), at);
    tokens.push(token);
    at += token.text.length;
  }
  return [...tokens, { kind: 'end', at: text.length, text: '' }];
}

function next(text: string, at: number, match: (pattern: RegExp) => string | undefined): Token | undefined {
  const quote = text[at];
  if (quote === "'" || quote === '"') {
    const { value, length } = quoted(text, at, quote);
    const whole = text.slice(at, at + length);
    if (quote === "'") return { kind: 'string', at, text: whole, value };
    return { kind: 'name', at, text: whole, quoted: true };
  }
  const number = match(NUMBER);
  if (number !== undefined) {
    const after = text[at + number.length] ?? '';
    if (/\w/.test(after)) throw new ConditionError(`'${number}${after}' is no number`, at);
    return { kind: 'number', at, text: number, value: Number(number) };
  }
  const name = match(NAME);
  if (name !== undefined) return { kind: 'name', at, text: name, quoted: false };
  const symbol = match(SYMBOL);
  return symbol === undefined ? undefined : { kind: 'symbol', at, text: symbol };
}

/** What stands in quotes; a quote in it is written twice. */
function quoted(text: string, start: number, quote: string): { value: string; length: number } {
  let value = '';
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] !== quote) value += text[at];
    else if (text[at + 1] === quote) value += text[++at];
    else return { value, length: at + 1 - start };
  }
  throw new ConditionError(`the ${quote} has no end`, start);
}

function refusal(text: string, at: number): string {
  if (text[at] === ';') return 'one condition is taken, no second statement';
  if (text.startsWith('--', at) || text.startsWith('/*', at)) return 'comments are not taken';
  return `${JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0))} is no part of a condition`;
}

/** A name as it was meant: without its quotes. */
export function nameOf(token: Token): string {
  return token.kind === 'name' && token.quoted ? token.text.slice(1, -1).replaceAll('""', '"') : token.text;
}
