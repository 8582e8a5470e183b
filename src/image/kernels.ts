import { KERNELS_WASM } from './kernels.generated.ts';

/** The loops of assembly/pixels.ts; every address is a byte offset in the memory below. */
interface Kernels {
  areaColumn(
    source: number,
    stride: number,
    weights: number,
    pairs: number,
    shift: number,
    line: number,
  ): void;
  areaRow(
    line: number,
    first: number,
    weights: number,
    pairs: number,
    shift: number,
    out: number,
    count: number,
  ): void;
  pillowRows(
    source: number,
    stride: number,
    first: number,
    weights: number,
    quads: number,
    out: number,
    outStride: number,
    count: number,
  ): void;
  pillowColumn(
    source: number,
    stride: number,
    weights: number,
    pairs: number,
    out: number,
    values: number,
  ): void;
  lanczosRow(source: number, first: number, weights: number, out: number, count: number): void;
  lanczosColumn(rows: number, weights: number, out: number, values: number): void;
  toSrgb(pixels: number, length: number, tables: number, encoded: number, most: number): void;
}

/** What of WebAssembly is used: TypeScript has its types only together with the browser's. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: object } },
  ) => { readonly exports: Kernels };
};

/** Kernels write up to this many bytes behind what they were asked for, and read as many. */
const SLACK = 64;

const PAGE = 65_536;

/**
 * The most memory that a resize may ask for, in bytes: what needs more is for the loops in JavaScript, which are slower and
 * need little. A worker's memory grows to what its largest picture needed and stays there.
 */
const MAX_BYTES = 48 << 20;

const memory = new WebAssembly.Memory({ initial: 16, maximum: Math.ceil(MAX_BYTES / PAGE) });
let instance: Kernels | undefined;

function load(): Kernels {
  const module = new WebAssembly.Module(Buffer.from(KERNELS_WASM, 'base64'));
  return new WebAssembly.Instance(module, { env: { memory } }).exports;
}

/** Parts of the kernels' memory, in the order asked for: they are the caller's until it returns. */
export interface Arena {
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  /** Byte offset of each part, a multiple of 16. */
  readonly at: readonly number[];
}

/**
 * Lays out parts of the given lengths in bytes. What lies there from before is still there.
 *
 * @returns undefined where they need more memory than there is
 */
export function arena(...lengths: readonly number[]): Arena | undefined {
  const at: number[] = [];
  let end = 0;
  for (const length of lengths) {
    at.push(end);
    end = Math.ceil((end + length + SLACK) / 16) * 16;
  }
  if (end > MAX_BYTES) return undefined;
  const missing = end - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  instance ??= load();
  return { kernels: instance, bytes: new Uint8Array(memory.buffer), at };
}

/** Numbers as the kernels read them: every platform of V8 is little-endian, as WebAssembly is. */
export function bytesOf(numbers: Int16Array | Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
