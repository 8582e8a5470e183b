import { GleanerError } from '../schema/index.ts';
import type { OpenSource } from './bytes.ts';
import { type AskOptions, type RemoteObject, remoteFacts, streamRemote } from './remote.ts';

/** Reads an object in ranges, each of the version that it has now. @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE */
export async function openObject(object: RemoteObject, options: AskOptions = {}): Promise<OpenSource> {
  const facts = await remoteFacts(object, options);
  const { bytes } = facts;
  if (bytes === undefined)
    throw new GleanerError('FILE_UNREADABLE', {
      path: object.name,
      problem: 'the server does not say how large it is',
    });
  return {
    byteLength: bytes,
    async slice(start, end = bytes) {
      const position = Math.max(0, start < 0 ? bytes + start : start);
      const last = Math.min(end, bytes);
      if (last <= position) return new ArrayBuffer();
      const range = { from: { position, facts, checksum: 0 }, end: last };
      return collect(streamRemote(object, { ...options, ...range }), last - position);
    },
    close: async () => undefined,
  };
}

/** All of some bytes. @param bytes how many there will be, where that is known: they are then brought together as they come */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array>;
export async function collect(chunks: AsyncIterable<Uint8Array>, bytes: number): Promise<ArrayBuffer>;
export async function collect(
  chunks: AsyncIterable<Uint8Array>,
  bytes?: number,
): Promise<Uint8Array | ArrayBuffer> {
  if (bytes === undefined) {
    const all: Uint8Array[] = [];
    for await (const chunk of chunks) all.push(chunk);
    return Buffer.concat(all);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for await (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole.buffer;
}
