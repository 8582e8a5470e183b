import type { Column } from '../../formats/index.ts';
import type { FetchFacts, Reason } from '../../schema/index.ts';
import type { DownloadOptions } from './options.ts';

export type DownloadStatus = 'success' | 'failed_to_download' | 'failed_to_resize';

/** What became of one URL, as its row in the shard's Parquet file says it. Sizes are in pixels. */
export interface SampleResult {
  readonly status: DownloadStatus;
  /** img2dataset's words where it has some for it, null where there is nothing to say. */
  readonly errorMessage: string | null;
  readonly width: number | null;
  readonly height: number | null;
  /** As published, before the EXIF orientation is applied. */
  readonly originalWidth: number | null;
  readonly originalHeight: number | null;
  /** JSON: names and values of the EXIF tags; null where none was asked for or there is none. */
  readonly exif: string | null;
  /** Of the bytes as fetched, hexadecimal. */
  readonly hash: string | null;
  readonly reason: Reason | null;
  readonly detail: string | null;
  readonly facts: Pick<FetchFacts, 'status' | 'finalUrl' | 'tries' | 'wireBytes'> | null;
}

/** Values of one row by the names of columns. */
export type SampleRecord = Readonly<Record<string, string | number | bigint | Uint8Array | null>>;

const INT32 = ['width', 'height', 'original_width', 'original_height'] as const;

/** Columns that gleaner adds after img2dataset's own. */
const LEDGER = [
  { name: 'reason', type: 'string', nullable: true },
  { name: 'detail', type: 'string', nullable: true },
  { name: 'http_status', type: 'int32', nullable: true },
  { name: 'fetched_bytes', type: 'int64', nullable: true },
  { name: 'tries', type: 'int32', nullable: true },
  { name: 'final_url', type: 'string', nullable: true },
] as const satisfies readonly Column[];

/** Names that no additional column may have: img2dataset's list, and ours. */
export const RESERVED_COLUMNS: ReadonlySet<string> = new Set([
  ...['key', 'caption', 'url', 'status', 'error_message', ...INT32, 'exif', 'md5', 'sha256', 'sha512'],
  ...['jpg', 'png', 'webp', ...LEDGER.map(({ name }) => name)],
]);

/** Columns of img2dataset's JSON sidecars, which are its Parquet columns: names, types and order (downloader.py). */
function sidecarColumns(options: DownloadOptions): Column[] {
  return [
    ...options.columns.map(({ name, type }) => ({ name, type, nullable: true })),
    ...['key', 'status', 'error_message'].map((name) => ({ name, type: 'string', nullable: true }) as const),
    ...INT32.map((name) => ({ name, type: 'int32', nullable: true }) as const),
    ...(options.extractExif ? [{ name: 'exif', type: 'string', nullable: true } as const] : []),
    ...(options.computeHash ? [{ name: options.computeHash, type: 'string', nullable: true } as const] : []),
  ];
}

/** Columns of a shard's Parquet file: img2dataset's, then the ledger's, then the image where it lies there too. */
export function shardColumns(options: DownloadOptions): Column[] {
  const image = { name: options.encodeFormat, type: 'binary', nullable: true } as const;
  return [...sidecarColumns(options), ...LEDGER, ...(options.outputFormat === 'parquet' ? [image] : [])];
}

/** A row of the shard's Parquet file, without the image. The sidecar has its first members: see `sidecarJson`. */
export function sampleRecord(
  input: SampleRecord,
  key: string,
  result: SampleResult,
  options: DownloadOptions,
): SampleRecord {
  return {
    ...input,
    key,
    status: result.status,
    error_message: result.errorMessage,
    width: result.width,
    height: result.height,
    original_width: result.originalWidth,
    original_height: result.originalHeight,
    ...(options.extractExif && { exif: result.exif }),
    ...(options.computeHash && { [options.computeHash]: result.hash }),
    reason: result.reason,
    detail: result.detail,
    http_status: result.facts?.status ?? null,
    fetched_bytes: result.facts ? BigInt(result.facts.wireBytes) : null,
    tries: result.facts?.tries ?? null,
    final_url: result.facts?.finalUrl ?? null,
  };
}

/** Writes sidecars: img2dataset's members in its order, as Python's `json.dumps(meta, indent=4)` writes them. */
export function sidecarWriter(options: DownloadOptions): (record: SampleRecord) => string {
  const names = sidecarColumns(options).map(({ name }) => ({ name, quoted: `    ${pythonJson(name)}: ` }));
  return (record) =>
    `{\n${names.map(({ name, quoted }) => quoted + pythonJson(record[name] ?? null)).join(',\n')}\n}`;
}

/** One line, as `json.dumps` with its defaults: ASCII alone, blanks after commas and colons. */
export function pythonJson(value: SampleRecord[string] | Readonly<Record<string, string>>): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value))
    return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([name, text]) => `${ascii(JSON.stringify(name))}: ${ascii(JSON.stringify(text))}`)
      .join(', ')}}`;
  return ascii(JSON.stringify(value) ?? 'null');
}

function ascii(json: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
  return /^[\x00-\x7e]*$/.test(json)
    ? json
    : json.replace(/[\x7f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
