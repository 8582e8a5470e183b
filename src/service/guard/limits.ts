/** What bounds a service: how much of it one client may have, how much there is, and for how long. */
export interface GuardLimits {
  /**
   * Searches a second that one client may ask for in the long run; Infinity for no limit. Other requests cost parts or
   * multiples of a search (`costOf`): at 10, some 500 thumbnails a second, which no hand on a scroll bar reaches.
   * @default 10
   */
  readonly rate: number;
  /** Searches that a client which was quiet may ask for at once. @default 10 × rate */
  readonly burst: number;
  /** Clients that are remembered: the one that was quiet for longest is forgotten first. Some 100 bytes each. @default 65_536 */
  readonly clients: number;
  /** Searches that are worked on at once, in all; they share one thread and the disk. @default 64 */
  readonly maxRunning: number;
  /** Of these, of one client: more than a page or a script that waits for its answers needs. @default 8 */
  readonly maxRunningPerClient: number;
  /** Searches that wait for their turn, in all. @default 512 */
  readonly maxWaiting: number;
  /** Of these, of one client. @default 32 */
  readonly maxWaitingPerClient: number;
  /** How long one waits for its turn, in milliseconds. @default 5_000 */
  readonly maxWaitMs: number;
  /** For a whole answer, waiting and what is fetched for it included, in milliseconds. @default 30_000 */
  readonly deadlineMs: number;
  /** Largest body of a request, in bytes. @default 20 MiB: a picture of 15 MB in base64 */
  readonly maxBodyBytes: number;
  /** Bytes of all bodies that are held at once. @default 256 MiB */
  readonly maxBodyBytesInAll: number;
  /** Proxies of the operator's between clients and us, whose X-Forwarded-For is believed. @default 0 */
  readonly trustedProxies: number;
  /**
   * Whether a client at a loopback address has no limits of its own (those for all together hold). There the address does
   * not tell clients apart: it is the operator, or a proxy before us with everybody behind it.
   * @default true
   */
  readonly exemptLoopback: boolean;
}

const DEFAULTS: Omit<GuardLimits, 'burst'> = {
  rate: 10,
  clients: 65_536,
  maxRunning: 64,
  maxRunningPerClient: 8,
  maxWaiting: 512,
  maxWaitingPerClient: 32,
  maxWaitMs: 5_000,
  deadlineMs: 30_000,
  maxBodyBytes: 20 << 20,
  maxBodyBytesInAll: 256 << 20,
  trustedProxies: 0,
  exemptLoopback: true,
};

/** Limits as given, and the defaults for all others. */
export function guardLimits(given: Partial<GuardLimits> = {}): GuardLimits {
  const rate = given.rate ?? DEFAULTS.rate;
  return Object.freeze({ burst: 10 * rate, ...DEFAULTS, ...given });
}

/** What a request costs, in searches, and whether it takes a place among the searches. */
export interface RequestCost {
  readonly cost: number;
  readonly search: boolean;
}

/** Answers that a balancer or a monitor has to get whatever the load: they cost nothing to make. */
const FREE = new Set(['/healthz', '/readyz']);
const SEARCH: RequestCost = { cost: 1, search: true };
/** A download of up to 10,000 rows, each of which is read from the disk. */
const EXPORT: RequestCost = { cost: 20, search: true };
/** One row: two reads of some hundred bytes. */
const ROW: RequestCost = { cost: 0.1, search: false };
/** A file of the page, or a stored picture: one read. */
const FILE: RequestCost = { cost: 0.02, search: false };

/** A picture to be decoded and embedded costs so much on top: some 40 ms of a core beside 10 for a text (ViT-B/32). */
export const PICTURE_COST = 4;
/** And one that has to be fetched first so much: a connection to somebody else's server, and up to seconds of waiting. */
export const FETCH_COST = 4;

export function costOf(method: string, path: string): RequestCost {
  if (FREE.has(path)) return { cost: 0, search: false };
  if (path === '/api/v1/export') return EXPORT;
  // Reports have buckets of their own, and are never behind searches.
  if (path === '/api/v1/reports') return ROW;
  if (method === 'POST' || path.endsWith('/like')) return SEARCH;
  if (path === '/metrics') return { cost: 0.5, search: false };
  return path.startsWith('/api/') || path === '/indices-list' ? ROW : FILE;
}
