import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GLEANER_VERSION } from '../../../config/index.ts';
import { GleanerError } from '../../../schema/index.ts';
import { acceptLoan } from './accept-loan.ts';
import { CoordinatorClient } from './coordinator-client.ts';
import { hostPort, isLoopbackName, Outside } from './outside.ts';
import { HEARTBEAT_EVERY_SECONDS, type Loan, MAX_SLOTS } from './protocol.ts';
import type { VolunteerEvent, VolunteerMachine } from './volunteer-machine.ts';
import { VolunteerSession } from './volunteer-session.ts';

export interface VolunteerOptions {
  /** https://HOST of the coordinator; http: on this machine alone. */
  readonly coordinator: string;
  readonly token: string;
  /** Processes. @default the number of cores */
  readonly workers?: number | undefined;
  /** Where models and work lie. @default below the system's temporary folder */
  readonly cache?: string | undefined;
  /** HOST:PORT pairs that may be asked although their address is not public. @default none but the coordinator itself */
  readonly allowHosts?: readonly string[] | undefined;
  /** Aborted: it takes no more, and what is not done within `graceMs` is given back. */
  readonly signal: AbortSignal;
  /** @default 25_000 */
  readonly graceMs?: number | undefined;
  /** Ends when there was nothing to do for so long, in milliseconds. @default never */
  readonly exitWhenIdleMs?: number | undefined;
  readonly onEvent?: (event: VolunteerEvent) => void;
  /** Called with a line that its owner should read. */
  readonly onNotice?: (line: string) => void;
  /** A coordinator that is away is asked again for so long, in milliseconds. @default 600_000 */
  readonly patienceMs?: number;
  /** What runs in a process. @default gleaner's own; tests name another */
  readonly processFile?: URL;
}

const GRACE_MS = 25_000;
/** How long giving back may take at the end, in milliseconds. */
const FAREWELL_MS = 5_000;

/**
 * Lends this machine to a coordinator: harvests what it is given and sends back what came of it, until it is stopped.
 *
 * @throws GleanerError USAGE; TOKEN_REFUSED, WORKER_BLOCKED, COORDINATOR_REFUSED
 */
export async function runVolunteer(options: VolunteerOptions): Promise<void> {
  const url = coordinatorUrl(options.coordinator);
  const { signal, graceMs = GRACE_MS, allowHosts = [], exitWhenIdleMs } = options;
  await using outside = new Outside([...allowHosts, hostPort(url)]);
  const client = new CoordinatorClient({
    ...{ url, token: options.token, outside },
    patienceMs: options.patienceMs,
  });
  const name = randomBytes(8).toString('hex');
  const cache = options.cache ?? join(tmpdir(), 'gleaner-volunteer');
  const root = join(cache, 'work', name);
  const stop = new AbortController();
  const told = new Set<string>();
  const machine: VolunteerMachine & { waitMs: number } = {
    ...{ client, outside, cache, allowHosts },
    workers: Math.min(MAX_SLOTS, options.workers ?? availableParallelism()),
    processFile: options.processFile,
    get draining() {
      return signal.aborted;
    },
    waitMs: 0,
    async lease(asking) {
      const slots = machine.workers;
      const answer = await client.lease({ machine: name, version: GLEANER_VERSION, slots }, asking);
      for (const note of answer.notes) {
        if (told.has(note)) continue;
        told.add(note);
        options.onNotice?.(note);
      }
      machine.waitMs = Math.max(1, answer.wait) * 1000;
      if (answer.task) acceptLoan(answer.task, url.origin);
      return answer.task ?? undefined;
    },
    tell: (event) => options.onEvent?.(event),
  };
  const session = { now: new VolunteerSession(machine, root) };
  const beat = setInterval(() => void heartbeat(session.now), HEARTBEAT_EVERY_SECONDS * 1000);
  const drain = () => {
    machine.tell({ event: 'ending' });
    setTimeout(() => stop.abort(new Error('stopped')), graceMs).unref();
  };
  if (signal.aborted) drain();
  else signal.addEventListener('abort', drain, { once: true });
  let next: Loan | undefined;
  try {
    let idleSince = performance.now();
    while (!signal.aborted) {
      next ??= await machine.lease(AbortSignal.any([signal, stop.signal]));
      if (next) {
        session.now = new VolunteerSession(machine, root);
        const first = next;
        next = undefined;
        next = await session.now.run(first, stop.signal);
        idleSince = performance.now();
        continue;
      }
      machine.tell({ event: 'waiting' });
      if (exitWhenIdleMs !== undefined && performance.now() - idleSince >= exitWhenIdleMs) return;
      const waitMs = Math.min(machine.waitMs, exitWhenIdleMs ?? Number.POSITIVE_INFINITY);
      await sleep(Math.max(50, waitMs * (0.75 + Math.random() / 2)), undefined, { signal });
    }
  } catch (error) {
    // Stopped: what was asked for, or worked on, just ends.
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(beat);
    signal.removeEventListener('abort', drain);
    const farewell = AbortSignal.timeout(FAREWELL_MS);
    await session.now.giveBack(farewell).catch(() => undefined);
    if (next) await client.giveBack([next.lease], farewell).catch(() => undefined);
    await rm(root, { recursive: true, force: true });
  }

  async function heartbeat(current: VolunteerSession): Promise<void> {
    const open = [...current.open.values()].filter(({ lost }) => !lost);
    const leases = open.map(({ loan }, i) => ({ lease: loan.lease, done: i === 0 ? current.done : 0 }));
    // One that fails is followed by another; what is wrong for good is said when a task is asked for.
    const lost = await client
      .heartbeat(name, leases, AbortSignal.timeout(HEARTBEAT_EVERY_SECONDS * 1000))
      .catch((): readonly string[] => []);
    for (const one of open) {
      if (!lost.includes(one.loan.lease)) continue;
      one.lost = true;
      machine.tell({ event: 'lost', index: one.loan.index });
    }
  }
}

/** @throws GleanerError USAGE */
function coordinatorUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '')
    throw new GleanerError('USAGE', {
      problem: "'--coordinator' takes https://HOST, as whoever runs it has told you.",
    });
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackName(url.hostname))) return url;
  throw new GleanerError('USAGE', {
    problem: `--coordinator ${url.origin}: is not https. A token does not go over plain HTTP.`,
  });
}
