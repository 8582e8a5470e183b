import { KERNELS_WASM } from './ivf-kernels.generated.ts';

/** What of WebAssembly is used: TypeScript has its types only together with the browser's. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: true;
  }) => SharedMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: SharedMemory } },
  ) => { readonly exports: Kernels };
};

/** A WebAssembly.Memory that threads can share. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}

/** As assembly/codes.ts says; addresses are byte offsets in the memory. */
export interface Kernels {
  nearest(
    rows: number,
    rowCount: number,
    centres: number,
    centreCount: number,
    stride: number,
    best: number,
    first: number,
  ): void;
  products(row: number, centres: number, centreCount: number, stride: number, out: number): void;
  scan(
    high: number,
    low: number,
    stride: number,
    factors: number,
    count: number,
    query: number,
    base: number,
    scale: number,
    bias: number,
    middle: number,
    slack: number,
    threshold: number,
    positions: number,
    estimates: number,
  ): number;
  scanSome(
    high: number,
    low: number,
    stride: number,
    factors: number,
    positions: number,
    count: number,
    query: number,
    base: number,
    scale: number,
    bias: number,
    estimates: number,
  ): void;
  halfDots(query: number, rows: number, count: number, dimension: number, out: number): void;
  rotate(row: number, signs: number, rounds: number, dimension: number, width: number): void;
  floatDots(query: number, rows: number, count: number, dimension: number, out: number): void;
}

const PAGE = 65_536;
/** Of a 32-bit memory: 4 GiB. */
const MAX_PAGES = 65_536;

let module: object | undefined;

/** The memory that kernels work in. What is reserved in it stays until all of it goes. */
export class IvfMemory {
  readonly memory: SharedMemory;
  readonly kernels: Kernels;
  #end: number;

  /**
   * @param shared a memory of another thread, with the place in it that was reserved for this one. @default one of its own
   */
  constructor(shared?: { readonly memory: SharedMemory; readonly at: number }) {
    module ??= new WebAssembly.Module(Buffer.from(KERNELS_WASM, 'base64'));
    this.memory = shared?.memory ?? new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
    this.#end = shared?.at ?? 0;
    this.kernels = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports;
  }

  /** Bytes that are reserved. */
  get reserved(): number {
    return this.#end;
  }

  /** @returns the address of so many bytes, a multiple of 16 @throws RangeError beyond 4 GiB */
  reserve(bytes: number): number {
    const at = this.#end;
    const end = at + Math.ceil(bytes / 16) * 16;
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.memory.grow(missing);
    this.#end = end;
    return at;
  }

  /** Views last until the next `reserve`, which may put another buffer in the place of this one. */
  bytes(at: number, length: number): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  signedBytes(at: number, length: number): Int8Array<SharedArrayBuffer> {
    return new Int8Array(this.memory.buffer, at, length);
  }

  ints(at: number, length: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.memory.buffer, at, length);
  }

  numbers(at: number, length: number): Uint32Array<SharedArrayBuffer> {
    return new Uint32Array(this.memory.buffer, at, length);
  }

  floats(at: number, length: number): Float32Array<SharedArrayBuffer> {
    return new Float32Array(this.memory.buffer, at, length);
  }

  doubles(at: number, length: number): Float64Array<SharedArrayBuffer> {
    return new Float64Array(this.memory.buffer, at, length);
  }
}
