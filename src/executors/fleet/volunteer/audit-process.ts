import { availableParallelism } from 'node:os';
import { fetchDeadlineMs } from '../../../fetcher/index.ts';
import { loadEngines } from '../../../pipeline/engines.ts';
import { runStorage } from '../../../pipeline/index.ts';
import type { TaskEnvironment } from '../../../pipeline/run-task.ts';
import { Turnstile } from '../../../stages/budget.ts';
import type { Order } from '../../orders.ts';
import { type OrderHooks, serveOrders } from '../../serve-orders.ts';
import { type AuditedShard, auditShard, type Verdict } from './audit-shard.ts';

/** Something to audit, and what is known of its images. */
export interface AuditOrder extends Order {
  readonly shard: AuditedShard;
}

/** An audit meets pictures that somebody may have made to crash decoders: it runs in a process that may die. */
serveOrders<AuditOrder, TaskEnvironment, Verdict>(async ({ spec, root, share }) => {
  const engines = await loadEngines(spec, share, root);
  const turnstile = new Turnstile(1 + Math.max(1, Math.floor(availableParallelism() / share)));
  const { recipe } = spec;
  return {
    answerLimitMs: fetchDeadlineMs(recipe.fetch),
    run: ({ index, shard, suspects, fatal }: AuditOrder, { signal, progress, ...hooks }: OrderHooks) =>
      auditShard(runStorage(root), shard, {
        ...{ recipe, engines, signal, progress },
        watch: {
          suspects: new Set(suspects),
          fatal: new Set(fatal),
          turnstile,
          journal: (row) => hooks.journal(index, row),
          underWay: hooks.underWay,
          hungry: hooks.hungry,
        },
      }),
  };
});
