import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { GleanerError } from '../../../schema/index.ts';
import { digestChunks, streamFile } from '../../../storage/index.ts';
import type { Outside } from './outside.ts';

/** A file as somebody else names it. */
export interface NamedFile {
  readonly url: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a server answered that does not do what was asked. */
export class TransferFailed extends Error {
  override readonly name = 'TransferFailed';
  readonly status: number;

  constructor(status: number) {
    super(`the server answers ${status}`);
    this.status = status;
  }
}

/**
 * Brings a file to this machine: no more bytes than were said, and it has its name only when its SHA-256 is right.
 *
 * @throws TransferFailed; GleanerError DAMAGED where it is another file
 */
export async function download(
  outside: Outside,
  { url, bytes, sha256 }: NamedFile,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const pending = `${to}.${randomBytes(6).toString('hex')}.pending`;
  const answer = await outside.ask(url, { method: 'GET', signal });
  if (answer.status !== 200) {
    await answer.body.dump();
    throw new TransferFailed(answer.status);
  }
  const file = createWriteStream(pending, { flags: 'wx' });
  const digest = createHash('sha256');
  let received = 0;
  try {
    for await (const chunk of answer.body) {
      received += chunk.length;
      if (received > bytes) throw wrong(to, `has more than the ${bytes} bytes that were announced`);
      digest.update(chunk);
      if (!file.write(chunk)) await once(file, 'drain');
    }
    file.end();
    await once(file, 'close');
    if (received !== bytes || digest.digest('hex') !== sha256)
      throw wrong(to, 'is not the file that was announced');
    await rename(pending, to);
  } catch (error) {
    file.destroy();
    await rm(pending, { force: true });
    throw error;
  }
}

/** Sends a file. @throws TransferFailed */
export async function upload(
  outside: Outside,
  { url, headers }: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
  { path, bytes }: { readonly path: string; readonly bytes: number },
  signal: AbortSignal,
): Promise<void> {
  const answer = await outside.ask(url, {
    method: 'PUT',
    headers: { ...headers, 'content-length': String(bytes) },
    body: createReadStream(path),
    signal,
  });
  await answer.body.dump();
  if (answer.status >= 300) throw new TransferFailed(answer.status);
}

/** Whether a file is there already, whole. */
export async function isThere(path: string, { bytes, sha256 }: Omit<NamedFile, 'url'>): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size === bytes && (await digestChunks(streamFile(path, { passing: true }))).sha256 === sha256;
}

function wrong(path: string, problem: string): GleanerError {
  return new GleanerError('DAMAGED', { path, problem });
}
