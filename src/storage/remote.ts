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
  /**
   * Asks for the bytes [start, end) (no `end`: all that follow); of that version where the server can tell, whatever it
   * has otherwise. More than these may come.
   */
  get(
    start: number,
    version: string | undefined,
    signal: AbortSignal,
    end?: number | undefined,
  ): Promise<ObjectReply>;
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

/** How patient it is with a server, and until when. */
export interface AskOptions {
  readonly retry?: RetryOptions;
  /** A server that says nothing for so long, in milliseconds, is hung up on and asked again. @default 60000 */
  readonly idleMs?: number;
  readonly signal?: AbortSignal;
  /** @default the system's */
  readonly clock?: Clock;
  /** What it is called that a server did not do when patience ended. @default 'FILE_UNREADABLE' */
  readonly failure?: 'FILE_UNREADABLE' | 'FILE_FAILED';
}

export interface RemoteOptions extends AskOptions {
  /** Go on from here: only what comes after is given, and an object that is another one by now is an error. */
  readonly from?: RemoteBookmark | undefined;
  /** The byte to end before. @default the object's end */
  readonly end?: number;
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
  const { end = Number.POSITIVE_INFINITY } = options;
  if (position >= end) return;

  for (;;) {
    using attempt = new Attempt(options, clock);
    let failure: PassingFailure;
    try {
      const reply = await attempt.wait(
        object.get(position, facts?.strong ? facts.version : undefined, attempt.signal, options.end),
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
        // More than was asked for; up to there it is waited for, so that the connection can be used again.
        if (position === end) return;
        let chunk = next.value;
        if (skip > 0) {
          const before = chunk.subarray(0, skip);
          skipped = crc32(before, skipped);
          skip -= before.length;
          chunk = chunk.subarray(before.length);
          if (skip === 0 && reply.start === 0 && !facts.strong && skipped !== checksum)
            throw changed(object.name);
        }
        if (chunk.length > end - position) chunk = chunk.subarray(0, end - position);
        if (chunk.length === 0) continue;
        position += chunk.length;
        if (!facts.strong) checksum = crc32(chunk, checksum);
        backoff.progress(chunk.length);
        yield chunk;
      }
      if (position === end) return;
      if (facts.bytes === undefined ? skip === 0 : position === facts.bytes) return;
      if (position > (facts.bytes ?? position) || (skip > 0 && facts.bytes === undefined))
        throw changed(object.name);
      failure = new PassingFailure(`the connection ended at byte ${position} of ${facts.bytes}`);
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = attempt.failureOf(error);
      if (position === end) return;
    }
    await pause(object.name, failure, backoff, clock, options);
  }
}

/** Size and version of a remote object. @throws as streamRemote */
export async function remoteFacts(object: RemoteObject, options: AskOptions = {}): Promise<ObjectFacts> {
  return askAgain(object.name, (signal) => object.head(signal), options);
}

/**
 * Asks a server for something, and again where that may help.
 *
 * @param name what messages call it
 * @param ask throws PassingFailure, or an error of a socket, for what may pass; the number of earlier tries comes along
 * @throws GleanerError where patience ends, and what else `ask` throws
 */
export async function askAgain<T>(
  name: string,
  ask: (signal: AbortSignal, before: number) => Promise<T>,
  options: AskOptions = {},
): Promise<T> {
  const clock = options.clock ?? systemClock;
  const backoff = new Backoff(options.retry ?? {}, clock);
  for (;;) {
    options.signal?.throwIfAborted();
    using attempt = new Attempt(options, clock);
    let failure: PassingFailure;
    try {
      return await attempt.wait(ask(attempt.signal, backoff.failures));
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = attempt.failureOf(error);
    }
    await pause(name, failure, backoff, clock, options);
  }
}

/** One connection: hung up on when the server says nothing for too long, when it is done with, or when told to. */
class Attempt implements Disposable {
  readonly #stop = new AbortController();
  readonly #alarm;
  readonly signal: AbortSignal;
  #waiting = false;
  #hangUp: () => void = () => undefined;

  constructor({ idleMs = 60_000, signal }: AskOptions, clock: Clock) {
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

  /** What was answered in full leaves a connection that can be used again; any other is closed. */
  [Symbol.dispose](): void {
    this.#alarm.clear();
    this.#hangUp();
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
  name: string,
  failure: PassingFailure,
  backoff: Backoff,
  clock: Clock,
  options: AskOptions,
): Promise<void> {
  const askedMs = retryAfterMs(failure.retryAfter, clock.now());
  const waitMs = CERTIFICATE.test(failure.message) ? undefined : backoff.failed(askedMs);
  if (waitMs !== undefined) return clock.sleep(waitMs, options.signal);
  const tries = backoff.failures > 1 ? `, ${backoff.failures} times in a row` : '';
  const asked = askedMs ? `; it asks to come back in ${Math.ceil(askedMs / 1000)} s` : '';
  throw new GleanerError(
    options.failure ?? 'FILE_UNREADABLE',
    { path: name, problem: `${failure.message}${tries}${asked}` },
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
