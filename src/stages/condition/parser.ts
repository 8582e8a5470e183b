import { FUNCTIONS } from './functions.ts';
import { compared, either, expectType, negated, nullOr, strict } from './parts.ts';
import { ConditionError, nameOf, type Token, tokenize } from './tokens.ts';
import {
  isLike,
  type Part,
  parseCell,
  type RowValues,
  typeName,
  type Value,
  type ValueType,
} from './values.ts';

/** Parts within parts: more would not be written by anybody. */
const MAX_DEPTH = 100;

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '==': (order) => order === 0,
  '<>': (order) => order !== 0,
  '!=': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** By zero, `/` gives infinity, `//` and `%` NULL, as in DuckDB. */
const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number | null>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '//': (a, b) => (b === 0 ? null : Math.trunc(a / b)),
  '%': (a, b) => (b === 0 ? null : a % b),
};

/** Words that are no columns. */
const WORDS = new Set(['AND', 'BETWEEN', 'FALSE', 'ILIKE', 'IN', 'IS', 'LIKE', 'NOT', 'NULL', 'OR', 'TRUE']);
/** Words of statements, of which a condition is only a part. */
const STATEMENT =
  /^(?:alter|attach|call|case|cast|copy|create|delete|drop|exists|from|install|insert|load|pragma|select|set|union|update|where|with)$/i;

/** A column that a condition may name. */
export interface ConditionColumn {
  readonly name: string;
  readonly type: ValueType;
}

/**
 * Reads a condition and makes it ready to be asked, from the loosest operator to the tightest: OR, AND, NOT,
 * comparisons, sums, products, signs.
 */
export class ConditionParser {
  readonly #tokens: readonly Token[];
  readonly #columns: readonly ConditionColumn[];
  readonly #used = new Set<string>();
  #next = 0;
  #depth = 0;

  /** @throws ConditionError */
  constructor(text: string, columns: readonly ConditionColumn[]) {
    this.#tokens = tokenize(text);
    this.#columns = columns;
  }

  /** @returns the condition, and the columns that it asks for. @throws ConditionError */
  parse(): { readonly part: Part; readonly columns: ReadonlySet<string> } {
    if (this.#peek.kind === 'end') throw new ConditionError('there is nothing in it', 0);
    const part = this.#or();
    if (this.#next < this.#tokens.length - 1) throw this.#unexpected();
    if (part.type !== 'truth' && part.type !== 'null')
      throw new ConditionError(`it is ${typeName(part.type)}, not true or false`, part.at);
    return { part, columns: this.#used };
  }

  get #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: 'end', at: 0, text: '' };
  }

  #unexpected(): ConditionError {
    const { kind, text, at } = this.#peek;
    if (kind === 'end') return new ConditionError('it ends too soon', at);
    if (text in COMPARISONS) return new ConditionError(`'${text}' follows a comparison: put AND between`, at);
    if (STATEMENT.test(text)) return statementRefused(text, at);
    return new ConditionError(`'${text}' was not expected here`, at);
  }

  #takeWord(word: string): boolean {
    const token = this.#peek;
    if (token.kind !== 'name' || token.quoted || token.text.toUpperCase() !== word) return false;
    this.#next++;
    return true;
  }

  #takeSymbol(symbol: string): boolean {
    const token = this.#peek;
    if (token.kind !== 'symbol' || token.text !== symbol) return false;
    this.#next++;
    return true;
  }

  #expectSymbol(symbol: string): void {
    if (!this.#takeSymbol(symbol)) {
      const { kind, text, at } = this.#peek;
      throw new ConditionError(
        kind === 'end' ? `a '${symbol}' is missing` : `a '${symbol}' should stand before '${text}'`,
        at,
      );
    }
  }

  #or(): Part {
    let left = this.#and();
    while (this.#takeWord('OR')) left = either(left, this.#and(), true);
    return left;
  }

  #and(): Part {
    let left = this.#not();
    while (this.#takeWord('AND')) left = either(left, this.#not(), false);
    return left;
  }

  #not(): Part {
    const { at } = this.#peek;
    if (!this.#takeWord('NOT')) return this.#comparison();
    return this.#deeper(() => negated(this.#not(), at));
  }

  #comparison(): Part {
    const left = this.#sum();
    const token = this.#peek;
    const decide = token.kind === 'symbol' ? COMPARISONS[token.text] : undefined;
    if (decide) {
      this.#next++;
      return compared(left, this.#sum(), decide);
    }
    if (this.#takeWord('IS')) return this.#is(left);
    const not = this.#takeWord('NOT');
    const found = this.#membership(left);
    if (found) return not ? negated(found, left.at) : found;
    if (not) throw this.#unexpected();
    return left;
  }

  #is(left: Part): Part {
    const not = this.#takeWord('NOT');
    const wanted = (['NULL', 'TRUE', 'FALSE'] as const).find((word) => this.#takeWord(word));
    if (!wanted) throw this.#unexpected();
    const { value } = wanted === 'NULL' ? left : expectType(left, 'truth');
    const what = { NULL: null, TRUE: true, FALSE: false }[wanted];
    return { type: 'truth', at: left.at, literal: false, value: (row) => (value(row) === what) !== not };
  }

  /** BETWEEN, IN, LIKE and ILIKE; undefined where none of them follows. */
  #membership(left: Part): Part | undefined {
    if (this.#takeWord('BETWEEN')) {
      const low = this.#sum();
      if (!this.#takeWord('AND')) throw this.#unexpected();
      const high = this.#sum();
      return either(
        compared(left, low, (order) => order >= 0),
        compared(left, high, (order) => order <= 0),
        false,
      );
    }
    if (this.#takeWord('IN')) {
      this.#expectSymbol('(');
      let found: Part | undefined;
      do {
        const one = compared(left, this.#sum(), (order) => order === 0);
        found = found ? either(found, one, true) : one;
      } while (this.#takeSymbol(','));
      this.#expectSymbol(')');
      return found;
    }
    const [like, ilike] = [this.#takeWord('LIKE'), this.#takeWord('ILIKE')];
    if (!like && !ilike) return undefined;
    const right = this.#sum();
    for (const part of [left, right]) expectType(part, 'text');
    const fold = (value: Value) => (ilike ? String(value).toLowerCase() : String(value));
    return strict(left, right, 'truth', (text, pattern) => isLike(fold(text), fold(pattern)));
  }

  #sum(): Part {
    return this.#chain(['+', '-'], () => this.#product());
  }

  #product(): Part {
    return this.#chain(['*', '//', '/', '%'], () => this.#signed());
  }

  #chain(symbols: readonly string[], operand: () => Part): Part {
    let left = operand();
    for (;;) {
      const symbol = symbols.find((one) => this.#takeSymbol(one));
      const calculate = symbol === undefined ? undefined : ARITHMETIC[symbol];
      if (!calculate) return left;
      const right = operand();
      for (const part of [left, right]) expectType(part, 'number');
      const float = left.type === 'float' || right.type === 'float' ? 'float' : 'number';
      left = strict(left, right, float, (a, b) => calculate(Number(a), Number(b)));
    }
  }

  #signed(): Part {
    const { at } = this.#peek;
    if (this.#takeSymbol('+')) return this.#deeper(() => expectType(this.#signed(), 'number'));
    if (!this.#takeSymbol('-')) return this.#primary();
    return this.#deeper(() => {
      const { value, ...same } = expectType(this.#signed(), 'number');
      return { ...same, at, value: (row) => nullOr(value(row), (a) => -Number(a)) };
    });
  }

  #primary(): Part {
    const token = this.#peek;
    const { at } = token;
    if (this.#takeSymbol('(')) {
      const inner = this.#deeper(() => this.#or());
      this.#expectSymbol(')');
      return inner;
    }
    if (token.kind === 'end' || token.kind === 'symbol') throw this.#unexpected();
    this.#next++;
    if (token.kind === 'number' || token.kind === 'string') {
      const { value } = token;
      return { type: token.kind === 'number' ? 'number' : 'text', at, literal: true, value: () => value };
    }
    if (!token.quoted) {
      if (this.#peek.text === '(' && !WORDS.has(token.text.toUpperCase())) return this.#call(token);
      const word = token.text.toUpperCase();
      if (word === 'NULL') return { type: 'null', at, literal: true, value: () => null };
      if (word === 'TRUE' || word === 'FALSE')
        return { type: 'truth', at, literal: true, value: () => word === 'TRUE' };
      if (WORDS.has(word)) throw new ConditionError(`'${token.text}' was not expected here`, at);
      if (STATEMENT.test(word) && !this.#find(word)) throw statementRefused(token.text, at);
    }
    return this.#column(token);
  }

  #find(name: string): ConditionColumn | undefined {
    return (
      this.#columns.find((column) => column.name === name) ??
      this.#columns.find((column) => column.name.toLowerCase() === name.toLowerCase())
    );
  }

  #column(token: Token): Part {
    const name = nameOf(token);
    const column = this.#find(name);
    if (!column) {
      const names = this.#columns.map((one) => one.name).join(', ');
      const hint = token.kind === 'name' && token.quoted ? ` Texts stand in single quotes: '${name}'.` : '';
      throw new ConditionError(`there is no column '${name}'.${hint} The columns are ${names}`, token.at);
    }
    this.#used.add(column.name);
    const key = column.name;
    const value = (row: RowValues): Value => parseCell(row[key]);
    return { type: column.type, at: token.at, literal: false, value };
  }

  #call(token: Token): Part {
    const name = token.text.toLowerCase();
    const called = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    if (!called) {
      if (STATEMENT.test(name)) throw statementRefused(token.text, token.at);
      throw new ConditionError(
        `there is no function '${token.text}'. The functions are ${Object.keys(FUNCTIONS).join(', ')}`,
        token.at,
      );
    }
    this.#expectSymbol('(');
    const args: Part[] = [];
    this.#deeper(() => {
      do args.push(this.#or());
      while (this.#takeSymbol(','));
    });
    this.#expectSymbol(')');
    const { takes, variadic, gives, nulls, of } = called;
    if (variadic ? args.length === 0 : args.length !== takes.length)
      throw new ConditionError(
        `'${name}' takes ${variadic ? 'at least ' : ''}${takes.length} argument${takes.length > 1 ? 's' : ''}, not ${args.length}`,
        token.at,
      );
    const [first] = args;
    const same = args.find((arg) => arg.type !== 'null')?.type ?? 'null';
    for (const [i, arg] of args.entries()) {
      const wanted = takes[Math.min(i, takes.length - 1)] ?? 'same';
      expectType(arg, wanted === 'same' ? same : wanted);
    }
    const type = gives === 'same' ? same : gives;
    const values = args.map(({ value }) => value);
    return {
      type: type === 'number' && first?.type === 'float' ? 'float' : type,
      at: token.at,
      literal: args.every(({ literal }) => literal),
      value(row) {
        const given = values.map((value) => value(row));
        return !nulls && given.includes(null) ? null : of(...given);
      },
    };
  }

  #deeper<T>(work: () => T): T {
    if (++this.#depth > MAX_DEPTH)
      throw new ConditionError(`there are more than ${MAX_DEPTH} parts within parts`, this.#peek.at);
    const done = work();
    this.#depth--;
    return done;
  }
}

function statementRefused(word: string, at: number): ConditionError {
  return new ConditionError(
    `${word.toUpperCase()} is no part of a condition: give what would follow WHERE`,
    at,
  );
}
