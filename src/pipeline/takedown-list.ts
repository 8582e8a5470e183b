import { listEntries, parquetInfo, plain, readDelimited, readParquetRows } from '../formats/index.ts';
import { TAKEDOWN_KINDS, type Takedown, type TakedownKind, takedownHash } from '../safety/tombstones.ts';
import { GleanerError } from '../schema/index.ts';
import { openFile, streamFile } from '../storage/index.ts';

/** What a takedown names: nothing of it is kept but the hash. */
export type TakedownName = Pick<Takedown, 'kind' | 'hash'>;

/**
 * One entry by itself: a uid (32 hexadecimal digits), the SHA-256 of an image's bytes (64 of them), an http or https URL,
 * or else a domain.
 * @returns undefined where it is none of these
 */
function takedownOf(text: string): TakedownName | undefined {
  const kind: TakedownKind = /^[0-9a-f]{32}$/i.test(text)
    ? 'uid'
    : /^[0-9a-f]{64}$/i.test(text)
      ? 'sha256'
      : /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
        ? 'url'
        : 'domain';
  const hash = takedownHash(kind, text);
  return hash === undefined ? undefined : { kind, hash };
}

/** One entry of a kind that is known. @throws GleanerError USAGE, which does not repeat it */
export function takedownName(kind: TakedownKind, text: string): TakedownName {
  const hash = takedownHash(kind, text);
  if (hash === undefined)
    throw new GleanerError('USAGE', { problem: `--${kind}: this is none. ${EXAMPLES[kind]}` });
  return { kind, hash };
}

const EXAMPLES = {
  url: 'Give an http or https URL.',
  domain: 'Give a host, as example.org.',
  sha256: 'Give 64 hexadecimal digits.',
  uid: 'Give 32 hexadecimal digits.',
} as const satisfies Record<TakedownKind, string>;

/**
 * Reads a list of what is to be taken down: lines, each an entry as `takedownOf` tells them apart, with '#' comments; or
 * lines of JSON (a queue of reports, a tombstone file); or a table (.csv, .tsv, .parquet) with columns of the names of
 * `TAKEDOWN_KINDS`, any case, of which empty cells name nothing. All but Parquet plain or gzip.
 *
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE with the line, which is not repeated
 */
export async function readTakedownList(path: string): Promise<TakedownName[]> {
  const [, extension = ''] = /\.(csv|tsv|parquet)(?:\.gz)?$/i.exec(path) ?? [];
  switch (extension.toLowerCase()) {
    case 'parquet':
      return readParquet(path);
    case 'csv':
      return readTable(path, ',');
    case 'tsv':
      return readTable(path, '\t');
    default:
      return readLines(path);
  }
}

async function readLines(path: string): Promise<TakedownName[]> {
  const names: TakedownName[] = [];
  for await (const { text, line } of listEntries(path, streamFile(path))) {
    const found = text.startsWith('{') ? ofJson(text) : takedownOf(text);
    const some = Array.isArray(found) ? found : found ? [found] : [];
    if (some.length === 0)
      throw unreadable(
        path,
        `line ${line} is no URL, no domain, no SHA-256 and no uid, and no JSON with one`,
      );
    names.push(...some);
  }
  return names;
}

/** Of an object: what it has under the names of kinds; of a tombstone, what it is one of. */
function ofJson(text: string): TakedownName[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  if (typeof value !== 'object' || value === null) return [];
  const cells = new Map(Object.entries(value));
  const kind = TAKEDOWN_KINDS.find((one) => one === cells.get('takedown'));
  const hash = cells.get('hash');
  if (kind && typeof hash === 'string' && /^[0-9a-f]{32,64}$/.test(hash)) return [{ kind, hash }];
  const pair = cells.get('pair');
  if (typeof pair === 'string') cells.set('uid', pair);
  // Of a tombstone of a pair `url` is a hash.
  const url = cells.get('url');
  const hashed: TakedownName[] =
    typeof pair === 'string' && typeof url === 'string' ? [{ kind: 'url', hash: url }] : [];
  if (typeof pair === 'string') for (const name of ['url', 'sha256']) cells.delete(name);
  const named = ofCells((name) => cells.get(name));
  return named ? [...hashed, ...named] : [];
}

/** @returns undefined where a cell is none of its kind */
function ofCells(cell: (kind: TakedownKind) => unknown): TakedownName[] | undefined {
  const names: TakedownName[] = [];
  for (const kind of TAKEDOWN_KINDS) {
    const text = cell(kind);
    if (text === undefined || text === null || text === '') continue;
    const hash = typeof text === 'string' ? takedownHash(kind, text.trim()) : undefined;
    if (hash === undefined) return undefined;
    names.push({ kind, hash });
  }
  return names;
}

async function readTable(path: string, delimiter: ',' | '\t'): Promise<TakedownName[]> {
  const names: TakedownName[] = [];
  let header: readonly string[] | undefined;
  for await (const { fields, line } of readDelimited(plain(path, streamFile(path)), {
    delimiter,
    name: path,
  })) {
    if (!header) {
      header = fields.map((field) => field.trim().toLowerCase());
      refuseOtherColumns(path, header);
      continue;
    }
    const found = ofCells((kind) => fields[header?.indexOf(kind) ?? -1]?.trim());
    if (!found) throw unreadable(path, `line ${line} has a value that is none of its column's kind`);
    names.push(...found);
  }
  return names;
}

async function readParquet(path: string): Promise<TakedownName[]> {
  const source = await openFile(path);
  try {
    const info = await parquetInfo(source, path);
    refuseOtherColumns(
      path,
      info.columns.map(({ name }) => name.toLowerCase()),
    );
    const columns = info.columns
      .filter(({ name }) => TAKEDOWN_KINDS.some((kind) => kind === name.toLowerCase()))
      .map(({ name }) => ({ name, type: 'string', nullable: true }) as const);
    const names: TakedownName[] = [];
    let row = 0;
    for await (const cells of readParquetRows(source, columns, { name: path, info })) {
      row++;
      const byName = new Map(Object.entries(cells).map(([name, cell]) => [name.toLowerCase(), cell]));
      const found = ofCells((kind) => byName.get(kind));
      if (!found) throw unreadable(path, `row ${row} has a value that is none of its column's kind`);
      names.push(...found);
    }
    return names;
  } finally {
    await source.close();
  }
}

function refuseOtherColumns(path: string, names: readonly string[]): void {
  if (!TAKEDOWN_KINDS.some((kind) => names.includes(kind)))
    throw unreadable(path, `it has no column ${TAKEDOWN_KINDS.join(', ')}`);
}

function unreadable(path: string, problem: string): GleanerError {
  return new GleanerError('FILE_UNREADABLE', { path, problem });
}
