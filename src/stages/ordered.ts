/**
 * Works on many items at once and gives the results in the order of the items, so that what follows does not depend
 * on which answer came first. At most `window` items are begun and not yet given out. Items are begun while the one who
 * asks is busy with results.
 *
 * @param admit awaited before an item is begun, and before the next is asked for
 * @throws what `work` throws, at that item's place in the order; what `items` or `admit` throw, after what was begun
 */
export async function* mapOrdered<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  window: number,
  work: (item: T) => Promise<R>,
  admit?: (item: T) => Promise<void>,
): AsyncGenerator<R, void, undefined> {
  const begun: Promise<R>[] = [];
  let given = 0;
  let ended: { readonly error?: unknown } | undefined;
  let stopped = false;
  let changed = Promise.withResolvers<void>();
  const change = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const begin = async (): Promise<void> => {
    for await (const item of items) {
      await admit?.(item);
      if (stopped) return;
      const result = work(item);
      result.catch(() => undefined); // It is thrown where it is awaited, below; until then it is not unhandled.
      begun.push(result);
      change();
      while (begun.length - given >= window && !stopped) await changed.promise;
    }
  };
  begin()
    .then(
      () => {
        ended = {};
      },
      (error: unknown) => {
        ended = { error };
      },
    )
    .finally(change);
  try {
    for (;;) {
      const next = begun[given];
      if (next) {
        const result = await next;
        given++;
        if (given === SPENT) {
          begun.splice(0, SPENT);
          given = 0;
        }
        change();
        yield result;
      } else if (!ended) await changed.promise;
      else if ('error' in ended) throw ended.error;
      else return;
    }
  } finally {
    stopped = true;
    change();
  }
}

/** All of them. */
export async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Results given out that are forgotten together: one by one would move all that wait behind them. */
const SPENT = 256;
