import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '../../src/executors/fleet/database.ts';
import { localRun } from '../../src/executors/fleet/fleet-spec.ts';
import { QUEUES } from '../../src/executors/fleet/queues.ts';
import { submitRun } from '../../src/executors/fleet/submit.ts';
import { runVolunteer, type VolunteerOptions } from '../../src/executors/fleet/volunteer/run-volunteer.ts';
import {
  type AuditEvent,
  type AuditOptions,
  serveAudits,
} from '../../src/executors/fleet/volunteer/serve-audits.ts';
import type { VolunteerEvent } from '../../src/executors/fleet/volunteer/volunteer-machine.ts';
import { addVolunteer } from '../../src/executors/fleet/volunteer/volunteers.ts';
import type { RunLocallyOptions } from '../../src/executors/index.ts';
import { gzipMember } from '../../src/formats/index.ts';
import { coordinate } from '../../src/service/coordinator/index.ts';
import type { Listening } from '../../src/service/listen.ts';
import { watRecord } from '../support/crawl.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { workPlainly } from './plain-worker.ts';

/** Images of the crawl: most are kept, some do not match, some cannot be fetched. */
export const IMAGES = 60;
/** Tasks that they come to. */
export const TASKS = 3;

/** A fleet with a coordinator, and a web of pictures: all on loopback. */
export interface VolunteerFleet extends AsyncDisposable {
  readonly database: Database;
  readonly postgres: Postgres;
  readonly origin: ImageOrigin;
  readonly coordinator: Listening;
  readonly folder: string;
  /** What a user names, but for where it goes. */
  readonly named: Omit<RunLocallyOptions, 'out'>;
  /** What the coordinator could not do. */
  readonly errors: unknown[];
  /** Submits a run and works on it up to the harvest. @returns its id */
  submitted(out: string, change?: Partial<RunLocallyOptions>): Promise<string>;
  /** @returns a token */
  volunteer(name: string): Promise<string>;
  /** Runs a volunteer's machine until there is nothing more for it. */
  lend(token: string, options?: Partial<VolunteerOptions>): Promise<VolunteerEvent[]>;
  /** Audits what there is. */
  audit(options?: Partial<AuditOptions>): Promise<AuditEvent[]>;
  /** Works on all that is no harvest, until there is nothing more. */
  finish(): Promise<void>;
  /** The same, the harvest too. */
  work(): Promise<void>;
}

export async function startVolunteerFleet(): Promise<VolunteerFleet> {
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-volunteers-'));
  const postgres = await startPostgres();
  const database = await Database.open(postgres.url);
  const origin = await startImageOrigin();
  const urlOf = (n: number) => {
    if (n % 11 === 5) return origin.odd('missing').replace('x', String(n));
    return n % 7 === 2 ? origin.marked(n, 'harmless') : origin.image(n);
  };
  const images = Array.from({ length: IMAGES }, (_, n) => ({
    url: urlOf(n),
    alt: `A ${n % 4 === 0 ? 'white ball' : 'picture of a circle on a coloured ground'}${', and more'.repeat(n % 9)}`,
  }));
  const wat = join(folder, 'crawl.warc.wat.gz');
  await writeFile(wat, gzipMember(watRecord('http://site.example/', images)));
  const named: Omit<RunLocallyOptions, 'out'> = {
    recipe: 'everything',
    overrides: {
      fetch: { retries: 0 },
      harvest: { pairsPerTask: Math.ceil(IMAGES / TASKS), recordTime: false },
      score: { batchSize: 5, minSimilarity: 0.05 },
      release: { parts: 2 },
    },
    wats: [wat],
    allowHosts: [origin.host],
  };
  const errors: unknown[] = [];
  const coordinator = await coordinate(database, {
    port: 0,
    onError: (error) => errors.push(error),
    tendMs: 200,
  });
  const otherQueues = QUEUES.filter((queue) => queue !== 'harvest' && queue !== 'audit');
  return {
    ...{ database, postgres, origin, coordinator, folder, named, errors },
    async submitted(out, change = {}) {
      const { run } = await submitRun(database, { ...named, ...change, out });
      await workPlainly(database, undefined, otherQueues);
      return run;
    },
    volunteer: (name) => addVolunteer(database, name),
    async lend(token, options = {}) {
      const events: VolunteerEvent[] = [];
      await runVolunteer({
        coordinator: coordinator.url,
        token,
        workers: 2,
        cache: join(folder, 'cache'),
        allowHosts: [origin.host],
        signal: new AbortController().signal,
        exitWhenIdleMs: 100,
        patienceMs: 2_000,
        onEvent: (event) => events.push(event),
        ...options,
      });
      return events;
    },
    async audit(options = {}) {
      const events: AuditEvent[] = [];
      await serveAudits(database, {
        environmentOf: async ({ spec, location, fingerprint }) => ({
          spec: localRun(spec, location, ({ named: path }) => path),
          ...{ root: location, fingerprint },
        }),
        signal: new AbortController().signal,
        once: true,
        onEvent: (event) => events.push(event),
        ...options,
      });
      return events;
    },
    async finish() {
      await workPlainly(database, undefined, otherQueues);
    },
    async work() {
      await workPlainly(database);
    },
    async [Symbol.asyncDispose]() {
      await coordinator.close();
      await database[Symbol.asyncDispose]();
      await postgres[Symbol.asyncDispose]();
      await origin.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
