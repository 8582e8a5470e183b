import { REASON_NAMES, type Reason } from '../../schema/index.ts';
import type { Met } from './uid-rows.ts';
import type { Why } from './why.ts';

/** A pair that two releases do not have alike. */
export interface PairDiff {
  readonly what: 'came' | 'went' | 'changed';
  readonly uid: string;
  readonly url: string;
  readonly text: string;
  /** Why the other release does not have it; null where it never met the pair, and of one that both have. */
  readonly why: Why | null;
  /** Values of A and of B, by the name of the column. */
  readonly changes: Readonly<Record<string, readonly [unknown, unknown]>>;
  /** Null where the release does not have it. */
  readonly similarity: { readonly a: number | null; readonly b: number | null };
}

/** Counts of pairs by why a release does not have them; `not_met`: they were not among its links. */
export type WhyCounts = Readonly<Partial<Record<Reason | 'not_met', number>>>;

/** What is counted of the pairs of two releases. */
export interface DiffCounts {
  /** Pairs that B has and A has not, and why A has not. */
  readonly came: { readonly pairs: number; readonly because: WhyCounts };
  /** Pairs that A has and B has not, and why B has not. */
  readonly went: { readonly pairs: number; readonly because: WhyCounts };
  /** Pairs of both of which some column differs, and how many of these by each column. */
  readonly changed: {
    readonly pairs: number;
    /** Pairs that both have. */
    readonly of: number;
    readonly columns: Readonly<Record<string, number>>;
    /** The largest difference of similarity, 0 to 2. */
    readonly similarityBy: number;
  };
}

/** Compares pairs as they come, and counts. */
export class DiffTally {
  readonly #compared: readonly string[];
  readonly #because = {
    came: new Map<Reason | 'not_met', number>(),
    went: new Map<Reason | 'not_met', number>(),
  };
  readonly #columns = new Map<string, number>();
  #pairs = { came: 0, went: 0, changed: 0, both: 0 };
  #similarityBy = 0;

  /** @param compared columns whose values make a pair a changed one */
  constructor(compared: readonly string[]) {
    this.#compared = compared;
  }

  /** @param why of a pair that only one release has @returns undefined where both have it alike */
  add({ uid, a, b }: Met, why: Why | null): PairDiff | undefined {
    const row = b ?? a;
    const changes = a && b ? this.#changes(a, b) : {};
    const what = a && b ? 'changed' : a ? 'went' : 'came';
    if (what === 'changed') {
      this.#pairs.both++;
      if (Object.keys(changes).length === 0) return undefined;
    } else {
      const reason = why?.reason ?? 'not_met';
      this.#because[what].set(reason, (this.#because[what].get(reason) ?? 0) + 1);
    }
    this.#pairs[what]++;
    return {
      ...{ what, uid, why, changes },
      url: String(row?.URL),
      text: String(row?.TEXT),
      similarity: { a: a ? Number(a.similarity) : null, b: b ? Number(b.similarity) : null },
    };
  }

  #changes(a: NonNullable<Met['a']>, b: NonNullable<Met['b']>): Record<string, readonly [unknown, unknown]> {
    const changes: Record<string, readonly [unknown, unknown]> = {};
    for (const name of this.#compared) {
      if (a[name] === b[name]) continue;
      changes[name] = [a[name], b[name]];
      this.#columns.set(name, (this.#columns.get(name) ?? 0) + 1);
      if (name === 'similarity')
        this.#similarityBy = Math.max(this.#similarityBy, Math.abs(Number(a[name]) - Number(b[name])));
    }
    return changes;
  }

  counts(): DiffCounts {
    const { came, went, changed, both } = this.#pairs;
    const columns = this.#compared.flatMap((name) => {
      const n = this.#columns.get(name);
      return n === undefined ? [] : [[name, n] as const];
    });
    return {
      came: { pairs: came, because: inOrder(this.#because.came) },
      went: { pairs: went, because: inOrder(this.#because.went) },
      changed: {
        pairs: changed,
        of: both,
        columns: Object.fromEntries(columns),
        similarityBy: this.#similarityBy,
      },
    };
  }
}

function inOrder(counts: ReadonlyMap<Reason | 'not_met', number>): WhyCounts {
  const names = [...REASON_NAMES, 'not_met' as const];
  return Object.fromEntries(names.flatMap((name) => (counts.has(name) ? [[name, counts.get(name)]] : [])));
}
