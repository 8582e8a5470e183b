import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { GleanerError } from '../schema/index.ts';
import { streamLocation } from '../storage/index.ts';
import { LOOK_RETRY, type LookOptions, remoteInputs } from './inputs.ts';
import type { InputFile } from './task.ts';

/** Where Common Crawl offers its files to everybody. */
export const COMMON_CRAWL = 'https://data.commoncrawl.org/';
/** Longest list of paths that is read, in bytes: compressed, and inflated. Real ones have some 200 kB and 14 MB. */
const MAX_LIST_BYTES = 64 << 20;
const MAX_PATHS_BYTES = 256 << 20;

/** Which WAT files of which crawl. */
export interface CrawlSelection {
  /** As 'CC-MAIN-2025-30'. */
  readonly crawl: string;
  /** A mirror of Common Crawl's files: http://, https:// or s3://. @default 'https://data.commoncrawl.org/' */
  readonly baseUrl?: string;
  /** Only files [from, to) of the crawl's list, counted from 0; null: to its end. @default all */
  readonly range?: { readonly from: number; readonly to: number | null };
  /** Only so many of these, drawn without replacement. @default all */
  readonly sample?: { readonly size: number; readonly seed: number };
}

/**
 * The WAT files of a crawl, by its `wat.paths.gz`, in the order of that list.
 *
 * @throws GleanerError FILE_NOT_FOUND where there is no such crawl, FILE_UNREADABLE, DAMAGED, USAGE
 */
export async function crawlInputs(
  selection: CrawlSelection,
  options: LookOptions = {},
): Promise<InputFile[]> {
  const { crawl, baseUrl = COMMON_CRAWL } = selection;
  if (!/^[A-Z0-9][A-Z0-9-]{0,63}$/i.test(crawl))
    throw new GleanerError('USAGE', { problem: `${crawl}: is no name of a crawl, as CC-MAIN-2025-30.` });
  const base = baseUrl.replace(/\/*$/, '/');
  if (!/^(?:https?|s3):\/\/[^/]/i.test(base) || /[?#]/.test(base))
    throw new GleanerError('USAGE', {
      problem: `${baseUrl}: give a base URL of http://, https:// or s3://.`,
    });
  const list = `${base}crawl-data/${crawl}/wat.paths.gz`;
  const paths = selectPaths(await readPaths(list, crawl, options), selection);
  return remoteInputs(
    paths.map((path) => base + path),
    options,
  );
}

/**
 * The chosen ones, in the order of the list. A sample is the `size` paths whose SHA-256 with the seed are smallest:
 * the same whatever machine draws it, and a larger sample of the same seed holds the smaller one, so that a dataset
 * can be grown.
 *
 * @throws GleanerError USAGE where there are not so many
 */
export function selectPaths(
  paths: readonly string[],
  { crawl, range, sample }: CrawlSelection,
): readonly string[] {
  const refuse = (what: string, there: number): never => {
    throw new GleanerError('USAGE', { problem: `${what}: ${crawl} has ${there} WAT files to choose from.` });
  };
  const from = range?.from ?? 0;
  const to = range?.to ?? paths.length;
  if (to > paths.length || from >= to) refuse(`files ${from}:${range?.to ?? ''}`, paths.length);
  const chosen = paths.slice(from, to);
  if (!sample) return chosen;
  if (sample.size > chosen.length) refuse(`a sample of ${sample.size}`, chosen.length);
  const drawn = chosen
    .map((path, at) => ({ at, path, key: hash('sha256', `${sample.seed}\0${path}`) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .slice(0, sample.size);
  return drawn.sort((a, b) => a.at - b.at).map(({ path }) => path);
}

async function readPaths(url: string, crawl: string, options: LookOptions): Promise<string[]> {
  const damaged = (problem: string, cause?: unknown) =>
    new GleanerError('DAMAGED', { path: url, problem: `${problem}.` }, { cause });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of streamLocation(url, { retry: LOOK_RETRY, ...options })) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_LIST_BYTES) throw damaged(`is longer than ${MAX_LIST_BYTES} bytes`);
    }
  } catch (error) {
    if (!(error instanceof GleanerError) || error.code !== 'FILE_NOT_FOUND') throw error;
    const hint = `There is no crawl ${crawl}; https://index.commoncrawl.org/collinfo.json lists Common Crawl's.`;
    throw new GleanerError('FILE_NOT_FOUND', { path: url, hint }, { cause: error });
  }
  const text = await promisify(gunzip)(Buffer.concat(chunks), { maxOutputLength: MAX_PATHS_BYTES }).catch(
    (error: unknown) => {
      throw damaged('is no gzip file, or a damaged one', error);
    },
  );
  const paths = text.toString('utf8').split(/\r?\n/).filter(Boolean);
  // They are put behind the base URL as they stand: what is no plain path could lead elsewhere.
  const odd = paths.findIndex(
    (path) => !/^[\w.=+-]+(?:\/[\w.=+-]+)*$/.test(path) || /(?:^|\/)\.\.?(?:\/|$)/.test(path),
  );
  if (odd >= 0) throw damaged(`line ${odd + 1} is no path of a file`);
  if (paths.length === 0) throw damaged('names no file');
  return paths;
}
