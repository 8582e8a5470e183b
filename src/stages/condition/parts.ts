import { compareNumbers, compareValues } from './functions.ts';
import { ConditionError } from './tokens.ts';
import { isNumeric, type Part, typeName, type Value, type ValueType } from './values.ts';

/** @returns the part itself. @throws ConditionError where it is of another type */
export function expectType(part: Part, wanted: ValueType): Part {
  const fits = part.type === 'null' || part.type === wanted || (isNumeric(wanted) && isNumeric(part.type));
  if (fits) return part;
  throw new ConditionError(`this is ${typeName(part.type)}, where ${typeName(wanted)} is needed`, part.at);
}

/** NULL for NULL. */
export function nullOr(value: Value, of: (value: Value) => Value): Value {
  return value === null ? null : of(value);
}

/** NULL where one of both is. */
export function strict(left: Part, right: Part, type: ValueType, of: (a: Value, b: Value) => Value): Part {
  return {
    type,
    at: left.at,
    literal: left.literal && right.literal,
    value(row) {
      const a = left.value(row);
      if (a === null) return null;
      const b = right.value(row);
      return b === null ? null : of(a, b);
    },
  };
}

/** A comparison, decided by the order of both. @throws ConditionError where they have none */
export function compared(left: Part, right: Part, decide: (order: number) => boolean): Part {
  const fits =
    left.type === 'null' ||
    right.type === 'null' ||
    left.type === right.type ||
    (isNumeric(left.type) && isNumeric(right.type));
  if (!fits)
    throw new ConditionError(
      `${typeName(left.type)} cannot be compared with ${typeName(right.type)}`,
      right.at,
    );
  // A column of 32 bits never holds 0.95, but what is nearest to it: that is meant by a number written beside it.
  const single =
    (left.type === 'float' && (right.type === 'float' || right.literal)) ||
    (right.type === 'float' && left.literal);
  return strict(left, right, 'truth', (a, b) =>
    decide(single ? compareNumbers(Math.fround(Number(a)), Math.fround(Number(b))) : compareValues(a, b)),
  );
}

/** OR, or AND, by the rules of three values: what is known decides. */
export function either(left: Part, right: Part, decisive: boolean): Part {
  expectType(left, 'truth');
  expectType(right, 'truth');
  return {
    type: 'truth',
    at: left.at,
    literal: left.literal && right.literal,
    value(row) {
      const a = left.value(row);
      if (a === decisive) return decisive;
      const b = right.value(row);
      if (b === decisive) return decisive;
      return a === null || b === null ? null : !decisive;
    },
  };
}

/** NOT; of NULL it is NULL. */
export function negated(part: Part, at: number): Part {
  expectType(part, 'truth');
  return { ...part, type: 'truth', at, value: (row) => nullOr(part.value(row), (value) => value !== true) };
}
