import {
  balances,
  type FunnelStep,
  isReason,
  type Ledger,
  REASONS,
  type Reason,
} from '../../../schema/index.ts';
import { type Claim, UPLOADED, type Uploaded, type UploadedName } from './protocol.ts';

/** Steps of harvest, in order. */
const STEPS = ['fetched', 'image', 'matched', 'safe'] as const satisfies readonly FunnelStep[];

/** What only those who have lists can say, and what an archive says: none of it is a volunteer's. */
const NOT_THEIRS: ReadonlySet<Reason> = new Set(['known_content', 'removed', 'not_archived', 'classifier']);

/** Whether a volunteer can have dropped a pair for this. */
export function isVolunteersReason(name: string): name is Reason {
  return isReason(name) && STEPS.some((step) => step === REASONS[name].step) && !NOT_THEIRS.has(name);
}

/** What a shard's size can depend on. */
export interface ShardBounds {
  readonly pairs: number;
  /** Of the file with the pairs. */
  readonly pairsBytes: number;
  readonly dimension: number;
}

/** Bytes of a stored image on average, at most: one of 256 pixels at quality 95 has some 25 kB. */
const MEAN_IMAGE_BYTES = 128 << 10;
/** What a row has besides its pair: hashes, numbers, a detail, a final URL of 2,048 characters. */
const ROW_BYTES = 4_096;
/** Of a file with nothing in it. */
const EMPTY_BYTES = 64 << 10;

/** Largest object that one PUT makes in S3 (its limits: 5 GiB). */
const MAX_PUT_BYTES = 5 * 2 ** 30;

/** Most bytes that a file of a shard may have. */
function mostBytes(name: UploadedName, bounds: ShardBounds): number {
  return Math.min(MAX_PUT_BYTES, boundOf(name, bounds));
}

function boundOf(name: UploadedName, { pairs, pairsBytes, dimension }: ShardBounds): number {
  switch (name) {
    case 'images.tar':
      return EMPTY_BYTES + pairs * MEAN_IMAGE_BYTES;
    case 'img_emb.npy':
    case 'text_emb.npy':
      return EMPTY_BYTES + 2 * pairs * dimension;
    case 'fetched.parquet':
      return EMPTY_BYTES + pairs * ROW_BYTES;
    default:
      // The pairs may be packed less well than they came.
      return EMPTY_BYTES + 8 * pairsBytes + pairs * ROW_BYTES;
  }
}

/** Why files cannot be those of a shard; undefined where they can. */
export function unfitFiles(files: readonly Uploaded[], bounds: ShardBounds): string | undefined {
  const names = files.map(({ name }) => name);
  const unknown = names.find((name) => !UPLOADED.some((one) => one === name));
  if (unknown !== undefined) return `a file ${JSON.stringify(unknown)} is none of a shard's`;
  const missing = UPLOADED.find((name) => names.filter((one) => one === name).length !== 1);
  if (missing !== undefined) return `${missing} is not there once`;
  for (const { name, bytes, sha256 } of files) {
    const most = mostBytes(name as UploadedName, bounds);
    if (bytes > most) return `${name} has ${bytes} bytes, and so many pairs can have ${most} at most`;
    if (!/^[0-9a-f]{64}$/.test(sha256)) return `${name} has no SHA-256`;
  }
  return undefined;
}

/** Why a claim cannot be true, whatever its files hold; undefined where it can. */
export function unfitClaim(claim: Claim, bounds: ShardBounds): string | undefined {
  const files = unfitFiles(claim.files, bounds);
  if (files !== undefined) return files;
  const steps = Object.keys(claim.ledgers);
  if (steps.length !== STEPS.length || STEPS.some((step) => !Object.hasOwn(claim.ledgers, step)))
    return `the ledgers are of ${steps.join(', ') || 'nothing'}, not of ${STEPS.join(', ')}`;
  let into = bounds.pairs;
  for (const step of STEPS) {
    const ledger = claim.ledgers[step];
    if (!ledger) return `there is no ledger of ${step}`;
    if (ledger.in !== into) return `${step} has ${ledger.in} pairs, and ${into} came to it`;
    const foreign = Object.keys(ledger.dropped).find(
      (reason) => !isVolunteersReason(reason) || REASONS[reason].step !== step,
    );
    if (foreign !== undefined) return `${JSON.stringify(foreign)} is no reason of ${step}`;
    if (!balances(ledger as Ledger)) return `the ledger of ${step} does not balance`;
    into = ledger.out;
  }
  if (claim.rows !== into) return `${claim.rows} rows, and ${into} pairs came through`;
  return undefined;
}
