import { GleanerError, isReason, REASON_NAMES, type Reason } from '../../schema/index.ts';
import type { Storage } from '../../storage/index.ts';
import { parquetFiles } from '../report/column-groups.ts';
import { readGroups } from '../subset/draw.ts';

/** Why a release does not have a pair. */
export interface Why {
  readonly reason: Reason;
  readonly detail: string;
}

const RANK = new Map<string, number>(REASON_NAMES.map((name, i) => [name, i]));

/**
 * Looks pairs up in the trail of a release. Of a pair that stands there several times, as one whose repetitions were
 * dropped too, the reason counts that comes last in the funnel: so far it came. Pairs that the release never met are not
 * in the answer.
 *
 * @throws GleanerError DAMAGED at a reason that is none
 */
export async function whyNot(
  storage: Storage,
  uids: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Why>> {
  const found = new Map<string, Why>();
  if (uids.length === 0) return found;
  const wanted = new Set(uids);
  for (const path of await parquetFiles(storage, 'release/dropped'))
    for await (const group of readGroups(storage, path, ['uid', 'reason', 'detail'])) {
      signal.throwIfAborted();
      for (const { uid, reason, detail } of group) {
        const key = String(uid);
        if (!wanted.has(key)) continue;
        if (typeof reason !== 'string' || !isReason(reason))
          throw new GleanerError('DAMAGED', { path, problem: `has an unknown reason '${reason}'.` });
        const before = found.get(key);
        if (!before || rank(before.reason) < rank(reason)) found.set(key, { reason, detail: String(detail) });
      }
    }
  return found;
}

function rank(reason: string): number {
  return RANK.get(reason) ?? -1;
}
