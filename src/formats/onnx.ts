import { GleanerError } from '../schema/index.ts';
import type { ByteSource } from '../storage/index.ts';

/** Element types of a tensor that are spoken of here (onnx.proto, TensorProto.DataType). */
export const ONNX_TYPE = { uint8: 2, int8: 3 } as const;

/** A node of a graph: what it computes, out of what. */
export interface OnnxNode {
  readonly opType: string;
  /** Names; '' where an optional input is left out. What graphs within the node read comes last. */
  readonly inputs: readonly string[];
}

/** A constant of a graph; its values stay in the file. */
export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  /** TensorProto.DataType. */
  readonly dataType: number;
  /** Where its field of the graph lies in the file, tag and length included. */
  readonly start: number;
  readonly end: number;
  /** Where `raw_data` lies in the file; undefined where values are written otherwise, or in another file. */
  readonly raw?: { readonly start: number; readonly end: number };
  /** `int32_data`: integers of up to 32 bits. */
  readonly ints: readonly number[];
}

/** What a network consists of, without its weights. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  /** Inputs and outputs by name are not among them, only constants. */
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** Operators of the graph, of graphs within its nodes, and of functions. */
  readonly opTypes: ReadonlySet<string>;
  /** Where the field of the graph lies in the file, tag and length included, and where its content begins. */
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

/** Bytes read at once. Weights are passed over. */
const WINDOW = 1 << 16;

/**
 * Reads the graph of an ONNX network (onnx.proto of ONNX 1.18: ModelProto) and passes over its weights.
 *
 * @param name of the file, for messages
 * @throws GleanerError DAMAGED where this is no ModelProto
 */
export async function readOnnx(source: ByteSource, name: string): Promise<OnnxGraph> {
  const window = new Window(source, name);
  const nodes: OnnxNode[] = [];
  const initializers = new Map<string, OnnxTensor>();
  const opTypes = new Set<string>();
  let graph: Field | undefined;
  for await (const field of window.fields(0, source.byteLength)) {
    if (field.number === MODEL.functions) nodesOf(await window.read(field), FUNCTION.node, opTypes);
    if (field.number !== MODEL.graph) continue;
    graph = field;
    for await (const part of window.fields(field.from, field.to)) {
      if (part.number === GRAPH.node) nodes.push(nodeOf(await window.read(part), opTypes));
      if (part.number === GRAPH.initializer) {
        const tensor = await tensorOf(window, part);
        initializers.set(tensor.name, tensor);
      }
    }
  }
  if (!graph) throw window.damaged('has no graph');
  return { nodes, initializers, opTypes, start: graph.start, content: graph.from, end: graph.to };
}

/** A constant to put in the place of another. */
export interface OnnxConstant {
  readonly dims: readonly number[];
  /** TensorProto.DataType. */
  readonly dataType: number;
  /** Little-endian, as `raw_data`. */
  readonly bytes: Uint8Array;
}

/**
 * The network with other constants in the places of some.
 *
 * @param network the whole file, of which `graph` was read
 */
export function replaceInitializers(
  network: Uint8Array,
  graph: OnnxGraph,
  constants: ReadonlyMap<string, OnnxConstant>,
): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = graph.content;
  // The map has them in the order of the file.
  for (const { name, start, end } of graph.initializers.values()) {
    const constant = constants.get(name);
    if (!constant) continue;
    parts.push(network.subarray(at, start), ...tensorField(name, constant));
    at = end;
  }
  parts.push(network.subarray(at, graph.end));
  const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return Buffer.concat([
    network.subarray(0, graph.start),
    tag(MODEL.graph, WIRE.bytes),
    varint(length),
    ...parts,
    network.subarray(graph.end),
  ]);
}

/** Field numbers of onnx.proto. */
const MODEL = { graph: 7, functions: 25 } as const;
const GRAPH = { node: 1, initializer: 5 } as const;
const NODE = { input: 1, opType: 4, attribute: 5 } as const;
const ATTRIBUTE = { g: 6, graphs: 11 } as const;
const FUNCTION = { node: 7 } as const;
const TENSOR = { dims: 1, dataType: 2, int32Data: 5, name: 8, rawData: 9, dataLocation: 14 } as const;

/** Wire types of protocol buffers. */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
/** Most bytes of a varint. */
const MAX_VARINT = 10;

/** A field of a message: where it begins, and what it holds. */
interface Field {
  readonly number: number;
  readonly type: number;
  readonly start: number;
  /** Of a field of bytes: where these lie. Of others: where the field ends, twice. */
  readonly from: number;
  readonly to: number;
  /** Of a varint: its value as a whole number of 64 bits with a sign. */
  readonly value: number;
}

/** Reads a source in windows, so that many small reads are few large ones. */
class Window {
  readonly #source: ByteSource;
  readonly #name: string;
  #bytes = new Uint8Array();
  #start = 0;

  constructor(source: ByteSource, name: string) {
    this.#source = source;
    this.#name = name;
  }

  damaged(problem: string): GleanerError {
    return new GleanerError('DAMAGED', { path: this.#name, problem: `${problem}: it is no ONNX network.` });
  }

  /** The bytes of a field. */
  async read({ from, to }: Field): Promise<Uint8Array> {
    return (await this.#at(from, to - from)).subarray(0, to - from);
  }

  /** The fields of a message that lies at [from, to). */
  async *fields(from: number, to: number): AsyncGenerator<Field, void, undefined> {
    for (let at = from; at < to; ) {
      const field = parseField(await this.#at(at, 2 * MAX_VARINT), at);
      if (!field || field.to > to) throw this.damaged(`has no field at byte ${at}`);
      yield field;
      at = field.to;
    }
  }

  /** Bytes from `position` on: at least `count`, where the source has so many. */
  async #at(position: number, count: number): Promise<Uint8Array> {
    const end = Math.min(position + count, this.#source.byteLength);
    if (position < this.#start || end > this.#start + this.#bytes.length) {
      const upTo = Math.min(position + Math.max(count, WINDOW), this.#source.byteLength);
      this.#bytes = new Uint8Array(await this.#source.slice(position, upTo));
      this.#start = position;
    }
    return this.#bytes.subarray(position - this.#start);
  }
}

/** The field that `bytes` begin with, which lie at `at` of the file; undefined where there is none. */
function parseField(bytes: Uint8Array, at: number): Field | undefined {
  const key = readVarint(bytes, 0);
  if (!key) return undefined;
  const [number, type] = [Math.floor(key.value / 8), key.value % 8];
  const next = readVarint(bytes, key.length);
  const after = at + key.length;
  const none = { number, type, start: at, value: 0 };
  if (number === 0) return undefined;
  if (type === WIRE.fixed64) return { ...none, from: after + 8, to: after + 8 };
  if (type === WIRE.fixed32) return { ...none, from: after + 4, to: after + 4 };
  if (!next) return undefined;
  const from = after + next.length;
  if (type === WIRE.varint) return { ...none, from, to: from, value: next.value };
  return type === WIRE.bytes && next.value >= 0 ? { ...none, from, to: from + next.value } : undefined;
}

function readVarint(bytes: Uint8Array, at: number): { value: number; length: number } | undefined {
  let value = 0n;
  for (let i = 0; i < MAX_VARINT; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 127) << BigInt(7 * i);
    if (byte < 128) return { value: Number(BigInt.asIntN(64, value)), length: i + 1 };
  }
  return undefined;
}

/** Fields of a message that is in memory. What is cut off is left out. */
function* fieldsOf(bytes: Uint8Array): Generator<Field, void, undefined> {
  for (let at = 0; at < bytes.length; ) {
    const field = parseField(bytes.subarray(at), at);
    if (!field || field.to > bytes.length) return;
    yield field;
    at = field.to;
  }
}

const utf8 = new TextDecoder();

/** @param operators to which that of the node, and those of graphs in its attributes, are added */
function nodeOf(bytes: Uint8Array, operators: Set<string>): OnnxNode {
  const inputs: string[] = [];
  const within: string[] = [];
  let opType = '';
  for (const { number, from, to } of fieldsOf(bytes)) {
    const value = bytes.subarray(from, to);
    if (number === NODE.input) inputs.push(utf8.decode(value));
    if (number === NODE.opType) opType = utf8.decode(value);
    if (number === NODE.attribute)
      for (const field of fieldsOf(value))
        if (field.number === ATTRIBUTE.g || field.number === ATTRIBUTE.graphs)
          for (const node of nodesOf(value.subarray(field.from, field.to), GRAPH.node, operators))
            within.push(...node.inputs);
  }
  operators.add(opType);
  return { opType, inputs: [...inputs, ...within] };
}

/** The nodes of a graph or of a function. */
function nodesOf(bytes: Uint8Array, number: number, operators: Set<string>): readonly OnnxNode[] {
  return [...fieldsOf(bytes)]
    .filter((field) => field.number === number)
    .map(({ from, to }) => nodeOf(bytes.subarray(from, to), operators));
}

async function tensorOf(window: Window, field: Field): Promise<OnnxTensor> {
  const dims: number[] = [];
  const ints: number[] = [];
  let [name, dataType, external] = ['', 0, false];
  let raw: OnnxTensor['raw'];
  for await (const part of window.fields(field.from, field.to)) {
    if (part.number === TENSOR.name) name = utf8.decode(await window.read(part));
    if (part.number === TENSOR.dataType) dataType = part.value;
    if (part.number === TENSOR.dataLocation) external = part.value !== 0;
    if (part.number === TENSOR.rawData) raw = { start: part.from, end: part.to };
    const integers = part.number === TENSOR.dims ? dims : part.number === TENSOR.int32Data ? ints : undefined;
    if (integers && part.type === WIRE.varint) integers.push(part.value);
    if (integers && part.type === WIRE.bytes)
      for (const value of varints(await window.read(part))) integers.push(value);
  }
  const place = { name, dims, dataType, ints, start: field.start, end: field.to };
  return raw && !external ? { ...place, raw } : place;
}

function* varints(bytes: Uint8Array): Generator<number, void, undefined> {
  for (let at = 0; at < bytes.length; ) {
    const next = readVarint(bytes, at);
    if (!next) return;
    yield next.value;
    at += next.length;
  }
}

/** The field of a graph that holds a constant, in pieces. */
function tensorField(name: string, { dims, dataType, bytes }: OnnxConstant): readonly Uint8Array[] {
  const text = new TextEncoder().encode(name);
  const head = Buffer.concat([
    ...dims.flatMap((size) => [tag(TENSOR.dims, WIRE.varint), varint(size)]),
    ...[tag(TENSOR.dataType, WIRE.varint), varint(dataType)],
    ...[tag(TENSOR.name, WIRE.bytes), varint(text.length), text],
    ...[tag(TENSOR.rawData, WIRE.bytes), varint(bytes.length)],
  ]);
  return [tag(GRAPH.initializer, WIRE.bytes), varint(head.length + bytes.length), head, bytes];
}

function tag(number: number, type: number): Uint8Array {
  return varint(number * 8 + type);
}

/** A whole number from 0 to 2^53. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.of(...bytes, rest);
}
