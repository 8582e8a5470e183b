import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * What the work for a request needs to know of it, however deep: kept beside the calls and not in their arguments, since
 * searches, models and stores have nothing to do with who asks.
 */
export interface RequestContext {
  /** Aborted when the client has gone, or its time is over. */
  readonly signal: AbortSignal;
  /** Takes from the client what the request turns out to cost beyond its route's price, in searches. */
  readonly charge: (cost: number) => void;
}

export const requestContext = new AsyncLocalStorage<RequestContext>();
