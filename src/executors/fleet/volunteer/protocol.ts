import { z } from 'zod';
import { recipeSchema } from '../../../config/index.ts';
import { categoriesSchema } from '../../../safety/index.ts';

/** Version of what volunteers and coordinators say to one another; the path of all requests begins with it. */
export const API = '/v1';

/** A volunteer that is not heard of for so long has lost what it was lent, in seconds. */
export const SILENCE_SECONDS = 30;
/** How often a volunteer says that it is there, in seconds: two may be lost. */
export const HEARTBEAT_EVERY_SECONDS = 10;
/** How long a URL is good for, in seconds: an upload that takes longer asks for another. */
export const GRANT_SECONDS = 900;
/** Pairs that a request may name tasks for, of one machine. */
export const MAX_SLOTS = 64;

/** The files of a shard, as they are called in an upload: these and no others. */
export const UPLOADED = [
  'rows.parquet',
  'images.tar',
  'img_emb.npy',
  'text_emb.npy',
  'dropped.parquet',
  'fetched.parquet',
] as const;
export type UploadedName = (typeof UPLOADED)[number];

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.int().min(0);
const leaseId = z.string().regex(/^[0-9a-f]{32}$/);
const url = z.string().max(8_192);
/** A path below a folder: no step up, nothing absolute, no separators of other systems. */
const relativePath = z
  .string()
  .min(1)
  .max(300)
  .regex(
    /^(?!\.{1,2}(?:\/|$))[\w][\w.+ -]*(?:\/(?!\.{1,2}(?:\/|$))[\w][\w.+ -]*)*$/,
    'is no path below a folder',
  );

/** A machine, by a name that it draws at its start. */
const machine = z.string().regex(/^[0-9a-f]{16}$/);

export const leaseRequest = z.strictObject({
  /** Of gleaner: results of another are not held against each other. */
  version: z.string().max(40),
  machine,
  provider: z.literal('cpu'),
  /** Tasks that the machine works on side by side. */
  slots: z.int().min(1).max(MAX_SLOTS),
});

const download = z.object({ bytes, sha256, url });

/** A task that is lent. */
export const loanSchema = z.object({
  lease: leaseId,
  run: z.string().regex(/^[0-9a-f]{16}$/),
  index: z.int().min(0),
  fingerprint: z.string().max(128),
  /** Lists are named by their places in `lists`. */
  recipe: recipeSchema,
  model: z.object({
    name: relativePath,
    dimension: z.int().min(1).max(65_536),
    files: z.array(download.extend({ path: relativePath })).max(64),
  }),
  categories: categoriesSchema,
  /** Opt-out lists, in the order of the recipe. */
  lists: z.array(download).max(64),
  /** The pairs as a Parquet file. */
  pairs: download.extend({ rows: z.int().min(1) }),
});
export type Loan = z.infer<typeof loanSchema>;

export const leaseAnswer = z.object({
  task: loanSchema.nullable(),
  /** Seconds after which it is worth asking again. */
  wait: z.number().min(0).max(3_600),
  /** Why runs that there are have no task for volunteers. */
  notes: z.array(z.string().max(500)).max(20),
});
export type LeaseAnswer = z.infer<typeof leaseAnswer>;

export const heartbeatRequest = z.strictObject({
  machine,
  leases: z.array(z.strictObject({ lease: leaseId, done: z.int().min(0) })).max(2 * MAX_SLOTS),
});
/** Of the leases named, those that are not this volunteer's any more. */
export const heartbeatAnswer = z.object({ lost: z.array(z.string()) });

/** Names are looked at later: a wrong one is refused with its reason, and held against who sent it. */
const uploaded = z.strictObject({ name: z.string().max(300), bytes, sha256: z.string().max(64) });
export type Uploaded = z.infer<typeof uploaded>;

export const uploadsRequest = z.strictObject({ lease: leaseId, files: z.array(uploaded).max(16) });
export const uploadsAnswer = z.object({
  files: z.array(
    z.object({ name: z.string(), url, headers: z.record(z.string().max(100), z.string().max(1_000)) }),
  ),
});

const count = z.int().min(0);
const ledger = z.strictObject({ in: count, out: count, dropped: z.record(z.string().max(40), count) });

/** What a volunteer says of a shard. */
export const claimSchema = z.strictObject({
  ledgers: z.record(z.string().max(40), ledger),
  rows: count,
  /** Wall time and CPU time, in seconds: for the statistics. */
  seconds: z.number().min(0).max(1e7),
  cpuSeconds: z.number().min(0).max(1e9),
  files: z.array(uploaded).max(16),
});
export type Claim = z.infer<typeof claimSchema>;

export const completeRequest = z.strictObject({ lease: leaseId, manifest: claimSchema });
export const completeAnswer = z.object({ state: z.literal('auditing') });
export const givebackRequest = z.strictObject({ leases: z.array(leaseId).max(2 * MAX_SLOTS) });

/** One line of the leaderboard. Names are strangers' text. */
const leaderboardAnswer = z.object({
  volunteers: z.array(
    z.object({ name: z.string(), pairs: z.number(), shards: z.number(), since: z.string() }),
  ),
});
export type Leaderboard = z.infer<typeof leaderboardAnswer>;

/** How a refusal comes back. */
export const refusalAnswer = z.object({ error: z.string(), code: z.string().optional() });
