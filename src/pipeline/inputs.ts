import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { readWarc } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { streamFile } from '../storage/index.ts';
import type { InputFile } from './task.ts';

/**
 * Looks at files that the user named before anything is begun: each has to be there and to begin as a WARC file does.
 *
 * @param kind what messages call them
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE, NOT_WARC
 */
export async function openInputs(paths: readonly string[], kind: 'WAT' | 'WARC'): Promise<InputFile[]> {
  const inputs: InputFile[] = [];
  for (const path of paths) inputs.push(await openInput(path, kind));
  return inputs;
}

async function openInput(path: string, kind: 'WAT' | 'WARC'): Promise<InputFile> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new GleanerError('FILE_NOT_FOUND', { path, hint: `Name ${kind} files that exist.` });
  if (!found.isFile()) throw new GleanerError('FILE_UNREADABLE', { path, problem: 'it is no file' });
  // The first record is enough: what is damaged further on costs its records, not the run.
  for await (const _first of readWarc(streamFile(path), { path, fileKind: kind, maxRecordBytes: 1 << 20 }))
    break;
  return { path: resolve(path), name: basename(path), bytes: found.size };
}
