import type { Logger } from 'pino';
import type { Database } from '../database.ts';
import { serveAudits } from '../volunteer/serve-audits.ts';
import type { RunCopies } from './run-copies.ts';

/** Checks what volunteers have sent, in one process beside a worker's tasks, until it is stopped. */
export async function auditBeside(
  database: Database,
  copies: RunCopies,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  await serveAudits(database, {
    signal,
    environmentOf: async ({ id }) => (await copies.of(id)).environment,
    onEvent: ({ event, ...facts }) => log.info(facts, `audit ${event}`),
  });
}
