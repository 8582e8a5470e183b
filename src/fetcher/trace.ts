import { AsyncLocalStorage } from 'node:async_hooks';
import type { FetchFacts } from '../schema/index.ts';

/** What something waits for, in the words of a detail. */
type Phase = 'robots.txt' | 'slot' | 'memory' | 'retry' | 'request';

/** Notes what happens to one URL, over all its redirects and retries. */
export class Trace {
  url: string;
  status: number | null = null;
  tries = 0;
  wireBytes = 0;
  /** Milliseconds in which a request was under way; the rest was waiting. */
  workMs = 0;
  dnsMs = 0;
  connectMs = 0;
  firstByteMs = 0;
  phase: Phase = 'slot';
  readonly #began = performance.now();

  constructor(url: string) {
    this.url = url;
  }

  facts(): FetchFacts {
    const totalMs = performance.now() - this.#began;
    return {
      status: this.status,
      finalUrl: this.url,
      tries: this.tries,
      wireBytes: this.wireBytes,
      queueMs: Math.max(0, Math.round(totalMs - this.workMs)),
      dnsMs: Math.round(this.dnsMs),
      connectMs: Math.round(this.connectMs),
      firstByteMs: Math.round(this.firstByteMs),
      totalMs: Math.round(totalMs),
    };
  }
}

/** The trace of the request that undici opens a connection for: nothing else says for which one it does. */
export const currentTrace = new AsyncLocalStorage<Trace>();
