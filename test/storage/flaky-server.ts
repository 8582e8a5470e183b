import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Alarm, Clock } from '../../src/storage/index.ts';

/** What the server does with one request. Without any of these it serves the object as it should. */
export interface Behaviour {
  /** Answers with this status and these headers, without the object. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Breaks the connection after so many bytes of the body. */
  readonly breakAfter?: number;
  /** Says no more after so many bytes of the body. */
  readonly stallAfter?: number;
  /** Says nothing at all. */
  readonly mute?: true;
  /** Knows no ranges. */
  readonly noRanges?: true;
  /** Honours ranges, but not the condition that comes with them. */
  readonly noConditions?: true;
  /** Serves this instead. */
  readonly object?: Uint8Array;
  readonly etag?: string | null;
  readonly lastModified?: string;
  /** Says this length. */
  readonly length?: number;
  /** Says no length. */
  readonly chunked?: true;
  /** Ends a part after so many bytes, and says so, as RFC 9110 allows. */
  readonly shortParts?: number;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly condition: string | undefined;
  readonly authorization: string | undefined;
}

/** A server of one object that does with each request what its script says next, and then what `always` says. */
export class FlakyServer implements AsyncDisposable {
  object: Uint8Array = new Uint8Array();
  script: Behaviour[] = [];
  always: Behaviour = {};
  readonly asked: Asked[] = [];
  /** Called where it falls silent, and where somebody asks. */
  onSilence: () => void = () => undefined;
  onAsked: () => void = () => undefined;
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));

  static async start(): Promise<FlakyServer> {
    const flaky = new FlakyServer();
    await new Promise<void>((resolve) => flaky.#server.listen(0, '127.0.0.1', resolve));
    return flaky;
  }

  get origin(): string {
    const address = this.#server.address();
    if (typeof address !== 'object' || !address) throw new Error('it does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Forgets what was asked. */
  serve(object: Uint8Array, script: Behaviour[] = [], always: Behaviour = {}): void {
    this.object = object;
    this.script = [...script];
    this.always = always;
    this.asked.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { range, authorization } = request.headers;
    const condition = request.headers['if-range'] ?? request.headers['if-match'];
    const { method = '', url: path = '' } = request;
    this.asked.push({ method, path, range, condition: condition as string | undefined, authorization });
    this.onAsked();
    const behaviour = { ...this.always, ...this.script.shift() };
    response.on('error', () => undefined);
    if (behaviour.mute) {
      this.onSilence();
      return;
    }
    if (behaviour.status !== undefined) {
      response.writeHead(behaviour.status, behaviour.headers).end();
      return;
    }
    const object = behaviour.object ?? this.object;
    const etag = behaviour.etag === undefined ? `"${object.length}"` : behaviour.etag;
    if (etag !== null) response.setHeader('ETag', etag);
    if (behaviour.lastModified !== undefined) response.setHeader('Last-Modified', behaviour.lastModified);

    const same = condition === undefined || condition === etag || behaviour.noConditions === true;
    if (request.headers['if-match'] !== undefined && !same) {
      response.writeHead(412).end();
      return;
    }
    const [, from] = (!behaviour.noRanges && same && /^bytes=(\d+)-$/.exec(range ?? '')) || [];
    const start = Number(from ?? 0);
    if (from !== undefined && start >= object.length) {
      response.writeHead(416, { 'Content-Range': `bytes */${object.length}` }).end();
      return;
    }
    const end =
      from === undefined
        ? object.length
        : Math.min(object.length, start + (behaviour.shortParts ?? object.length));
    if (from !== undefined) {
      response.statusCode = 206;
      response.setHeader('Content-Range', `bytes ${start}-${end - 1}/${object.length}`);
    }
    if (!behaviour.chunked) response.setHeader('Content-Length', behaviour.length ?? end - start);
    const stop = Math.min(end - start, behaviour.breakAfter ?? behaviour.stallAfter ?? end - start);
    response.flushHeaders();
    if (method === 'HEAD') {
      response.end();
      return;
    }
    const given = object.subarray(start, start + stop);
    if (behaviour.breakAfter !== undefined) response.write(given, () => response.socket?.destroy());
    else if (behaviour.stallAfter !== undefined) response.write(given, () => this.onSilence());
    else if (behaviour.length !== undefined) response.write(given, () => response.socket?.end());
    else response.end(given);
  }
}

/** A clock on which no time passes: waits are noted, and an alarm rings where the server has fallen silent. */
export class TestClock implements Clock {
  readonly waits: number[] = [];
  /** What comes for random numbers. */
  chance = 0.5;
  #silent = false;
  readonly #alarms = new Set<() => void>();

  constructor(server: FlakyServer) {
    server.onSilence = () => {
      this.#silent = true;
      this.ring();
    };
    server.onAsked = () => {
      this.#silent = false;
    };
  }

  ring(): void {
    for (const ring of this.#alarms) ring();
  }

  now(): number {
    return Date.UTC(2026, 0, 1);
  }

  random(): number {
    return this.chance;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.waits.push(ms);
  }

  alarm(_ms: number, ring: () => void): Alarm {
    this.#alarms.add(ring);
    return {
      refresh: () => {
        if (this.#silent) setImmediate(() => this.#silent && this.#alarms.has(ring) && ring());
      },
      clear: () => {
        this.#alarms.delete(ring);
        this.#silent = false;
      },
    };
  }
}

/** Bytes that no two places of have in common. */
export function someBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = seed;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    bytes[i] = x >>> 16;
  }
  return bytes;
}
