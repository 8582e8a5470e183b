import { KERNELS_WASM } from './kernels.generated.ts';

/** What of WebAssembly is used: TypeScript has its types only together with the browser's. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
  }) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: object } },
  ) => {
    readonly exports: {
      /** As assembly/vectors.ts says; addresses are byte offsets in the memory. */
      dots(
        queries: number,
        queryCount: number,
        rows: number,
        rowCount: number,
        stride: number,
        out: number,
        outStride: number,
      ): void;
    };
  };
};

const PAGE = 65_536;
/** Queries at once: they stay in a core's nearest cache while the rows go by. */
const QUERIES = 32;
/** Rows at once: the products of one step, QUERIES × ROWS, are 64 KiB. */
const ROWS = 512;

let module: object | undefined;

/**
 * Rows of float32 numbers that others are multiplied with, in memory of their own: 4 × dimension bytes each. A product
 * depends on its two rows alone, to the bit, on every machine.
 */
export class DotProducts {
  readonly dimension: number;
  readonly #stride: number;
  readonly #memory = new WebAssembly.Memory({ initial: 1 });
  readonly #dots: InstanceType<typeof WebAssembly.Instance>['exports']['dots'];
  #rows = 0;
  #capacity = 0;

  constructor(dimension: number) {
    this.dimension = dimension;
    this.#stride = 4 * Math.ceil(dimension / 4);
    module ??= new WebAssembly.Module(Buffer.from(KERNELS_WASM, 'base64'));
    this.#dots = new WebAssembly.Instance(module, { env: { memory: this.#memory } }).exports.dots;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Forgets all rows; their memory serves the next. */
  clear(): void {
    this.#rows = 0;
  }

  /** Adds a row. */
  add(row: Float32Array): void {
    if (row.length !== this.dimension)
      throw new RangeError(`a row has ${row.length} numbers, not ${this.dimension}`);
    this.#reserve(this.#rows + 1);
    this.#put(this.#rowsAt + 4 * this.#stride * this.#rows++, row);
  }

  /**
   * Multiplies some rows with all that were added, ROWS of them at a time.
   *
   * @param queries rows of the same dimension, one after the other
   * @param each takes the products of one query with rows [firstRow, firstRow + products.length); the array is good until
   *   it returns
   * @param from the row to begin with. @default 0
   */
  multiply(
    queries: Float32Array,
    each: (query: number, firstRow: number, products: Float32Array) => void,
    from = 0,
  ): void {
    const count = queries.length / this.dimension;
    this.#reserve(1);
    for (let start = 0; start < count; start += QUERIES) {
      const some = Math.min(QUERIES, count - start);
      for (let q = 0; q < some; q++) {
        const at = (start + q) * this.dimension;
        this.#put(4 * this.#stride * q, queries.subarray(at, at + this.dimension));
      }
      for (let first = from; first < this.#rows; first += ROWS) {
        const rows = Math.min(ROWS, this.#rows - first);
        const stride = 4 * this.#stride;
        this.#dots(0, up(some, 4), this.#rowsAt + stride * first, up(rows, 2), stride, this.#outAt, 4 * ROWS);
        for (let q = 0; q < some; q++)
          each(start + q, first, new Float32Array(this.#memory.buffer, this.#outAt + 4 * ROWS * q, rows));
      }
    }
  }

  /** First the queries, then the products, then rows. */
  get #outAt(): number {
    return 4 * this.#stride * QUERIES;
  }

  get #rowsAt(): number {
    return this.#outAt + 4 * QUERIES * ROWS;
  }

  #put(at: number, row: Float32Array): void {
    new Float32Array(this.#memory.buffer, at, this.dimension).set(row);
  }

  #reserve(rows: number): void {
    if (rows <= this.#capacity) return;
    this.#capacity = Math.max(rows, 64, 2 * this.#capacity);
    // One row more, which is read where their number is odd.
    const bytes = this.#rowsAt + 4 * this.#stride * (this.#capacity + 1);
    const missing = bytes - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE));
  }
}

function up(count: number, to: number): number {
  return Math.ceil(count / to) * to;
}
