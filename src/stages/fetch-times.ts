import type { Column, RowOf } from '../formats/index.ts';
import type { FetchFacts } from '../schema/index.ts';

/** Columns that tell how long fetching took, in milliseconds: they are of one run and no part of what it gives. */
export const FETCH_TIME_COLUMNS = [
  { name: 'queue_ms', type: 'int32' },
  { name: 'dns_ms', type: 'int32' },
  { name: 'connect_ms', type: 'int32' },
  { name: 'first_byte_ms', type: 'int32' },
  { name: 'total_ms', type: 'int32' },
] as const satisfies readonly Column[];

export function fetchTimes(facts: FetchFacts): RowOf<typeof FETCH_TIME_COLUMNS> {
  return {
    queue_ms: whole(facts.queueMs),
    dns_ms: whole(facts.dnsMs),
    connect_ms: whole(facts.connectMs),
    first_byte_ms: whole(facts.firstByteMs),
    total_ms: whole(facts.totalMs),
  };
}

function whole(ms: number): number {
  return Math.min(Math.round(ms), 2 ** 31 - 1);
}
