import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Exchange } from './exchange.ts';

export type Result = Awaited<ReturnType<Exchange>>;

/** Takes a body as it comes. */
export interface BodyTaker {
  /** @returns undefined, or what has to be waited for before there is more */
  take(chunk: Uint8Array): Promise<void> | undefined;
  /** The body is whole. */
  end(): Result | Promise<Result>;
  /** Called once, whatever came of it: after `end`, after an error, or where it was enough. */
  close?(): void;
}

/**
 * Told of the head of the response, and decides what becomes of its body.
 * @param enough ends the response here, with this result
 */
export type Begin = (
  status: number,
  headers: IncomingHttpHeaders,
  enough: (result: Result) => void,
) => BodyTaker;

/** Why undici has to give up a response of which enough is known. */
const ENOUGH = new Error('Enough of the response has been read.');

/**
 * Receives one response from undici, without the streams and promises for every piece that its `request` makes:
 * these cost as much as the rest of the way.
 */
export class Reception implements Dispatcher.DispatchHandler {
  /** Rejects with undici's error, or the one given to `abort`. */
  readonly result: Promise<Result>;
  readonly #begin: Begin;
  readonly #resolve: (result: Result | Promise<Result>) => void;
  readonly #reject: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #taker: BodyTaker | undefined;
  #aborted: Error | undefined;

  constructor(begin: Begin) {
    this.#begin = begin;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.result = promise;
    // It may fail before anybody looks, or when nobody does any more.
    promise.catch(() => {});
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Gives it up, even where no connection stands yet. What comes after the end is of no effect. */
  abort(error: Error): void {
    if (this.#aborted) return;
    this.#aborted = error;
    this.#reject(error);
    this.#close();
    this.#controller?.abort(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted) controller.abort(this.#aborted);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200 || this.#aborted) return;
    this.#taker = this.#begin(status, headers, (result) => {
      this.#resolve(result);
      this.abort(ENOUGH);
    });
    if (this.#aborted) this.#close();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const wait = this.#aborted ? undefined : this.#taker?.take(chunk);
    if (!wait) return;
    controller.pause();
    wait.then(
      () => controller.resume(),
      (error: unknown) => this.abort(asError(error)),
    );
  }

  onResponseEnd(): void {
    if (this.#aborted || !this.#taker) return;
    this.#resolve(this.#taker.end());
    this.#close();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error);
    this.#close();
  }

  #close(): void {
    const taker = this.#taker;
    this.#taker = undefined;
    taker?.close?.();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
