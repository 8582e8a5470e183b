import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { fileSize, invalid } from './model-files.ts';

/** One of a model's two networks: named tensors in, one matrix of embeddings out. */
export interface Tower {
  /** Inputs by name: element type and shape, symbolic dimensions as strings. */
  readonly inputs: ReadonlyMap<string, ort.InferenceSession.TensorValueMetadata>;
  /** Width of the embeddings. */
  readonly dimension: number;
  /** Rows have to be run one by one: each would change the others, or the network takes no more. */
  readonly alone: boolean;
  /** Runs one batch of `rows` rows → rows × dimension, each row L2-normalised. */
  run(feeds: Readonly<Record<string, ort.Tensor>>, rows: number): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface TowerOptions {
  readonly dir: string;
  /** Path in `dir`. */
  readonly file: string;
  /** Name that CLIP exports give the output; without it, the network's only output is taken. */
  readonly output: 'image_embeds' | 'text_embeds';
  readonly dimension: number;
  readonly threads: number;
}

/**
 * Loads a network on the CPU.
 *
 * @throws GleanerError MODEL_INVALID where the file is no ONNX network that gives embeddings of that dimension.
 */
export async function openTower({ dir, file, output, dimension, threads }: TowerOptions): Promise<Tower> {
  const session = await load(dir, file, threads);
  const fail = (problem: string) => invalid(dir, file, problem);
  const outputs = session.outputMetadata;
  const metadata =
    outputs.find(({ name }) => name === output) ?? (outputs.length === 1 ? outputs[0] : undefined);
  if (!metadata?.isTensor) throw fail(`has no output ${output}, but ${session.outputNames.join(', ')}`);
  const width = metadata.shape.at(-1);
  if (typeof width === 'number' && width >= 0 && width !== dimension)
    throw fail(`gives embeddings of ${width} numbers, but config.json says ${dimension}`);
  const inputs = new Map(session.inputMetadata.flatMap((i) => (i.isTensor ? [[i.name, i] as const] : [])));
  const takesOne = [...inputs.values()].some(({ shape }) => shape[0] === 1);
  return {
    inputs,
    dimension,
    alone: takesOne || (await quantizesAtRunTime(join(dir, file))),
    async run(feeds, rows) {
      const result = await session.run(feeds, [metadata.name]);
      const tensor = result[metadata.name];
      if (!tensor || !(tensor.data instanceof Float32Array)) throw fail(`${metadata.name} is not float32`);
      const [n, columns] = tensor.dims;
      if (tensor.dims.length !== 2 || n !== rows || columns !== dimension)
        throw fail(`${metadata.name} has the shape ${tensor.dims.join(' x ')}, not ${rows} x ${dimension}`);
      const values = tensor.data.slice();
      if (!normalise(values, dimension))
        throw fail(`${metadata.name} is not a direction: NaN, infinite or all zero`);
      return values;
    },
    close: () => session.release(),
  };
}

/**
 * Whether a network rounds what it computes to whole numbers as it runs: by the least and the greatest value of all rows
 * together. The operators are DynamicQuantizeLinear and, of onnxruntime, DynamicQuantizeMatMul and DynamicQuantizeLSTM; their
 * names stand in the file as they are (onnx.proto, NodeProto.op_type).
 */
async function quantizesAtRunTime(path: string): Promise<boolean> {
  const name = 'DynamicQuantize';
  let before = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const bytes = Buffer.concat([before, chunk]);
    if (bytes.includes(name)) return true;
    before = Buffer.from(bytes.subarray(Math.max(0, bytes.length - name.length + 1)));
  }
  return false;
}

async function load(dir: string, file: string, threads: number): Promise<ort.InferenceSession> {
  try {
    return await ort.InferenceSession.create(join(dir, file), {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    });
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').slice(0, 120) : 'unknown error';
    const problem = `is not an ONNX network that can be loaded, or is cut off (${await fileSize(dir, file)} bytes; ${reason})`;
    throw invalid(dir, file, problem, error);
  }
}

/** Brings each row to length 1; false where a row has none. Sums are taken in double precision. */
function normalise(values: Float32Array, dimension: number): boolean {
  for (let from = 0; from < values.length; from += dimension) {
    const row = values.subarray(from, from + dimension);
    const length = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
    if (!(length > 0) || !Number.isFinite(length)) return false;
    for (let i = 0; i < dimension; i++) row[i] = (row[i] ?? 0) / length;
  }
  return true;
}
