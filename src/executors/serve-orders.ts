import { Journal } from './journal.ts';
import type { FromProcess, Order, ToProcess } from './orders.ts';
import { problemOf } from './problem.ts';

/** How an order tells of itself while it is worked on. */
export interface OrderHooks {
  readonly signal: AbortSignal;
  /** Rows done since the last call. */
  readonly progress: (done: number) => void;
  /** How far the order is, where it is all that there is: rows done, and the share of all that they are, 0 to 1. */
  readonly at: (done: number, share: number) => void;
  /** All rows of the order are begun: there is room for another. */
  readonly hungry: () => void;
  /** Writes down that an image is being worked on. @returns writes down that it has ended; to be called once */
  readonly journal: (index: number, row: number) => () => void;
  /** An image has been asked for. @returns that it has ended, whatever it came to; to be called once */
  readonly underWay: () => () => void;
}

/** What does the work in a process. */
export interface OrderRunner<O, R> {
  run(order: O, hooks: OrderHooks): Promise<R>;
  /** Longest wait for the answer to a request for an image, in milliseconds. @default any */
  readonly answerLimitMs?: number;
}

export interface ServeLimits {
  /** How often a sign of life is given, in milliseconds. */
  readonly aliveEveryMs: number;
  /**
   * An image that is worked on for longer, in milliseconds, ends the process: nothing else ends a decoder. The largest
   * image that a recipe lets through by default takes some seconds.
   */
  readonly imageMs: number;
}

const LIMITS: ServeLimits = { aliveEveryMs: 5_000, imageMs: 120_000 };
/** Progress is told together, at most so often, in milliseconds. */
const PROGRESS_EVERY_MS = 100;

/**
 * Makes this process one that `processExecutor` supervises: it works on the orders that it is sent, until it is ended.
 *
 * @param begin called once, with the environment of all orders
 */
export function serveOrders<O extends Order, E, R>(
  begin: (environment: E) => OrderRunner<O, R> | Promise<OrderRunner<O, R>>,
  limits: ServeLimits = LIMITS,
): void {
  let beginning: Promise<OrderRunner<O, R>> | undefined;
  let answerLimitMs = Number.POSITIVE_INFINITY;
  let journal: Journal | undefined;
  let rows = 0;
  let at: { readonly done: number; readonly share: number } | undefined;
  /** Milliseconds of signs of life, not of the clock: while a model computes, which may take minutes, there are none. */
  let lived = 0;
  let underWay = 0;
  /** When an image ended last, or was asked for while there was no other. */
  let moved = 0;
  const stops = new Map<number, AbortController>();

  async function open(environment: E): Promise<OrderRunner<O, R>> {
    const runner = await begin(environment);
    answerLimitMs = runner.answerLimitMs ?? answerLimitMs;
    return runner;
  }

  async function work(order: O): Promise<void> {
    const { index } = order;
    const stop = new AbortController();
    stops.set(index, stop);
    try {
      const runner = await beginning;
      stop.signal.throwIfAborted();
      const result = await runner?.run(order, {
        signal: stop.signal,
        progress: (done) => {
          rows += done;
        },
        at: (done, share) => {
          at = { done, share };
        },
        hungry: () => tell({ kind: 'hungry', index }),
        journal: (its, row) => journal?.begin(its, row, lived) ?? (() => undefined),
        underWay: () => {
          if (underWay++ === 0) moved = lived;
          return () => {
            underWay--;
            moved = lived;
          };
        },
      });
      tellRows();
      if (result) tell({ kind: 'ended', index, result });
    } catch (error) {
      tell({ kind: 'failed', index, ...problemOf(error) });
    } finally {
      stops.delete(index);
    }
  }

  function tell(message: FromProcess<R>, then: () => void = () => undefined): void {
    process.send?.(message, then);
  }

  function tellRows(): void {
    if (rows > 0) tell({ kind: 'done', rows });
    if (at) tell({ kind: 'at', ...at });
    rows = 0;
    at = undefined;
  }

  function lookForStuck(): void {
    const late = [...(journal?.entries() ?? [])].some(({ began }) => lived - began > limits.imageMs);
    if (late) endStuck(`an image was worked on for ${seconds(limits.imageMs)}`);
    const quietMs = answerLimitMs + limits.imageMs;
    if (underWay > 0 && lived - moved > quietMs) endStuck(`no image ended for ${seconds(quietMs)}`);
  }

  function endStuck(problem: string): void {
    tell({ kind: 'stuck', problem }, endNow);
  }

  process.on('message', (message: ToProcess<O, E>) => {
    if (message.kind === 'order') void work(message.order);
    else if (message.kind === 'stop') stops.get(message.index)?.abort(new Error('stopped'));
    else {
      journal = new Journal(message.journal);
      beginning = open(message.environment);
      beginning.catch((error: unknown) => {
        tell({ kind: 'refused', ...problemOf(error) });
      });
    }
  });
  // Without the process that began this one there is nobody to work for: what is half written is swept away later.
  process.on('disconnect', endNow);
  // Ctrl-C reaches all processes of a terminal: the one that began this one decides.
  process.on('SIGINT', () => undefined);
  setInterval(tellRows, PROGRESS_EVERY_MS);
  setInterval(() => {
    lived += limits.aliveEveryMs;
    tell({ kind: 'alive' });
    lookForStuck();
  }, limits.aliveEveryMs);
}

/** Not by exit(), which waits for the threads of decoders: one of them may never end. */
function endNow(): void {
  process.kill(process.pid, 'SIGKILL');
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
