/**
 * Checkpoints as safetensors files, which PyTorch and others read
 * (https://github.com/huggingface/safetensors#format): the length of a JSON header as 8 bytes, the header, the numbers.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { GleanerError } from '../../src/schema/index.ts';

/** Named float32 arrays, row by row. */
export interface NamedArray {
  readonly name: string;
  readonly shape: readonly number[];
  readonly value: Float32Array;
}

export interface Safetensors {
  readonly metadata: Readonly<Record<string, string>>;
  readonly arrays: ReadonlyMap<string, NamedArray>;
}

const METADATA = '__metadata__';
/** The format's own limit of its header, in bytes. */
const MAX_HEADER_BYTES = 100_000_000;

const Entry = z.object({
  dtype: z.literal('F32'),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

/** Writes a file whole or not at all: under another name, made sure of on the disk, then moved. */
export function writeSafetensors(
  path: string,
  arrays: readonly NamedArray[],
  metadata: Readonly<Record<string, string>>,
): void {
  const header: Record<string, unknown> = { [METADATA]: metadata };
  let offset = 0;
  for (const { name, shape, value } of arrays) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + value.byteLength] };
    offset += value.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padding = (8 - (json.length % 8)) % 8; // the numbers begin at a multiple of eight
  const head = Buffer.alloc(8 + json.length + padding, ' ');
  head.writeBigUInt64LE(BigInt(json.length + padding));
  head.set(json, 8);
  const temporary = `${path}.pending`;
  const file = openSync(temporary, 'w');
  try {
    const write = (bytes: Uint8Array) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    };
    write(head);
    for (const { value } of arrays) write(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** @throws GleanerError TRAINING_FAILED where the file is not whole */
export function readSafetensors(path: string): Safetensors {
  const bytes = readFileSync(path);
  const damaged = (problem: string, cause?: unknown) =>
    new GleanerError('TRAINING_FAILED', { what: path, problem, hint: 'Remove it to begin anew.' }, { cause });
  if (bytes.length < 8) throw damaged('is no safetensors file');
  const length = Number(bytes.readBigUInt64LE());
  if (length > Math.min(MAX_HEADER_BYTES, bytes.length - 8)) throw damaged('breaks off in its header');
  const data = bytes.subarray(8 + length);
  try {
    const header = z.record(z.string(), z.unknown()).parse(JSON.parse(bytes.toString('utf8', 8, 8 + length)));
    const { [METADATA]: metadata = {}, ...entries } = header;
    const arrays = Object.entries(entries).map(([name, entry]) => {
      const { shape, data_offsets } = Entry.parse(entry);
      const [start, end] = data_offsets;
      const count = shape.reduce((a, b) => a * b, 1);
      if (end > data.length || end - start !== 4 * count) throw new RangeError(`${name} is not whole`);
      const value = new Float32Array(count);
      new Uint8Array(value.buffer).set(data.subarray(start, end));
      return [name, { name, shape, value }] as const;
    });
    return { metadata: z.record(z.string(), z.string()).parse(metadata), arrays: new Map(arrays) };
  } catch (cause) {
    throw damaged('is no whole safetensors file', cause);
  }
}
