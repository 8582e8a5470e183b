import { FUNNEL_STEPS, type FunnelStep, type OptionalStep, REASON_NAMES, type Reason } from './reason.ts';

/** Counts of one step: what came in, what went on, what was dropped and why. */
export interface Ledger {
  readonly in: number;
  readonly out: number;
  readonly dropped: { readonly [R in Reason]?: number };
}

/** The ledgers of a run by step; of a step that the run does not have there is none. */
export type StepLedgers = Readonly<Record<Exclude<FunnelStep, OptionalStep>, Ledger>> & {
  readonly [S in OptionalStep]?: Ledger | undefined;
};

/** Steps that a run took, with their ledgers, in the order of the funnel. */
export function stepsOf(ledgers: StepLedgers): readonly (readonly [FunnelStep, Ledger])[] {
  return FUNNEL_STEPS.flatMap((step) => {
    const ledger = ledgers[step];
    return ledger ? [[step, ledger] as const] : [];
  });
}

/** What a run keeps: what comes out of its last step. */
export function keptPairs(ledgers: StepLedgers): number {
  return stepsOf(ledgers).at(-1)?.[1].out ?? 0;
}

/** The conservation law: in = out + Σ dropped. */
export function balances(ledger: Ledger): boolean {
  return ledger.in === ledger.out + droppedTotal(ledger);
}

export function droppedTotal(ledger: Ledger): number {
  return Object.values(ledger.dropped).reduce((sum, n) => sum + n, 0);
}

/** Adds ledgers of one kind, as of all tasks of a stage. Reasons come out in the order of the funnel. */
export function addLedgers(ledgers: Iterable<Ledger>): Ledger {
  let input = 0;
  let output = 0;
  const sums = new Map<Reason, number>();
  for (const ledger of ledgers) {
    input += ledger.in;
    output += ledger.out;
    for (const [reason, n] of Object.entries(ledger.dropped) as [Reason, number][])
      sums.set(reason, (sums.get(reason) ?? 0) + n);
  }
  return { in: input, out: output, dropped: inFunnelOrder(sums) };
}

/** Counts while a task runs. What is not dropped has to be counted out by the task itself: the two must meet. */
export class LedgerCounter {
  #in = 0;
  #out = 0;
  readonly #dropped = new Map<Reason, number>();

  in(n = 1): void {
    this.#in += n;
  }

  out(n = 1): void {
    this.#out += n;
  }

  drop(reason: Reason, n = 1): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + n);
  }

  ledger(): Ledger {
    return { in: this.#in, out: this.#out, dropped: inFunnelOrder(this.#dropped) };
  }
}

function inFunnelOrder(counts: ReadonlyMap<Reason, number>): Ledger['dropped'] {
  return Object.fromEntries(REASON_NAMES.flatMap((r) => (counts.get(r) ? [[r, counts.get(r)]] : [])));
}
