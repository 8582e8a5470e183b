import type { CoordinatorClient } from './coordinator-client.ts';
import type { Outside } from './outside.ts';
import type { Loan } from './protocol.ts';

/** What happened on a volunteer's machine, for its owner to read. */
export interface VolunteerEvent {
  readonly event: 'begun' | 'sent' | 'refused' | 'failed' | 'lost' | 'waiting' | 'ending';
  /** Of the task. */
  readonly index?: number;
  readonly pairs?: number;
  readonly problem?: string;
}

/** A machine that is lent, and what it works with. */
export interface VolunteerMachine {
  readonly client: CoordinatorClient;
  readonly outside: Outside;
  /** Processes that harvest side by side. */
  readonly workers: number;
  readonly cache: string;
  readonly allowHosts: readonly string[];
  readonly processFile?: URL | undefined;
  /** Whether no more is to be begun. */
  readonly draining: boolean;
  /** How long to wait before it asks again, in milliseconds. */
  readonly waitMs: number;
  /** Asks for a task, and looks at it. @returns undefined where there is none now */
  lease(signal: AbortSignal): Promise<Loan | undefined>;
  tell(event: VolunteerEvent): void;
}
