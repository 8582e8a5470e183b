import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import type { Order } from '../../src/executors/orders.ts';
import { type OrderHooks, serveOrders } from '../../src/executors/serve-orders.ts';
import { GleanerError } from '../../src/schema/index.ts';

export interface SmallOrder extends Order {
  readonly way: 'at once' | 'no answer' | 'blocked' | 'endless' | 'refused' | 'until stopped';
}

/** A process whose orders are done at once or, as they say, stop it in one way or another. */
serveOrders<SmallOrder, { readonly log: string; readonly share: number }, string>(
  ({ log, share }) => {
    appendFileSync(log, `${process.pid}\n`);
    return {
      answerLimitMs: 300,
      async run({ way, fatal }: SmallOrder, { underWay, journal, hungry, signal }: OrderHooks) {
        if (way === 'refused') throw new GleanerError('DISK_FULL', { path: 'here', problem: 'ENOSPC' });
        if (way === 'until stopped') {
          hungry();
          await once(signal, 'abort');
          throw signal.reason;
        }
        const ended = underWay();
        if (way === 'no answer') await never();
        if (way === 'blocked') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        // The first image of three is worked on for ever; the others are done.
        for (const row of [0, 1, 2])
          if (!fatal.includes(row)) {
            const done = journal(0, row);
            if (way === 'endless' && row === 0) await never();
            done();
          }
        ended();
        return `of ${share}, without ${fatal.length}`;
      },
    };
  },
  { aliveEveryMs: 100, imageMs: 700 },
);

function never(): Promise<never> {
  return new Promise(() => undefined);
}
