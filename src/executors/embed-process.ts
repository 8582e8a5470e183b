import type { EmbedSummary } from '../pipeline/embed/run.ts';
import { EmbedRunner, type EmbedWork } from '../pipeline/embed/runner.ts';
import type { Order } from './orders.ts';
import { serveOrders } from './serve-orders.ts';

serveOrders<Order, EmbedWork, EmbedSummary>(async (work) => {
  const runner = await EmbedRunner.open(work);
  return {
    run: ({ index, suspects, fatal }, { signal, at, journal }) =>
      runner.run({
        signal,
        suspects: new Set(suspects),
        fatal: new Set(fatal),
        journal: (row) => journal(index, row),
        onProgress: ({ done, share }) => at(done, share),
      }),
  };
});
