import { compareTexts, type Value, type ValueType } from './values.ts';

/** A function of a condition. NULL in, NULL out, but for `coalesce`, `greatest` and `least`. */
interface ConditionFunction {
  /** Type of each argument; the last one of `variadic` comes any number of times. 'same': all are of one type. */
  readonly takes: readonly (ValueType | 'same')[];
  readonly variadic?: true;
  /** Type of the result; 'same' as the arguments. */
  readonly gives: ValueType | 'same';
  readonly nulls?: true;
  readonly of: (...args: readonly Value[]) => Value;
}

const text = (value: Value | undefined): string => String(value);
const number = (value: Value | undefined): number => Number(value);

/** Of several the one that no other exceeds, or stands below; NULLs are passed over, as DuckDB does. */
function extreme(values: readonly Value[], sign: 1 | -1): Value {
  let best: Value = null;
  for (const value of values)
    if (value !== null && (best === null || sign * compareValues(value, best) > 0)) best = value;
  return best;
}

/** Of two values of one type; false stands before true. */
export function compareValues(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  return compareNumbers(Number(a), Number(b));
}

/** As DuckDB has it, NaN stands above all others and is equal to itself. */
export function compareNumbers(a: number, b: number): number {
  if (a === b) return 0;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : 1;
}

/** By the names and with the meaning that they have in DuckDB. */
export const FUNCTIONS: Readonly<Record<string, ConditionFunction>> = {
  abs: { takes: ['number'], gives: 'number', of: (a) => Math.abs(number(a)) },
  ceil: { takes: ['number'], gives: 'number', of: (a) => Math.ceil(number(a)) },
  coalesce: {
    takes: ['same'],
    variadic: true,
    gives: 'same',
    nulls: true,
    of: (...values) => values.find((value) => value !== null) ?? null,
  },
  contains: { takes: ['text', 'text'], gives: 'truth', of: (a, b) => text(a).includes(text(b)) },
  ends_with: { takes: ['text', 'text'], gives: 'truth', of: (a, b) => text(a).endsWith(text(b)) },
  floor: { takes: ['number'], gives: 'number', of: (a) => Math.floor(number(a)) },
  greatest: {
    takes: ['same'],
    variadic: true,
    gives: 'same',
    nulls: true,
    of: (...values) => extreme(values, 1),
  },
  least: {
    takes: ['same'],
    variadic: true,
    gives: 'same',
    nulls: true,
    of: (...values) => extreme(values, -1),
  },
  // Characters are code points.
  length: { takes: ['text'], gives: 'number', of: (a) => [...text(a)].length },
  lower: { takes: ['text'], gives: 'text', of: (a) => text(a).toLowerCase() },
  // Halves go away from zero.
  round: {
    takes: ['number'],
    gives: 'number',
    of: (a) => Math.sign(number(a)) * Math.round(Math.abs(number(a))),
  },
  starts_with: { takes: ['text', 'text'], gives: 'truth', of: (a, b) => text(a).startsWith(text(b)) },
  upper: { takes: ['text'], gives: 'text', of: (a) => text(a).toUpperCase() },
};
