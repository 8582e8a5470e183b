import type { FleetStatus, ProblemGroup } from '../../executors/fleet/status/index.ts';

/** What strangers may read of a fleet: nothing of where it runs and lies, nor messages, which may say so. */
export function publicView(status: FleetStatus): FleetStatus {
  const withoutText = (group: ProblemGroup): ProblemGroup => ({ ...group, problem: null });
  return {
    ...status,
    runs: status.runs.map((run) => ({
      ...run,
      location: null,
      dead: run.dead.map(withoutText),
      retrying: run.retrying.map(withoutText),
    })),
    workers: status.workers.map((worker) => ({ ...worker, host: null })),
  };
}
