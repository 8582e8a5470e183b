/** Writes ONNX models: a graph is built node by node, each node giving back the name of its output. */
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';

/** Element types by their number in `TensorProto.DataType`. */
const ELEMENT_TYPE = { float32: 1, uint8: 2, int8: 3, int64: 7, float16: 10 } as const;
export type ElementType = keyof typeof ELEMENT_TYPE;

/** A number is a fixed size, a name a size known only when the graph runs (`'batch'`). */
export type Shape = readonly (number | string)[];

export interface Constant {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Float32Array | Uint8Array | Int8Array | BigInt64Array | Uint16Array;
}

/** Operator set 17 (ONNX 1.12) and its format version 8: what onnxruntime of 2022 and later runs. */
const OPSET = 17;
const IR_VERSION = 8;

const schemaText = readFileSync(new URL('./onnx-subset.proto', import.meta.url), 'utf8');
const ModelProto = protobuf.parse(schemaText, { keepCase: true }).root.lookupType('ModelProto');

/** A plain number is a whole one. */
export type Attribute = number | { readonly float: number } | { readonly string: string } | readonly number[];

interface Node {
  readonly op_type: string;
  readonly name: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute?: readonly object[];
}

interface Initializer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data_type: number;
  readonly raw_data: Uint8Array;
}

function attributeProto(name: string, value: Attribute): object {
  if (typeof value === 'number') return { name, i: value, type: 2 };
  if ('float' in value) return { name, f: value.float, type: 1 };
  if ('string' in value) return { name, s: new TextEncoder().encode(value.string), type: 3 };
  return { name, ints: [...value], type: 7 };
}

function valueInfo(name: string, type: ElementType, shape: Shape) {
  const dim = shape.map((size) => (typeof size === 'number' ? { dim_value: size } : { dim_param: size }));
  return { name, type: { tensor_type: { elem_type: ELEMENT_TYPE[type], shape: { dim } } } };
}

/** One graph under construction. Every method that makes a value returns its name. */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: Node[] = [];
  readonly #initializers: Initializer[] = [];
  readonly #inputs: object[] = [];
  readonly #outputs: ReturnType<typeof valueInfo>[] = [];
  #made = 0;

  constructor(name: string) {
    this.#name = name;
  }

  input(name: string, type: ElementType, shape: Shape): string {
    this.#inputs.push(valueInfo(name, type, shape));
    return name;
  }

  /** Declares a value made by a node as an output of the graph, under a name of its own. */
  output(name: string, value: string, type: ElementType, shape: Shape): void {
    this.#nodes.push({ op_type: 'Identity', name: `output_${name}`, input: [value], output: [name] });
    this.#outputs.push(valueInfo(name, type, shape));
  }

  constant(value: Constant): string {
    const name = this.#unique('const');
    const { buffer, byteOffset, byteLength } = value.data;
    this.#initializers.push({
      name,
      dims: [...value.dims],
      data_type: ELEMENT_TYPE[value.type],
      raw_data: new Uint8Array(buffer, byteOffset, byteLength),
    });
    return name;
  }

  floats(dims: readonly number[], data: Float32Array | readonly number[]): string {
    return this.constant({ type: 'float32', dims, data: Float32Array.from(data) });
  }

  /** A constant without dimensions. */
  scalar(value: number): string {
    return this.floats([], [value]);
  }

  /** A constant vector of integers: a shape, a list of axes. */
  ints(...values: number[]): string {
    return this.constant({ type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  op(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    return this.ops(opType, inputs, 1, attributes)[0]!;
  }

  /** A node with several outputs. */
  ops(
    opType: string,
    inputs: readonly string[],
    count: number,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string[] {
    const name = this.#unique(opType);
    const output = Array.from({ length: count }, (_, i) => (count === 1 ? name : `${name}_${i}`));
    const attribute = Object.entries(attributes).map(([key, value]) => attributeProto(key, value));
    this.#nodes.push({ op_type: opType, name, input: [...inputs], output, attribute });
    return output;
  }

  cast(value: string, type: ElementType): string {
    return this.op('Cast', [value], { to: ELEMENT_TYPE[type] });
  }

  /** Sum over axes that stay as size 1. */
  sum(value: string, ...axes: number[]): string {
    return this.op('ReduceSum', [value, this.ints(...axes)], { keepdims: 1 });
  }

  /** Rows over their Euclidean length. The small term keeps a row of zeros finite. */
  normalizeRows(value: string): { unit: string; length: string } {
    const squares = this.sum(this.op('Mul', [value, value]), 1);
    const length = this.op('Sqrt', [this.op('Add', [squares, this.scalar(1e-20)])]);
    return { unit: this.op('Div', [value, length]), length };
  }

  /** The model's bytes. */
  toModel(docString = ''): Uint8Array {
    const { nodes, used } = this.#needed();
    const graph = {
      name: this.#name,
      node: nodes,
      initializer: this.#initializers.filter(({ name }) => used.has(name)),
      input: this.#inputs,
      output: this.#outputs,
    };
    const model = {
      ir_version: IR_VERSION,
      producer_name: 'gleaner',
      doc_string: docString,
      graph,
      opset_import: [{ domain: '', version: OPSET }],
    };
    return ModelProto.encode(ModelProto.fromObject(model)).finish();
  }

  /**
   * Nodes that an output hangs on, and the values they use. onnxruntime would run the others too: a gradient by
   * the data, which nobody asks for, is as large a matrix product as that by the first layer's weights.
   */
  #needed(): { nodes: Node[]; used: ReadonlySet<string> } {
    const used = new Set(this.#outputs.map(({ name }) => name));
    const nodes = this.#nodes.toReversed().filter(({ input, output }) => {
      if (!output.some((name) => used.has(name))) return false;
      for (const name of input) used.add(name);
      return true;
    });
    return { nodes: nodes.reverse(), used };
  }

  #unique(prefix: string): string {
    this.#made += 1;
    return `${prefix}_${this.#made}`;
  }
}
