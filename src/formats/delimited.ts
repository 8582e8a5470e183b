import { GleanerError } from '../schema/index.ts';

/** A line, or a quoted field over several of them, above this is taken for damage, in UTF-16 code units. */
const MAX_RECORD_CHARS = 8 << 20;

export interface LineOptions {
  /** What messages call the file. @default 'file' */
  readonly name?: string;
}

/**
 * The lines of a UTF-8 text, without their ends (LF or CRLF) and without a byte order mark.
 * @throws GleanerError DAMAGED at a line of more than 8 Mi characters
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  { name = 'file' }: LineOptions = {},
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  let lines = 0;
  for await (const chunk of chunks) {
    const text = rest + decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      yield text.slice(from, text[end - 1] === '\r' && end > from ? end - 1 : end);
      lines++;
      from = end + 1;
    }
    rest = text.slice(from);
    if (rest.length > MAX_RECORD_CHARS)
      throw new GleanerError('DAMAGED', { path: name, problem: `line ${lines + 1} is too long.` });
  }
  rest += decoder.decode();
  if (rest !== '') yield rest.endsWith('\r') ? rest.slice(0, -1) : rest;
}

export interface DelimitedOptions extends LineOptions {
  /** ',' or a tab. */
  readonly delimiter: ',' | '\t';
}

/** A record of a delimited file, and the number of the line it begins at, from 1. */
export interface DelimitedRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/**
 * The records of a CSV or TSV file (RFC 4180): fields may be quoted, quotes in them are doubled, and a quoted field may
 * go over several lines. Empty lines are passed over, as pyarrow does.
 * @throws GleanerError DAMAGED at a quoted field that does not end
 */
export async function* readDelimited(
  chunks: AsyncIterable<Uint8Array>,
  { delimiter, name = 'file' }: DelimitedOptions,
): AsyncGenerator<DelimitedRecord, void, undefined> {
  let line = 0;
  let begun = 0;
  let open = '';
  for await (const text of readLines(chunks, { name })) {
    line++;
    if (open === '') {
      if (text === '') continue;
      begun = line;
      if (!text.includes('"')) {
        yield { line, fields: text.split(delimiter) };
        continue;
      }
    }
    const record = open === '' ? text : `${open}\n${text}`;
    const fields = splitQuoted(record, delimiter);
    if (fields) {
      yield { line: begun, fields };
      open = '';
    } else if (record.length <= MAX_RECORD_CHARS) open = record;
    else break;
  }
  if (open !== '')
    throw new GleanerError('DAMAGED', {
      path: name,
      problem: `line ${begun}: a quoted field does not end.`,
    });
}

/** @returns undefined where the last field is quoted and goes on */
function splitQuoted(record: string, delimiter: string): string[] | undefined {
  const fields: string[] = [];
  for (let at = 0; ; ) {
    if (record[at] !== '"') {
      const end = record.indexOf(delimiter, at);
      fields.push(record.slice(at, end < 0 ? undefined : end));
      if (end < 0) return fields;
      at = end + 1;
      continue;
    }
    let field = '';
    let from = at + 1;
    for (;;) {
      const quote = record.indexOf('"', from);
      if (quote < 0) return undefined;
      field += record.slice(from, quote);
      from = quote + 1;
      if (record[from] !== '"') break;
      field += '"';
      from++;
    }
    // What follows a closing quote before the next delimiter belongs to the field, as pyarrow and Python's csv read it.
    const end = record.indexOf(delimiter, from);
    fields.push(field + record.slice(from, end < 0 ? undefined : end));
    if (end < 0) return fields;
    at = end + 1;
  }
}
