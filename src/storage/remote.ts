import { crc32 } from 'node:zlib';
import { GleanerError } from '../schema/index.ts';
import {
  Backoff,
  type Clock,
  PassingFailure,
  type RetryOptions,
  retryAfterMs,
  systemClock,
} from './retry.ts';

/** What a server says of an object beside its bytes. */
export interface ObjectFacts {
  /** Bytes of the whole object; undefined where the server does not say. */
  readonly bytes: number | undefined;
  /** Its version as the server names it; objects that change get another. Undefined where it has none. */
  readonly version: string | undefined;
  /** Whether one version means the same bytes (a strong ETag), not only about the same (a weak one, a date). */
  readonly strong: boolean;
}

/** An object on its way. */
export interface ObjectReply extends ObjectFacts {
  /** Where in the object `body` begins: maybe before the byte asked for, where the server knows no ranges. */
  readonly start: number;
  readonly body: AsyncIterable<Uint8Array>;
  /** Closes the connection; `body` ends or throws. */
  cancel(): void;
}

/**
 * An object on a server, asked for once at a time and never again by itself. Both throw PassingFailure for what may
 * pass, GleanerError FILE_NOT_FOUND or FILE_UNREADABLE for what will not.
 */
export interface RemoteObject {
  /** What messages call it. */
  readonly name: string;
  /** Asks for the bytes from `start`; of that version where the server can tell, whatever it has otherwise. */
  get(start: number, version: string | undefined, signal: AbortSignal): Promise<ObjectReply>;
  /** Asks for the facts alone. */
  head(signal: AbortSignal): Promise<ObjectFacts>;
}

/** Where an earlier reader of an object stopped. */
export interface RemoteBookmark {
  /** Bytes that it had. */
  readonly position: number;
  /** What the server said of the object then. */
  readonly facts: ObjectFacts;
  /** CRC-32 of these bytes. */
  readonly checksum: number;
}

export interface RemoteOptions {
  /** Go on from here: only what comes after is given, and an object that is another one by now is an error. */
  readonly from?: RemoteBookmark | undefined;
  readonly retry?: RetryOptions;
  /** A server that says nothing for so long, in milliseconds, is hung up on and asked again. @default 60000 */
  readonly idleMs?: number;
  readonly signal?: AbortSignal;
  /** @default the system's */
  readonly clock?: Clock;
  /** Called once, when the object is there and before its first byte is given. */
  readonly onOpen?: (facts: ObjectFacts) => void;
}

/**
 * The bytes of a remote object in order, each once, whatever becomes of connections: where one breaks or falls
 * silent, the next goes on at the byte reached. The reader does not notice, so that it needs not know where a gzip
 * member begins. What has been read is checked as well as it can be against what comes after: by ETag where the
 * server has one; by the length; and where a server without ranges starts over, by CRC-32 of the part passed over.
 *
 * Memory: what the sockets hold. Nothing is asked for ahead of the reader.
 * @throws GleanerError FILE_NOT_FOUND; FILE_UNREADABLE where patience ends or the object changed meanwhile
 */
export async function* streamRemote(
  object: RemoteObject,
  options: RemoteOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const clock = options.clock ?? systemClock;
  const backoff = new Backoff(options.retry ?? {}, clock);
  let facts = options.from?.facts;
  let position = options.from?.position ?? 0;
  /** Of the bytes before `position`; kept only where nothing better tells that the object is still the same. */
  let checksum = options.from?.checksum ?? 0;

  for (;;) {
    using attempt = new Attempt(options, clock);
    let failure: PassingFailure;
    try {
      const reply = await attempt.wait(
        object.get(position, facts?.strong ? facts.version : undefined, attempt.signal),
      );
      attempt.onGiveUp(() => reply.cancel());
      if (facts) assertSame(object.name, facts, reply);
      else options.onOpen?.(reply);
      // A length that was not said at first may be said with a part.
      facts = facts ? { ...facts, bytes: facts.bytes ?? reply.bytes } : reply;
      if (reply.start > position) throw changed(object.name, 'the server gave another part than asked for');
      let skip = position - reply.start;
      let skipped = 0;
      const body = reply.body[Symbol.asyncIterator]();
      for (;;) {
        const next = await attempt.wait(body.next());
        if (next.done) break;
        let chunk = next.value;
        if (skip > 0) {
          const before = chunk.subarray(0, skip);
          skipped = crc32(before, skipped);
          skip -= before.length;
          chunk = chunk.subarray(before.length);
          if (skip === 0 && reply.start === 0 && !facts.strong && skipped !== checksum)
            throw changed(object.name);
        }
        if (chunk.length === 0) continue;
        position += chunk.length;
        if (!facts.strong) checksum = crc32(chunk, checksum);
        backoff.progress(chunk.length);
        yield chunk;
      }
      if (facts.bytes === undefined ? skip === 0 : position === facts.bytes) return;
      if (position > (facts.bytes ?? position) || (skip > 0 && facts.bytes === undefined))
        throw changed(object.name);
      failure = new PassingFailure(`the connection ended at byte ${position} of ${facts.bytes}`);
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = attempt.failureOf(error);
    }
    await pause(object, failure, backoff, clock, options.signal);
  }
}

/** Size and version of a remote object. @throws as streamRemote */
export async function remoteFacts(object: RemoteObject, options: RemoteOptions = {}): Promise<ObjectFacts> {
  const clock = options.clock ?? systemClock;
  const backoff = new Backoff(options.retry ?? {}, clock);
  for (;;) {
    using attempt = new Attempt(options, clock);
    let failure: PassingFailure;
    try {
      return await attempt.wait(object.head(attempt.signal));
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = attempt.failureOf(error);
    }
    await pause(object, failure, backoff, clock, options.signal);
  }
}

/** One connection: hung up on when the server says nothing for too long, when it is done with, or when told to. */
class Attempt implements Disposable {
  readonly #stop = new AbortController();
  readonly #alarm;
  readonly signal: AbortSignal;
  #waiting = false;
  #hangUp: () => void = () => undefined;

  constructor({ idleMs = 60_000, signal }: RemoteOptions, clock: Clock) {
    this.signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    this.#alarm = clock.alarm(idleMs, () => {
      // Between waits it is our reader who takes its time.
      if (this.#waiting) this.#end(new PassingFailure(`the server was silent for ${idleMs / 1000} s`));
    });
    this.signal.addEventListener('abort', () => this.#hangUp(), { once: true });
  }

  onGiveUp(hangUp: () => void): void {
    this.#hangUp = hangUp;
    if (this.signal.aborted) hangUp();
  }

  /** Waits for the server, with the time running. */
  async wait<T>(answer: Promise<T>): Promise<T> {
    this.#waiting = true;
    this.#alarm.refresh();
    try {
      return await answer;
    } finally {
      this.#waiting = false;
    }
  }

  /** The failure behind an error: hanging up shows as whatever error the stream makes of it. @throws what is none */
  failureOf(error: unknown): PassingFailure {
    const cause: unknown = this.#stop.signal.aborted ? this.#stop.signal.reason : error;
    if (cause instanceof PassingFailure) return cause;
    if (cause instanceof GleanerError) throw cause;
    return networkFailure(cause);
  }

  [Symbol.dispose](): void {
    this.#alarm.clear();
    this.#end(new Error('done'));
  }

  #end(reason: Error): void {
    this.#stop.abort(reason);
  }
}

/** Errors of certificates, which waiting does not mend. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/;

const CODES: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name of the host is not known',
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection broke',
};

/** What an error of a socket means. @throws an error that is none of a socket: a defect of ours, or a GleanerError */
function networkFailure(error: unknown): PassingFailure {
  if (!(error instanceof Error)) throw error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (code !== undefined && !code.startsWith('ERR_INVALID'))
    return new PassingFailure(`${CODES[code] ?? error.message} (${code})`, { cause: error });
  if (error.cause instanceof Error) return networkFailure(error.cause);
  throw error;
}

async function pause(
  object: RemoteObject,
  failure: PassingFailure,
  backoff: Backoff,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<void> {
  const askedMs = retryAfterMs(failure.retryAfter, clock.now());
  const waitMs = CERTIFICATE.test(failure.message) ? undefined : backoff.failed(askedMs);
  if (waitMs !== undefined) return clock.sleep(waitMs, signal);
  const tries = backoff.failures > 1 ? `, ${backoff.failures} times in a row` : '';
  const asked = askedMs ? `; it asks to come back in ${Math.ceil(askedMs / 1000)} s` : '';
  throw new GleanerError(
    'FILE_UNREADABLE',
    { path: object.name, problem: `${failure.message}${tries}${asked}` },
    { cause: failure },
  );
}

function assertSame(name: string, known: ObjectFacts, now: ObjectFacts): void {
  const other = (a: unknown, b: unknown) => a !== undefined && b !== undefined && a !== b;
  if (other(known.bytes, now.bytes))
    throw changed(name, `it changed while it was read, from ${known.bytes} to ${now.bytes} bytes`);
  if (other(known.version, now.version)) throw changed(name);
}

export function changed(name: string, problem = 'it changed while it was read'): GleanerError {
  return new GleanerError('FILE_UNREADABLE', { path: name, problem });
}

/**
 * The failure that a status of HTTP means, for a server of any kind. 403 is among those that may pass: Common Crawl
 * answers so where it is asked too fast.
 */
export function statusFailure(
  name: string,
  status: number,
  retryAfter: string | undefined,
): PassingFailure | GleanerError {
  if (status === 404 || status === 410)
    return new GleanerError('FILE_NOT_FOUND', { path: name, hint: `The server answered ${status}.` });
  const problem = `the server answered ${status}${STATUS_HINTS[status] ?? ''}`;
  const passing = status === 403 || status === 408 || status === 425 || status === 429 || status >= 500;
  if (passing && status !== 501 && status !== 505) return new PassingFailure(problem, { retryAfter });
  return new GleanerError('FILE_UNREADABLE', { path: name, problem });
}

const STATUS_HINTS: Readonly<Record<number, string>> = {
  401: ': it asks for a password, which is not supported',
  403: ': no such file, no permission, or too many requests',
  429: ': too many requests',
};
