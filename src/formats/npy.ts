import { endianness } from 'node:os';
import { GleanerError } from '../schema/index.ts';
import type { ByteSink, ByteSource } from '../storage/index.ts';
import { toFloat16, toFloat32 } from './float16.ts';

export type NpyType = 'float16' | 'float32';

const DESCR = { float16: '<f2', float32: '<f4' } as const satisfies Record<NpyType, string>;
const ITEM_BYTES = { float16: 2, float32: 4 } as const satisfies Record<NpyType, number>;

// The payload is little-endian and is moved by typed-array views.
if (endianness() !== 'LE') throw new Error('gleaner runs on little-endian machines only');

/** A C-order matrix in NumPy's format (version 1.0). */
export interface NpyShape {
  readonly dtype: NpyType;
  readonly rows: number;
  readonly columns: number;
}

export interface NpyWriter {
  /** Whole rows, `columns` numbers each, row after row. @throws RangeError where they are not whole */
  writeRows(values: Float32Array): Promise<void>;
  /** @throws RangeError where fewer or more rows were written than the header says */
  finish(): Promise<void>;
}

/** Bytes of the header that `npyHeader` gives, whatever the number of rows (up to 10^21). */
export const NPY_HEADER_BYTES = 128;

/**
 * The header as numpy.save writes it: 128 bytes, with room for the number of rows to grow, so that it can be
 * written again over a first one when the number of rows is known at last.
 * Format: numpy/lib/format.py, "Format Version 1.0".
 */
export function npyHeader({ dtype, rows, columns }: NpyShape): Uint8Array {
  const dict = `{'descr': '${DESCR[dtype]}', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const header = new Uint8Array(NPY_HEADER_BYTES).fill(0x20);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, NPY_HEADER_BYTES - 10, 0]);
  header.set(new TextEncoder().encode(dict), 10);
  header[NPY_HEADER_BYTES - 1] = 0x0a;
  return header;
}

/** Writes a matrix whose number of rows is known. float32 values are rounded to the nearest float16. */
export async function createNpyWriter(sink: ByteSink, shape: NpyShape): Promise<NpyWriter> {
  await sink.write(npyHeader(shape));
  let written = 0;
  return {
    async writeRows(values) {
      if (values.length % shape.columns !== 0)
        throw new RangeError(`${values.length} numbers are not whole rows of ${shape.columns}`);
      written += values.length / shape.columns;
      if (written > shape.rows) throw new RangeError(`more rows than the ${shape.rows} of the header`);
      const data = shape.dtype === 'float16' ? toFloat16(values) : values;
      await sink.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    },
    async finish() {
      if (written !== shape.rows) throw new RangeError(`${written} rows, but the header says ${shape.rows}`);
    },
  };
}

export interface NpyInfo extends NpyShape {
  /** Where the matrix begins in the file. */
  readonly dataOffset: number;
}

/** Longest header believed, in bytes: NumPy refuses more than 10,000 characters too. */
const MAX_HEADER_BYTES = 10_000;

/**
 * Reads the header of a float16 or float32 C-order matrix.
 * @throws GleanerError DAMAGED where it is none, or where the file is shorter than its header says
 */
export async function npyInfo(source: ByteSource, name = 'npy file'): Promise<NpyInfo> {
  const fail = (problem: string) => new GleanerError('DAMAGED', { path: name, problem });
  const head = new Uint8Array(await source.slice(0, Math.min(source.byteLength, MAX_HEADER_BYTES)));
  const [m0, m1, m2, m3, m4, m5, major = 0] = head;
  if (String.fromCharCode(m0 ?? 0, m1 ?? 0, m2 ?? 0, m3 ?? 0, m4 ?? 0, m5 ?? 0) !== '\x93NUMPY')
    throw fail('is not an npy file');
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const start = major === 1 ? 10 : 12;
  if (major < 1 || major > 3 || head.length < start) throw fail(`npy version ${major} is not known`);
  const dataOffset = start + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (dataOffset > head.length) throw fail('its header is cut off or too long');
  const text = new TextDecoder('latin1').decode(head.subarray(start, dataOffset));
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(\s*(\d+)\s*,\s*(\d+)\s*,?\s*\)/.exec(text);
  const dtype = descr === '<f2' ? 'float16' : descr === '<f4' ? 'float32' : undefined;
  if (!dtype || fortran !== 'False' || !shape)
    throw fail('is not a C-order matrix of float16 or float32 (little-endian)');
  const rows = Number(shape[1]);
  const columns = Number(shape[2]);
  const bytes = rows * columns * ITEM_BYTES[dtype];
  if (!Number.isSafeInteger(bytes) || dataOffset + bytes > source.byteLength)
    throw fail(`is cut off: ${rows} x ${columns} ${dtype} do not fit into ${source.byteLength} bytes`);
  return { dtype, rows, columns, dataOffset };
}

export interface NpyReadOptions {
  /** @default 0 */
  readonly rowStart?: number;
  /** Row after the last. @default all rows */
  readonly rowEnd?: number;
  /** The header, where it has been read already. */
  readonly info?: NpyInfo;
  /** What messages call the file. @default 'npy file' */
  readonly name?: string;
}

/** Rows `rowStart` up to, not with, `rowEnd`, as float32, row after row. @throws GleanerError DAMAGED */
export async function readNpyRows(source: ByteSource, options: NpyReadOptions = {}): Promise<Float32Array> {
  const info = options.info ?? (await npyInfo(source, options.name));
  const { rowStart = 0, rowEnd = info.rows } = options;
  if (rowStart < 0 || rowEnd > info.rows || rowStart > rowEnd)
    throw new RangeError(`rows ${rowStart} to ${rowEnd} of a matrix of ${info.rows}`);
  const rowBytes = info.columns * ITEM_BYTES[info.dtype];
  const bytes = await source.slice(
    info.dataOffset + rowStart * rowBytes,
    info.dataOffset + rowEnd * rowBytes,
  );
  return info.dtype === 'float16' ? toFloat32(new Uint16Array(bytes)) : new Float32Array(bytes);
}
