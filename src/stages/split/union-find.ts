/**
 * Disjoint sets of rows (Tarjan 1975, with path halving). The root of a set is its first row, so that what comes out does not
 * depend on the order in which rows were joined. 4 bytes a row.
 */
export class UnionFind {
  readonly #parents: Uint32Array;

  constructor(rows: number) {
    this.#parents = new Uint32Array(rows);
    for (let row = 0; row < rows; row++) this.#parents[row] = row;
  }

  /** The first row of its set. */
  find(row: number): number {
    const parents = this.#parents;
    let at = row;
    for (let up = parents[at]!; up !== at; up = parents[at]!) {
      parents[at] = parents[up]!;
      at = parents[at]!;
    }
    return at;
  }

  join(a: number, b: number): void {
    const [one, other] = [this.find(a), this.find(b)];
    if (one < other) this.#parents[other] = one;
    else this.#parents[one] = other;
  }
}
