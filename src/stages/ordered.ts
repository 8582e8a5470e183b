/**
 * Works on many items at once and gives the results in the order of the items, so that what follows does not depend
 * on which answer came first. At most `window` items are begun and not yet given out.
 *
 * @throws what `work` throws, at that item's place in the order
 */
export async function* mapOrdered<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  window: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const begun: Promise<R>[] = [];
  for await (const item of items) {
    const result = work(item);
    result.catch(() => undefined); // It is thrown where it is awaited, below; until then it is not unhandled.
    begun.push(result);
    if (begun.length >= window) yield await (begun.shift() as Promise<R>);
  }
  for (const result of begun) yield await result;
}

/** Groups consecutive items: arrays of `size`, the last one maybe shorter. */
export async function* batched<T>(
  items: AsyncIterable<T>,
  size: number,
): AsyncGenerator<T[], void, undefined> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
