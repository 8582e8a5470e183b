import type { FetchedImage } from './image.ts';
import type { Dropped, Kept } from './outcome.ts';

/**
 * What it took to fetch one URL, over all its redirects and retries. robots.txt is not counted: it is fetched for a
 * host, not for a URL, and waiting for it is part of `queueMs`.
 */
export interface FetchFacts {
  /** HTTP status of the last answer, null where there was none. */
  readonly status: number | null;
  /** The URL asked last: the one that answered, or that failed to. */
  readonly finalUrl: string;
  /** Requests sent: redirects and retries count, each. 0 where nothing was asked. */
  readonly tries: number;
  /** Bytes of bodies as sent, before content encodings were removed, unwanted ones included. */
  readonly wireBytes: number;
  /** Waiting for a slot, for robots.txt, for the domain to be ready again and before retries. Whole milliseconds. */
  readonly queueMs: number;
  /** Resolving names; 0 where a cache or an open connection had it. */
  readonly dnsMs: number;
  /** TCP and TLS; 0 where an open connection was used. */
  readonly connectMs: number;
  /** From the requests to the heads of their responses, connecting not counted. */
  readonly firstByteMs: number;
  /** From the call to its outcome. */
  readonly totalMs: number;
}

/** An image or the reason why there is none; from the web, with the facts of getting it. */
export type FetchOutcome = (Kept<FetchedImage> | Dropped) & { readonly facts?: FetchFacts };
