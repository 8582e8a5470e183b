import { PassThrough } from 'node:stream';
import { kept } from '../schema/index.ts';
import type { Holding } from './byte-budget.ts';
import { decodeContent } from './content-coding.ts';
import { failure, headerList, headerText, type ResponseHead, type WebRequest } from './exchange.ts';
import type { BodyTaker, Result } from './reception.ts';

/** What taking a body needs to know of the response that it belongs to. */
export interface Reading {
  readonly request: WebRequest;
  readonly head: ResponseHead;
  /** Called with the size of every piece, as sent. */
  count(bytes: number): void;
  /** Bytes of memory for the body. */
  readonly held: Holding;
  /** Around every wait that is not the server's fault. */
  waiting(wait: Promise<void>): Promise<void>;
  /** Ends the response here. */
  enough(result: Result): void;
}

/** A body that nobody wants is read to its end, so that its connection can be used again, up to here. */
const DRAIN_BYTES = 16 * 1024;
const DRAIN_MS = 500;

/** Reads and forgets a body that nobody wants. */
export function drainBody({ head, count, enough }: Reading): BodyTaker {
  const result = kept({ ...head, body: new Uint8Array() });
  const timer = setTimeout(() => enough(result), DRAIN_MS);
  let length = 0;
  return {
    take: (chunk) => {
      length += chunk.length;
      count(chunk.length);
      if (length > DRAIN_BYTES) enough(result);
      return undefined;
    },
    end: () => result,
    close: () => clearTimeout(timer),
  };
}

/** Reads the body of a response with status 200 within its limits. */
export function readBody(reading: Reading): BodyTaker {
  const { request, head, enough } = reading;
  const codings = headerList(head.headers, 'content-encoding').filter(
    (coding) => coding !== '' && coding.toLowerCase() !== 'identity',
  );
  const declared = Number(headerText(head.headers, 'content-length') ?? 0);
  if (declared > request.maxBodyBytes && request.overflow === 'fail')
    enough(failure('body_large', `${declared} bytes`));
  return codings.length > 0 ? codedBody(reading, codings) : plainBody(reading, declared);
}

function plainBody({ request, head, count, held, waiting, enough }: Reading, declared: number): BodyTaker {
  const { maxBodyBytes } = request;
  const collected = new Collector(declared);
  return {
    take: (chunk) => {
      count(chunk.length);
      collected.add(chunk);
      if (collected.length > maxBodyBytes) {
        enough(overflow(request, head, collected));
        return undefined;
      }
      const wait = held.take(chunk.length);
      return wait && waiting(wait);
    },
    end: () => kept({ ...head, body: collected.bytes() }),
  };
}

function codedBody(reading: Reading, codings: readonly string[]): BodyTaker {
  const { request, head, count, held, waiting, enough } = reading;
  const { maxBodyBytes } = request;
  const sent = new PassThrough();
  sent.on('error', () => {});
  let sentBytes = 0;
  const decoded = decodeContent(sent, codings);
  if (!decoded) {
    enough(failure('body_broken', `content coding ${codings.join(', ').slice(0, 40)}`));
    return { take: () => undefined, end: () => failure('body_broken', '') };
  }
  const hold = async (bytes: number) => {
    const wait = held.take(bytes);
    if (wait) await waiting(wait);
  };
  const decoding = (async (): Promise<Result> => {
    const collected = new Collector(0);
    for await (const chunk of decoded) {
      collected.add(chunk);
      if (collected.length > maxBodyBytes) return overflow(request, head, collected);
      // What was sent is held beside what came out of it.
      await hold(chunk.length);
    }
    return kept({ ...head, body: collected.bytes() });
  })();
  // It may be over before the last piece has come: damaged, or too large.
  decoding.then(enough, (error: unknown) => enough(brokenCoding(error)));
  return {
    take: (chunk) => {
      count(chunk.length);
      sentBytes += chunk.length;
      if (sentBytes > maxBodyBytes) {
        enough(overflow(request, head, new Collector(0)));
        return undefined;
      }
      const wait = held.take(chunk.length);
      const full = !sent.write(chunk);
      if (wait) return waiting(wait);
      return full ? new Promise((resolve) => sent.once('drain', resolve)) : undefined;
    },
    end: () => {
      sent.end();
      return decoding.catch(brokenCoding);
    },
    close: () => {
      // A decoder that is left early cannot end a read that it waits for; this does.
      if (!sent.writableEnded) sent.destroy();
    },
  };
}

function brokenCoding(error: unknown): Result {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return failure('body_broken', code);
}

function overflow(request: WebRequest, head: ResponseHead, collected: Collector): Result {
  const { maxBodyBytes } = request;
  if (request.overflow === 'fail') return failure('body_large', `above ${maxBodyBytes} bytes`);
  return kept({ ...head, body: collected.bytes().subarray(0, maxBodyBytes) });
}

/** A declared length is believed up to here: whoever lies about it costs no more than this. In bytes. */
const MAX_BELIEVED_BYTES = 1024 * 1024;

/** Puts pieces together in an array of their own: undici's are views of buffers that others share. */
class Collector {
  /** For as much as was declared: pieces are copied as they come, and their buffers free at once. */
  readonly #declared: Uint8Array<ArrayBuffer>;
  /** What comes after that. */
  readonly #more: Uint8Array[] = [];
  length = 0;

  /** @param declared in bytes; 0 where nobody knows */
  constructor(declared: number) {
    this.#declared = unzeroed(declared > 0 && declared <= MAX_BELIEVED_BYTES ? declared : 0);
  }

  add(piece: Uint8Array): void {
    if (this.#more.length === 0 && this.length + piece.length <= this.#declared.length)
      this.#declared.set(piece, this.length);
    else this.#more.push(piece);
    this.length += piece.length;
  }

  bytes(): Uint8Array {
    if (this.length === this.#declared.length) return this.#declared;
    const all = unzeroed(this.length);
    let at = this.length - this.#more.reduce((sum, piece) => sum + piece.length, 0);
    all.set(this.#declared.subarray(0, at));
    for (const piece of this.#more) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}

/** What is never handed out before it was written need not be cleared. */
function unzeroed(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
