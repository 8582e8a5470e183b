import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { toFloat32 } from '../formats/float16.ts';
import type { Provider } from './choices.ts';
import { halfTensor } from './half-tensor.ts';
import { invalid } from './invalid.ts';
import { weightFiles } from './layout.ts';
import { fileSize } from './model-files.ts';
import { readNetwork } from './network.ts';

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
  readonly output: TowerOutput;
  /** What else an output with embeddings is called. @default [] */
  readonly outputs?: readonly string[];
  readonly dimension: number;
  readonly threads: number;
  /** @default 'cpu' */
  readonly provider?: Provider | undefined;
}

type TowerOutput = 'image_embeds' | 'text_embeds';
type Inputs = ReadonlyMap<string, ort.InferenceSession.TensorValueMetadata>;

/**
 * Loads a network.
 *
 * @throws GleanerError MODEL_INVALID where the file is no ONNX network that gives embeddings of that dimension.
 */
export async function openTower(options: TowerOptions): Promise<Tower> {
  const loaded = await load(options);
  return makeTower(loaded, options, loaded.inputs, {});
}

/**
 * Loads the two networks of a model; or one that embeds both, which is kept in memory once. Such a network always runs as a
 * whole: the half that is not asked for gets one row of zeros.
 *
 * @param side of the square that stands in for an image, in pixels
 * @throws GleanerError MODEL_INVALID
 */
export async function openTowers(
  shared: Omit<TowerOptions, 'file' | 'output'>,
  files: { readonly vision: string; readonly text: string },
  side: readonly [height: number, width: number],
): Promise<{ readonly vision: Tower; readonly text: Tower }> {
  const vision = { ...shared, file: files.vision, output: 'image_embeds' } as const;
  const text = { ...shared, file: files.text, output: 'text_embeds' } as const;
  if (files.vision !== files.text) {
    const opened = await openTower(vision);
    try {
      return { vision: opened, text: await openTower(text) };
    } catch (error) {
      await opened.close();
      throw error;
    }
  }
  const loaded = await load(vision);
  const { session } = loaded;
  const all = [...loaded.inputs];
  const pixels: Inputs = new Map(all.filter(([, { shape }]) => shape.length === 4));
  const tokens: Inputs = new Map(all.filter(([, { shape }]) => shape.length !== 4));
  if (pixels.size === 0 || tokens.size === 0)
    throw invalid(
      shared.dir,
      files.vision,
      `has the inputs ${session.inputNames.join(', ')}: not both halves`,
    );
  let open = 2;
  const close = async () => {
    open--;
    if (open === 0) await session.release();
  };
  return {
    vision: { ...makeTower(loaded, vision, pixels, blank(tokens, [2])), close },
    text: { ...makeTower(loaded, text, tokens, blank(pixels, [3, ...side])), close },
  };
}

/** One row for inputs that are not asked about: ones for tokens and their mask, zeros for pixels. */
function blank(inputs: Inputs, sizes: readonly number[]): Record<string, ort.Tensor> {
  const tensors = [...inputs].map(([name, { type, shape }]) => {
    const fixed = shape
      .slice(1)
      .map((size, i) => (typeof size === 'number' && size > 0 ? size : (sizes[i] ?? 1)));
    const dims = [1, ...fixed];
    const n = fixed.reduce((product, size) => product * size, 1);
    if (type === 'int64') return [name, new ort.Tensor(type, new BigInt64Array(n).fill(1n), dims)] as const;
    if (type === 'int32') return [name, new ort.Tensor(type, new Int32Array(n).fill(1), dims)] as const;
    if (type === 'float16') return [name, halfTensor(new Uint16Array(n), dims)] as const;
    return [name, new ort.Tensor('float32', new Float32Array(n), dims)] as const;
  });
  return Object.fromEntries(tensors);
}

function makeTower(
  { session, alone }: Loaded,
  { dir, file, output, outputs = [], dimension }: TowerOptions,
  inputs: Inputs,
  others: Readonly<Record<string, ort.Tensor>>,
): Tower {
  const fail = (problem: string) => invalid(dir, file, problem);
  const given = session.outputMetadata;
  const metadata =
    given.find(({ name }) => name === output) ??
    given.find(({ name }) => outputs.includes(name)) ??
    (given.length === 1 ? given[0] : undefined);
  if (!metadata?.isTensor) throw fail(`has no output ${output}, but ${session.outputNames.join(', ')}`);
  const width = metadata.shape.at(-1);
  if (typeof width === 'number' && width >= 0 && width !== dimension)
    throw fail(`gives embeddings of ${width} numbers, but config.json says ${dimension}`);
  return {
    inputs,
    dimension,
    alone,
    async run(feeds, rows) {
      const result = await session.run({ ...others, ...feeds }, [metadata.name]).catch((error: unknown) => {
        throw invalid(dir, file, `cannot be run (${lineOf(error)})`, error);
      });
      const tensor = result[metadata.name];
      const values = tensor && floatsOf(tensor);
      if (!tensor || !values) throw fail(`${metadata.name} is neither float32 nor float16`);
      const [n, columns] = tensor.dims;
      if (tensor.dims.length !== 2 || n !== rows || columns !== dimension)
        throw fail(`${metadata.name} has the shape ${tensor.dims.join(' x ')}, not ${rows} x ${dimension}`);
      if (!normalise(values, dimension))
        throw fail(`${metadata.name} is not a direction: NaN, infinite or all zero`);
      return values;
    },
    close: () => session.release(),
  };
}

/** A copy, as float32; undefined of numbers of another type. */
function floatsOf({ type, data }: ort.Tensor): Float32Array | undefined {
  if (data instanceof Float32Array) return data.slice();
  // A Float16Array where the version of Node has that, else a Uint16Array: the bits are the same.
  if (type !== 'float16' || !ArrayBuffer.isView(data)) return undefined;
  return toFloat32(new Uint16Array(data.buffer, data.byteOffset, data.length));
}

/** A network that is loaded, and whether its rows have to be run one by one. */
interface Loaded {
  readonly session: ort.InferenceSession;
  readonly inputs: Inputs;
  readonly alone: boolean;
}

async function load({ dir, file, threads, provider = 'cpu' }: TowerOptions): Promise<Loaded> {
  try {
    const { network, quantizes } = await readNetwork(join(dir, file), provider);
    const options = {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    } as const;
    const session = await (typeof network === 'string'
      ? ort.InferenceSession.create(network, options)
      : ort.InferenceSession.create(network, options));
    const inputs = new Map(session.inputMetadata.flatMap((i) => (i.isTensor ? [[i.name, i] as const] : [])));
    const takesOne = [...inputs.values()].some(({ shape }) => shape[0] === 1);
    return { session, inputs, alone: takesOne || quantizes };
  } catch (error) {
    const message = lineOf(error);
    throw invalid(
      dir,
      file,
      `${await whatIsWrong(dir, file, message)} (${provider}: ${message.slice(0, 120)})`,
      error,
    );
  }
}

/** An error of onnxruntime in one line; the path is said before it. */
function lineOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message
    .replaceAll(/\s+/g, ' ')
    .replace(/^Load model from .* failed: ?/, '')
    .replace(/\.$/, '')
    .slice(0, 300);
}

/** What onnxruntime's message about a network means. */
async function whatIsWrong(dir: string, file: string, message: string): Promise<string> {
  const data = /External data path .*?([^/\\"\]]+\.onnx_data\w*)/.exec(message)?.[1];
  if (data !== undefined) return `has weights in ${data}, which is missing`;
  const operator =
    /(?:No Op registered for|No opset import for domain|is not a registered function\/op|Could not find an implementation for) ?'?([\w.]+)?/.exec(
      message,
    );
  if (operator)
    return `has an operator that onnxruntime does not know${operator[1] ? ` (${operator[1]})` : ''}`;
  const parts = await Promise.all(weightFiles(dir, file).map((part) => fileSize(dir, part)));
  return `is not an ONNX network that can be loaded, or is cut off (${parts.join(' + ')} bytes)`;
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
