import type { ColumnType, ParquetInfo } from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { type ConditionColumn, ConditionParser } from './parser.ts';
import { ConditionError } from './tokens.ts';
import type { RowValues, ValueType } from './values.ts';

/** A condition over the columns of a table. */
export interface Condition {
  /** Columns that it asks for. */
  readonly columns: ReadonlySet<string>;
  /** Whether a row fulfils it; where the answer is NULL it does not. */
  readonly holds: (row: RowValues) => boolean;
}

/** Longer ones are no work of people; what is read is held whole. */
const MAX_CHARS = 10_000;

const TYPES: Readonly<Record<Exclude<ColumnType, 'binary'>, ValueType>> = {
  string: 'text',
  hash128: 'text',
  int32: 'number',
  int64: 'number',
  double: 'number',
  float: 'float',
};

/**
 * Reads what stands behind SQL's WHERE: comparisons (`=` `<>` `<` `<=` `>` `>=`), `AND`, `OR`, `NOT`, `BETWEEN`, `IN`,
 * `LIKE`, `ILIKE`, `IS NULL`, arithmetic, and the functions of `functions.ts`, over the columns of a table, with
 * DuckDB's meaning. Nothing else: there are no statements in it, no subqueries, and no way to a file.
 *
 * @param text as 'WIDTH >= 512 AND similarity > 0.32'
 * @throws GleanerError USAGE, which names the place
 */
export function parseCondition(text: string, columns: ParquetInfo['columns']): Condition {
  try {
    if (text.length > MAX_CHARS) throw new ConditionError(`it is longer than ${MAX_CHARS} characters`, 0);
    const known: ConditionColumn[] = columns.flatMap(({ name, type }) =>
      type === 'other' || type === 'binary' ? [] : [{ name, type: TYPES[type] }],
    );
    const { part, columns: used } = new ConditionParser(text, known).parse();
    return { columns: used, holds: (row) => part.value(row) === true };
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    const problem = `--where, character ${error.at + 1}: ${error.message}.`;
    throw new GleanerError('USAGE', { problem }, { cause: error });
  }
}
