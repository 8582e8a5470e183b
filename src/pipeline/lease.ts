import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';
import { isRunning } from './lock.ts';

const LOCK = '.lock';
/** How often the holder writes that it lives. */
const BEAT_MS = 15_000;
/** How often it is looked whether somebody else's lease changes, and after how many looks without a change it is taken over. */
const LOOK_MS = 5_000;
const STALE_LOOKS = 12;

/** How long it is tried to give it back. */
const RELEASE_MS = 10_000;

const leaseSchema = z.object({
  /** Of the holder: another for each. */
  id: z.string(),
  /** Counts up while the holder lives. */
  beat: z.int(),
  pid: z.int(),
  host: z.string(),
  /** What process numbers are unique in: a start of a machine, or a container on it. */
  machine: z.string(),
});
type Lease = z.infer<typeof leaseSchema>;

/** Ids of those that this process holds, or is about to. */
const held = new Set<string>();

/** The right to work below a root, alone. */
export interface Held {
  /** Aborted with an error for the user where it was lost: this machine stood still, and another took it over. */
  readonly lost: AbortSignal;
  /** Gives it back. */
  release(): Promise<void>;
}

/** @returns once `ms` have passed */
type Wait = (ms: number) => Promise<void>;

const wait: Wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Keeps a second process out of a storage that has no locks of its own. The holder writes again and again; a lease that is not
 * written for a minute, by the clock of who watches it, is taken over, and at once where its process ran on this machine
 * and is gone. Clocks of machines are not compared.
 *
 * @param waiting for tests, as `beatMs`
 * @throws GleanerError RUN_LOCKED; STORAGE_REFUSED where the store takes no conditional puts
 */
export async function takeLease(storage: Storage, waiting: Wait = wait, beatMs = BEAT_MS): Promise<Held> {
  const mine: Lease = { id: randomUUID(), beat: 0, pid: process.pid, host: hostname(), machine: machineId() };
  held.add(mine.id);
  try {
    if (!(await storage.put(LOCK, textOf(mine), { ifAbsent: true }))) await takeOver(storage, mine, waiting);
    await assertConditions(storage);
    return new HeldLease(storage, mine, beatMs);
  } catch (error) {
    held.delete(mine.id);
    throw error;
  }
}

/**
 * A store that takes a condition for nothing would let two attempts both win: looked at once, where there is an object that
 * may not be put again.
 */
async function assertConditions(storage: Storage): Promise<void> {
  const lease = await storage.read(LOCK);
  if (!(await storage.put(LOCK, lease, { ifAbsent: true }))) return;
  await storage.remove(LOCK);
  throw new GleanerError('STORAGE_REFUSED', {
    path: storage.location,
    problem: 'this store takes no conditional puts (If-None-Match), which runs rely on',
    hint: 'docs/storage.md says which stores do.',
  });
}

async function takeOver(storage: Storage, mine: Lease, waiting: Wait): Promise<void> {
  let first: string | undefined;
  for (let looks = 0; ; looks++) {
    const version = await storage.version(LOCK);
    if (version === undefined) {
      if (await storage.put(LOCK, textOf(mine), { ifAbsent: true })) return;
      continue;
    }
    first ??= version;
    const holder = await readLease(storage);
    if (version !== first) throw locked(storage, holder);
    const here = holder?.machine === mine.machine;
    const gone = here && !held.has(holder.id) && !isRunning(holder);
    if (gone || looks >= STALE_LOOKS) {
      if (await storage.put(LOCK, textOf(mine), { ifVersion: version })) return;
      throw locked(storage, await readLease(storage));
    }
    // Of this machine, and alive: it is not waited for.
    if (here) throw locked(storage, holder);
    await waiting(LOOK_MS);
  }
}

class HeldLease implements Held {
  readonly #storage: Storage;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #lease: Lease;
  #beating: Promise<void> = Promise.resolve();

  constructor(storage: Storage, lease: Lease, beatMs: number) {
    this.#storage = storage;
    this.#lease = lease;
    this.#timer = setInterval(() => {
      this.#beating = this.#beating.then(() => this.#beat()).catch(() => undefined);
    }, beatMs).unref();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    // A store that does not answer is not waited for: what is not given back now is taken over in a minute.
    const patience = new Promise<void>((resolve) => setTimeout(resolve, RELEASE_MS).unref());
    await Promise.race([this.#giveBack().catch(() => undefined), patience]);
    held.delete(this.#lease.id);
  }

  async #giveBack(): Promise<void> {
    await this.#beating;
    const holder = await readLease(this.#storage);
    if (holder?.id === this.#lease.id) await this.#storage.remove(LOCK);
  }

  /** Errors are left to the next beat: who cannot write this can write nothing else either. */
  async #beat(): Promise<void> {
    if (this.lost.aborted) return;
    const version = await this.#storage.version(LOCK);
    const holder = await readLease(this.#storage);
    if (version === undefined || holder?.id !== this.#lease.id) {
      this.#lost.abort(locked(this.#storage, holder));
      return;
    }
    const next = { ...this.#lease, beat: this.#lease.beat + 1 };
    if (await this.#storage.put(LOCK, textOf(next), { ifVersion: version })) this.#lease = next;
  }
}

async function readLease(storage: Storage): Promise<Lease | undefined> {
  try {
    return leaseSchema.parse(JSON.parse(new TextDecoder().decode(await storage.read(LOCK))));
  } catch (error) {
    // Gone by now, or no lease of ours.
    if (error instanceof GleanerError && error.code !== 'FILE_NOT_FOUND') throw error;
    return undefined;
  }
}

function textOf(lease: Lease): string {
  return JSON.stringify(lease);
}

function locked(storage: Storage, holder: Lease | undefined): GleanerError {
  const pid = holder ? `${holder.pid} on ${holder.host}` : 'unknown';
  return new GleanerError('RUN_LOCKED', { path: storage.location, pid });
}

function machineId(): string {
  return [
    hostname(),
    readOr(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    readOr(() => readlinkSync('/proc/self/ns/pid')),
  ].join(' ');
}

function readOr(read: () => string): string {
  try {
    return read();
  } catch {
    return ''; // No Linux.
  }
}
