import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { readWarc } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { collected, mapOrdered } from '../stages/ordered.ts';
import {
  expandPattern,
  isRemote,
  locationFacts,
  locationName,
  type RemoteOptions,
  streamFile,
  streamLocation,
} from '../storage/index.ts';
import type { InputFile } from './task.ts';

/** Remote files that are looked at side by side: enough to hide the way there, too few to be told to slow down. */
const LOOKS_AT_ONCE = 8;
/** More remote files of one list are not asked for their sizes one by one... */
const MAX_SIZES = 128;
/** ...but so many of them, evenly spread. */
const SIZE_SAMPLE = 64;
/** What a remote file counts as whose server does not say its size: about that of a WAT of Common Crawl, in bytes. */
const UNKNOWN_BYTES = 100_000_000;
/** While somebody waits for a run to begin, a server is asked four times and not sixteen. */
export const LOOK_RETRY = { attempts: 4 };

/** How remote files are looked at. */
export type LookOptions = Pick<RemoteOptions, 'signal' | 'clock' | 'retry'>;

/**
 * Looks at what the user named before anything is begun: each file has to be there and to begin as a WARC file does.
 *
 * @param named paths; patterns as a shell knows them, which stand for the files that they match, sorted; http://,
 *   https:// and s3:// URLs
 * @param kind what messages call them
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE, NOT_WARC, USAGE
 */
export async function openInputs(
  named: readonly string[],
  kind: 'WAT' | 'WARC',
  options: LookOptions = {},
): Promise<InputFile[]> {
  const paths: string[] = [];
  for (const name of named) paths.push(...(isRemote(name) ? [name] : await expandPattern(name)));
  return collected(
    mapOrdered(paths, LOOKS_AT_ONCE, (path) =>
      isRemote(path) ? openRemote(path, kind, options) : openInput(path, kind),
    ),
  );
}

async function openInput(path: string, kind: 'WAT' | 'WARC'): Promise<InputFile> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new GleanerError('FILE_NOT_FOUND', { path, hint: `Name ${kind} files that exist.` });
  if (!found.isFile()) throw new GleanerError('FILE_UNREADABLE', { path, problem: 'it is no file' });
  await readFirst(streamFile(path), path, kind);
  return { path: resolve(path), name: basename(path), bytes: found.size };
}

async function openRemote(path: string, kind: 'WAT' | 'WARC', options: LookOptions): Promise<InputFile> {
  let bytes: number | undefined;
  const onOpen = (facts: { readonly bytes: number | undefined }) => {
    bytes = facts.bytes;
  };
  await readFirst(streamLocation(path, { retry: LOOK_RETRY, ...options, onOpen }), path, kind);
  return { path, name: locationName(path), bytes: bytes ?? UNKNOWN_BYTES };
}

/** The first record is enough: what is damaged further on costs its records, not the run. */
async function readFirst(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  fileKind: 'WAT' | 'WARC',
): Promise<void> {
  for await (const _first of readWarc(chunks, { path, fileKind, maxRecordBytes: 1 << 20 })) break;
}

/**
 * Remote files by their URLs, with their sizes. Of a long list only some are asked for theirs, and their mean stands
 * for the others: sizes are for planning and for progress, and a whole crawl has 100,000 files. The same list gives
 * the same sizes each time, so that a run can be gone on with.
 *
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE
 */
export async function remoteInputs(urls: readonly string[], options: LookOptions = {}): Promise<InputFile[]> {
  const n = urls.length <= MAX_SIZES ? urls.length : SIZE_SAMPLE;
  const asked = Array.from({ length: n }, (_, i) => urls[Math.floor((i * urls.length) / n)] ?? '');
  const sizes = new Map<string, number>();
  const answers = mapOrdered(asked, LOOKS_AT_ONCE, async (url) => {
    const { bytes } = await locationFacts(url, { retry: LOOK_RETRY, ...options });
    sizes.set(url, bytes ?? UNKNOWN_BYTES);
  });
  await collected(answers);
  const mean = Math.round([...sizes.values()].reduce((a, b) => a + b, 0) / Math.max(1, sizes.size));
  return urls.map((path) => ({ path, name: locationName(path), bytes: sizes.get(path) ?? mean }));
}
