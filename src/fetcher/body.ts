import type { Dispatcher } from 'undici';
import { kept } from '../schema/index.ts';
import type { Holding } from './byte-budget.ts';
import { decodeContent } from './content-coding.ts';
import {
  type Exchange,
  failure,
  headerList,
  headerText,
  type ResponseHead,
  type WebRequest,
} from './exchange.ts';

export type Body = Dispatcher.ResponseData['body'];

/** What reading a body needs from the request that it belongs to. */
export interface BodyReading {
  readonly request: WebRequest;
  readonly head: ResponseHead;
  readonly body: Body;
  /** Called with the size of every piece, as sent. */
  count(bytes: number): void;
  /** Bytes of memory for the body. */
  readonly held: Holding;
  /** Around every wait that is not the server's fault. */
  waiting(wait: Promise<void>): Promise<void>;
}

/** A body that nobody wants is read to its end, so that its connection can be used again, up to here. */
const DRAIN_BYTES = 16 * 1024;
const DRAIN_MS = 500;

/** Reads the body of a response with status 200 within its limits. */
export async function readBody(reading: BodyReading): ReturnType<Exchange> {
  const { request, head, body } = reading;
  const { maxBodyBytes, overflow } = request;
  const codings = headerList(head.headers, 'content-encoding');
  const declared = Number(headerText(head.headers, 'content-length') ?? 0);
  if (declared > maxBodyBytes && overflow === 'fail') {
    body.destroy();
    return failure('body_large', `${declared} bytes`);
  }
  let sent = 0;
  const sending = (async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      sent += chunk.length;
      reading.count(chunk.length);
      await take(reading, chunk.length);
      yield chunk;
      if (sent > maxBodyBytes) return;
    }
  })();
  const decoded = decodeContent(sending, codings);
  if (!decoded) {
    body.destroy();
    return failure('body_broken', `content coding ${codings.join(', ').slice(0, 40)}`);
  }
  const coded = decoded !== sending;
  const collected = new Collector(coded ? 0 : declared);
  try {
    for await (const chunk of decoded) {
      // What was sent under a coding is held beside what came out of it.
      if (coded) await take(reading, chunk.length);
      collected.add(chunk);
      if (collected.length > maxBodyBytes) break;
    }
  } catch (error) {
    // A body that was cut at the limit has no proper end; that it is too large is all there is to say.
    if (sent <= maxBodyBytes) throw error;
  } finally {
    // A decoder that is left early cannot end a read that it waits for; this does.
    body.destroy();
  }
  if (sent <= maxBodyBytes && collected.length <= maxBodyBytes)
    return kept({ ...head, body: collected.bytes() });
  if (overflow === 'truncate') return kept({ ...head, body: collected.bytes().subarray(0, maxBodyBytes) });
  return failure('body_large', `above ${maxBodyBytes} bytes`);
}

async function take({ held, waiting }: BodyReading, bytes: number): Promise<void> {
  const wait = held.take(bytes);
  if (wait) await waiting(wait);
}

/** A declared length is believed up to here: whoever lies about it costs no more than this. In bytes. */
const MAX_BELIEVED_BYTES = 1024 * 1024;

/** Puts pieces together in an array of their own: undici's are views of buffers that others share. */
class Collector {
  #all: Uint8Array<ArrayBuffer>;
  length = 0;

  /** @param expected in bytes; where it is right, nothing is copied twice */
  constructor(expected: number) {
    const room = expected > 0 && expected <= MAX_BELIEVED_BYTES ? expected : 64 * 1024;
    this.#all = unzeroed(room);
  }

  add(piece: Uint8Array): void {
    const length = this.length + piece.length;
    if (length > this.#all.length) {
      const grown = unzeroed(Math.max(length, 2 * this.#all.length));
      grown.set(this.#all.subarray(0, this.length));
      this.#all = grown;
    }
    this.#all.set(piece, this.length);
    this.length = length;
  }

  bytes(): Uint8Array {
    return this.length === this.#all.length ? this.#all : this.#all.slice(0, this.length);
  }
}

/** What is never handed out before it was written need not be cleared. */
function unzeroed(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** Reads and forgets a body that nobody wants. */
export async function drain(body: Body, count: (bytes: number) => void): Promise<void> {
  const timer = setTimeout(() => body.destroy(), DRAIN_MS);
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      count(chunk.length);
      if (length > DRAIN_BYTES) break;
    }
  } catch {
    // Nobody wanted it.
  } finally {
    clearTimeout(timer);
  }
}
