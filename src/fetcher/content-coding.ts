import { pipeline, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

/** What is asked for, and what is understood. */
export const ACCEPT_ENCODING = 'gzip, deflate, br';

/** Codings laid over each other: one is usual, more is either a mistake or an attack. */
const MAX_CODINGS = 2;

type Bytes = AsyncIterable<Uint8Array>;

/**
 * Removes content encodings while the bytes pass.
 * @param codings of Content-Encoding, in the order in which they were applied
 * @returns undefined where one of them is not understood. Reading throws what `source` throws, or zlib's error.
 */
export function decodeContent(source: Bytes, codings: readonly string[]): Bytes | undefined {
  const applied = codings.map((c) => c.toLowerCase()).filter((c) => c !== '' && c !== 'identity');
  if (applied.length > MAX_CODINGS) return undefined;
  let bytes = source;
  for (const coding of applied.reverse()) {
    const create = DECODERS.get(coding);
    if (!create) return undefined;
    bytes = decode(bytes, create);
  }
  return bytes;
}

type CreateDecoder = (firstByte: number) => NodeJS.ReadWriteStream & Readable;

const DECODERS: ReadonlyMap<string, CreateDecoder> = new Map<string, CreateDecoder>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  // RFC 9110, 8.4.1.2: zlib around deflate; some servers leave the zlib away. Its first byte has 8 in its low half.
  ['deflate', (firstByte) => ((firstByte & 0x0f) === 8 ? createInflate() : createInflateRaw())],
  ['br', () => createBrotliDecompress()],
]);

async function* decode(source: Bytes, create: CreateDecoder): Bytes {
  const iterator = source[Symbol.asyncIterator]();
  let first = await iterator.next();
  while (!first.done && first.value.length === 0) first = await iterator.next();
  // An empty body is sent with a coding by some servers: it is empty, not broken.
  if (first.done) return;
  const head = first.value;
  const decoder = create(head[0] ?? 0);
  // Errors of the source reach the reader through the decoder, which pipeline destroys.
  pipeline(Readable.from(rest(head, iterator)), decoder, () => {});
  yield* decoder as AsyncIterable<Uint8Array>;
}

async function* rest(first: Uint8Array, iterator: AsyncIterator<Uint8Array>): Bytes {
  try {
    yield first;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}
