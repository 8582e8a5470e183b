import type { RecordWithTtl } from 'node:dns';
import { Resolver as DnsClient, lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { Slots } from '../storage/index.ts';
import type { Clock } from './clock.ts';
import { HOSTS_FILE, readHostsFile } from './hosts-file.ts';
import { LruMap } from './lru.ts';
import { DnsFailure, type Resolve, type ResolvedAddress } from './resolve.ts';

/** What bounds, and what guides, the resolving of names. */
export interface DnsSettings {
  /** Servers to ask: addresses, with ':PORT' where it is not 53. Empty: those of the system. */
  readonly servers: readonly string[];
  /** Names that are asked for at once. */
  readonly concurrency: number;
  /** For one server's first answer, in milliseconds; it is asked twice, the second time for twice as long. */
  readonly timeoutMs: number;
  /** An address is used for at least so long, whatever its time to live says, in milliseconds. */
  readonly minTtlMs: number;
  /** And for at most so long, in milliseconds. */
  readonly maxTtlMs: number;
  /** That there is no such name is believed for so long, in milliseconds. */
  readonly negativeTtlMs: number;
  /** Names whose answers are remembered. */
  readonly cacheEntries: number;
}

export const DNS_DEFAULTS: DnsSettings = {
  servers: [],
  concurrency: 256,
  timeoutMs: 2_000,
  minTtlMs: 60_000,
  maxTtlMs: 3_600_000,
  // RFC 2308, 5: hours make trouble, "one to three hours" at most; c-ares does not hand out the zone's own figure.
  negativeTtlMs: 300_000,
  cacheEntries: 100_000,
};

/** c-ares sends a question so many times. */
const TRIES = 2;

/** RFC 2308, 7.1: a failure of the server is not believed for longer than five minutes. */
const MAX_FAILURE_TTL_MS = 300_000;

export interface Resolver {
  readonly resolve: Resolve;
  /** Gives up what was asked; who waits is rejected. */
  close(): void;
}

type Addresses = readonly ResolvedAddress[];

/** An answer on its way, or one that is there. */
interface Entry {
  readonly answer: Promise<Addresses>;
  /** By the clock; infinite while the answer is on its way. */
  expires: number;
  /** Failures of the server in a row, this one included. */
  failures: number;
}

interface Answer {
  readonly addresses: Addresses;
  readonly ttlMs: number;
}

/**
 * Resolves names with a cache of its own. A name that is asked for many times at once is asked for once. Names of the
 * hosts file come from there; those that servers do not know by design (without a dot, `.local`, `.localhost`) are
 * left to the operating system.
 */
export function createResolver(
  settings: DnsSettings,
  clock: Clock,
  hostsFile: string = HOSTS_FILE,
): Resolver {
  const { minTtlMs, maxTtlMs, negativeTtlMs } = settings;
  const hosts = readHostsFile(hostsFile);
  const ask = createQuery(settings);
  const cache = new LruMap<string, Entry>(settings.cacheEntries);
  const slots = new Slots(settings.concurrency);

  const begin = (host: string, failures: number): Entry => {
    const asked = slots.use(() => ask.query(host));
    const entry: Entry = {
      answer: asked.then(({ addresses }) => addresses),
      expires: Number.POSITIVE_INFINITY,
      failures,
    };
    asked.then(
      ({ ttlMs }) => {
        entry.failures = 0;
        entry.expires = clock.now() + Math.min(maxTtlMs, Math.max(minTtlMs, ttlMs));
      },
      (error: unknown) => {
        const passing = !(error instanceof DnsFailure) || error.passing;
        entry.failures = passing ? failures + 1 : 0;
        entry.expires = clock.now() + (passing ? failureTtlMs(entry.failures) : negativeTtlMs);
      },
    );
    return entry;
  };

  return {
    resolve: (name) => {
      const host = name.toLowerCase().replace(/\.$/, '');
      const own = hosts.get(host);
      if (own) return Promise.resolve(own);
      const known = cache.get(host);
      if (known && known.expires > clock.now()) return known.answer;
      const entry = begin(host, known?.failures ?? 0);
      cache.set(host, entry);
      return entry.answer;
    },
    close: ask.cancel,
  };
}

/** One failure may be chance, and a retry is to ask again; from the second on it is believed for a while. */
function failureTtlMs(failures: number): number {
  return failures < 2 ? 0 : Math.min(MAX_FAILURE_TTL_MS, 5_000 * 2 ** (failures - 2));
}

interface Query {
  /** @throws DnsFailure */
  query(host: string): Promise<Answer>;
  cancel(): void;
}

function createQuery({ servers, timeoutMs }: DnsSettings): Query {
  const resolver = new DnsClient({ timeout: timeoutMs, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  const families = preferredFamilies();

  const byServer = async (host: string): Promise<Answer> => {
    for (const family of families) {
      try {
        const found = await resolver[family === 4 ? 'resolve4' : 'resolve6'](host, { ttl: true });
        if (found.length > 0) return answerOf(found, family);
      } catch (error) {
        const failure = dnsFailure(error);
        // A name without an address of this kind may have one of the other; any other failure holds for both.
        if (failure.message !== 'no address') throw failure;
      }
    }
    throw new DnsFailure('no address', false);
  };

  return {
    query: async (host) => {
      if (isLocalName(host)) return bySystem(host);
      try {
        return await byServer(host);
      } catch (error) {
        // No server is configured where c-ares looks for one: the system may know another way.
        const unreachable = error instanceof DnsFailure && error.message === 'ECONNREFUSED';
        if (unreachable && servers.length === 0) return bySystem(host);
        throw error;
      }
    },
    cancel: () => resolver.cancel(),
  };
}

/**
 * The kinds of address in the order in which they are asked for, the second only where there is none of the first:
 * nearly every host of images has an IPv4 address, and asking for both would double the questions.
 */
function preferredFamilies(): readonly (4 | 6)[] {
  const outside = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).filter((a) => !a.internal));
  const onlyV6 = outside.some(({ family }) => family === 'IPv6') && !outside.some((a) => a.family === 'IPv4');
  return onlyV6 ? [6, 4] : [4, 6];
}

/** RFC 6761 and RFC 6762: names that are not for the DNS. */
function isLocalName(host: string): boolean {
  return !host.includes('.') || /\.(local|localhost)$/.test(host);
}

async function bySystem(host: string): Promise<Answer> {
  try {
    const found = await lookup(host, { all: true });
    const addresses = found.map(
      ({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }) as const,
    );
    return { addresses, ttlMs: 0 };
  } catch (error) {
    throw dnsFailure(error);
  }
}

function answerOf(found: readonly RecordWithTtl[], family: 4 | 6): Answer {
  const ttlMs = 1000 * Math.min(...found.map(({ ttl }) => ttl));
  return { addresses: found.map(({ address }) => ({ address, family })), ttlMs };
}

/** What c-ares and getaddrinfo call it: what it is called here, and whether it may pass. */
const CAUSES: Readonly<Record<string, readonly [cause: string, passing: boolean]>> = {
  ENOTFOUND: ['NXDOMAIN', false],
  ENODATA: ['no address', false],
  ESERVFAIL: ['SERVFAIL', true],
  ETIMEOUT: ['timeout', true],
  EAI_AGAIN: ['SERVFAIL', true],
  EREFUSED: ['REFUSED', false],
};

function dnsFailure(error: unknown): DnsFailure {
  if (error instanceof DnsFailure) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return new DnsFailure(...(CAUSES[code] ?? ([code, true] as const)));
}
