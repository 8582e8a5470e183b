import type { Logger } from 'pino';
import type { Database } from '../database.ts';
import { serveAudits } from '../volunteer/serve-audits.ts';
import type { RunCopies } from './run-copies.ts';
import type { WorkerIdentity } from './worker-row.ts';

/**
 * Checks what volunteers have sent, in one process beside a worker's tasks, where it harvests: then it has what that takes.
 *
 * @param signal no more is begun, and what is under way is given back
 * @returns stops it, too
 */
export function auditBeside(
  { identity, log }: { readonly identity: WorkerIdentity; readonly log: Logger },
  database: Database,
  copies: RunCopies,
  signal: AbortSignal,
): () => Promise<void> {
  if (!identity.stages.includes('harvest')) return async () => undefined;
  const ending = new AbortController();
  const ended = serveAudits(database, {
    signal: AbortSignal.any([signal, ending.signal]),
    environmentOf: async ({ id }) => (await copies.of(id)).environment,
    onEvent: ({ event, ...facts }) => log.info(facts, `audit ${event}`),
    // A database that is away for too long ends the worker's own work as well, which says so.
  }).catch((error: unknown) => log.error({ problem: String(error) }, 'no more audits'));
  return () => {
    ending.abort();
    return ended;
  };
}
