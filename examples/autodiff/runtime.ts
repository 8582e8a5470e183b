/** onnxruntime as a calculator for the matrix work of training. */
import * as ort from 'onnxruntime-node';
import { GraphBuilder } from './onnx.ts';

export interface RunOptions {
  /** @default 2 */
  readonly threads?: number;
  /** Execution provider of onnxruntime: 'cpu', 'cuda', 'webgpu', 'coreml', 'dml'. @default 'cpu' */
  readonly provider?: string;
  /** Whether the graph is run as it stands, without fused or folded nodes: for tests. @default false */
  readonly asWritten?: boolean;
}

/** @param model its bytes, or its path */
export async function openSession(
  model: Uint8Array | string,
  { threads = 2, provider = 'cpu', asWritten = false }: RunOptions = {},
): Promise<ort.InferenceSession> {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    graphOptimizationLevel: asWritten ? 'disabled' : 'all',
    // Threads that have nothing to do sleep: others want the cores.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
  return typeof model === 'string'
    ? ort.InferenceSession.create(model, options)
    : ort.InferenceSession.create(model, options);
}

export function floatTensor(data: Float32Array, ...dims: number[]): ort.Tensor {
  return new ort.Tensor('float32', data, dims);
}

/** The values of a float32 tensor. */
export function floatsOf(tensor: ort.Tensor | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new TypeError(`expected float32, got ${tensor?.type}`);
  return tensor.data;
}

export type MatMul = (
  a: Float32Array,
  b: Float32Array,
  rows: number,
  inner: number,
  columns: number,
) => Promise<Float32Array>;

/** Opens a product of matrices: a [rows, inner] × b [inner, columns], all row by row. */
export async function openMatMul(): Promise<MatMul> {
  const g = new GraphBuilder('matmul');
  const a = g.input('a', 'float32', ['rows', 'inner']);
  const b = g.input('b', 'float32', ['inner', 'columns']);
  g.output('product', g.op('MatMul', [a, b]), 'float32', ['rows', 'columns']);
  const session = await openSession(g.toModel());
  return async (left, right, rows, inner, columns) => {
    const feeds = { a: floatTensor(left, rows, inner), b: floatTensor(right, inner, columns) };
    return floatsOf((await session.run(feeds)).product);
  };
}
