import { z } from 'zod';
import { isReason, REASONS } from '../../../schema/index.ts';
import { FUNNEL_STEPS } from '../../../schema/reason.ts';
import type { DroppedCount } from './types.ts';

const ledgersSchema = z.record(
  z.string(),
  z.object({ in: z.number(), out: z.number(), dropped: z.record(z.string(), z.number()) }),
);

/** What some tasks of one stage have done, summed. */
export interface StageTally {
  readonly tasks: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** What came into the first step that counts pairs, and out of the last one; null where the stage has no step. */
  readonly in: number | null;
  readonly out: number | null;
  readonly dropped: ReadonlyMap<string, number>;
}

export const NOTHING: StageTally = {
  tasks: 0,
  seconds: 0,
  cpuSeconds: 0,
  in: null,
  out: null,
  dropped: new Map(),
};

/** @param rows of gleaner.tally, of one stage of one run */
export function sumTallies(
  rows: readonly {
    readonly tasks: number;
    readonly seconds: number;
    readonly cpu_seconds: number;
    readonly ledgers: unknown;
  }[],
): StageTally {
  const sum = { tasks: 0, seconds: 0, cpuSeconds: 0 };
  const steps = new Map<string, { in: number; out: number }>();
  const dropped = new Map<string, number>();
  for (const row of rows) {
    sum.tasks += row.tasks;
    sum.seconds += row.seconds;
    sum.cpuSeconds += row.cpu_seconds;
    for (const [step, ledger] of Object.entries(ledgersSchema.parse(row.ledgers))) {
      const flow = steps.get(step) ?? { in: 0, out: 0 };
      steps.set(step, { in: flow.in + ledger.in, out: flow.out + ledger.out });
      for (const [reason, n] of Object.entries(ledger.dropped))
        dropped.set(reason, (dropped.get(reason) ?? 0) + n);
    }
  }
  // Records of a WAT file are no pairs: what `record` counts is another thing.
  const flows = FUNNEL_STEPS.flatMap((step) => (step === 'record' ? [] : (steps.get(step) ?? [])));
  return { ...sum, in: flows[0]?.in ?? null, out: flows.at(-1)?.out ?? null, dropped };
}

/** By reason, over stages; the most frequent first. Reasons of another version of gleaner are told by their names. */
export function droppedCounts(tallies: readonly StageTally[]): DroppedCount[] {
  const counts = new Map<string, number>();
  for (const { dropped } of tallies)
    for (const [reason, n] of dropped) counts.set(reason, (counts.get(reason) ?? 0) + n);
  return [...counts]
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => ({ reason, title: isReason(reason) ? REASONS[reason].title : reason, count }))
    .sort((a, b) => b.count - a.count || a.reason.localeCompare(b.reason));
}
