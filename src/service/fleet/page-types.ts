// What the fleet's page and its service say to each other. Types only: the page is built from this file too.
import type { FleetStatus } from '../../executors/fleet/status/types.ts';

export type {
  FleetStatus,
  ProblemGroup,
  RunStatus,
  StageStatus,
  VolunteerStatus,
  WorkerStatus,
} from '../../executors/fleet/status/types.ts';

/** Answer of GET /api/status. */
export interface PageStatus {
  readonly status: FleetStatus;
  /** Of each run that is under way, by its id: the last hour, or since the service began. */
  readonly history: Readonly<Record<string, readonly RateSample[]>>;
  /** Whether strangers may read it: hosts, locations and messages are left out. */
  readonly isPublic: boolean;
}

/** How fast a stage was, every 10 seconds. */
export interface RateSample {
  /** Milliseconds since 1970, by the database. */
  readonly at: number;
  readonly stage: string;
  readonly perSecond: number;
}
