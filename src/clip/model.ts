import * as ort from 'onnxruntime-node';
import { toFloat16 } from '../formats/float16.ts';
import type { RgbImage } from '../schema/index.ts';
import type { ModelVariant, Provider } from './choices.ts';
import { halfTensor } from './half-tensor.ts';
import { invalid } from './invalid.ts';
import { identify, type ModelFolder, type ModelIdentity, readModelFolder } from './model-files.ts';
import {
  type CroppedImage,
  cropForModel,
  type PixelValues,
  pixelCount,
  toPixelValues,
} from './preprocess.ts';
import { openTowers, type Tower } from './session.ts';
import { type ClipTokenizer, createTokenizer } from './tokenizer.ts';

export interface ClipOptions {
  /** Threads of one call. Sums are split by it, so that embeddings may differ in the last bit. @default 1 */
  readonly threads?: number;
  /**
   * Whether an image or a text is embedded to the same bits whatever is embedded beside it. One that is alone is then
   * embedded twice: a search query has no use for that. @default true
   */
  readonly steady?: boolean;
  /** What the networks run on; chooseProvider says what works. @default 'cpu' */
  readonly provider?: Provider | undefined;
  /** Images or texts a call of the network, where that is to be more than 64: memory grows with it. @default 64 */
  readonly batchSize?: number | undefined;
  /** @default the first of fp32, fp16 and int8 that the folder has */
  readonly variant?: ModelVariant | undefined;
}

/** A contrastive encoder of images and texts. */
export interface ClipModel extends ModelIdentity {
  /** Most tokens of a caption; what is longer is cut. */
  readonly contextLength: number;
  /** The part of an image that the model sees, at its size: all that has to be kept until it is embedded. */
  crop(image: RgbImage): CroppedImage;
  /** Whole images, or crops of this model → n × dimension, row by row, each row L2-normalised. */
  embedImages(images: readonly RgbImage[]): Promise<Float32Array>;
  /** The same of what `toPixelValues` made of crops elsewhere. */
  embedPixels(images: readonly PixelValues[]): Promise<Float32Array>;
  /** Texts → n × dimension, row by row, each row L2-normalised. Equal texts are computed once. */
  embedTexts(texts: readonly string[]): Promise<Float32Array>;
  /** Frees the networks' memory. */
  close(): Promise<void>;
}

/** Rows a call of the network. */
interface BatchSizes {
  readonly least: number;
  readonly most: number;
}

/** So many at most, where nobody asks for more. */
const MAX_BATCH = 64;
/**
 * And at least so many: for a matrix of one row onnxruntime has a multiplication of its own, which adds in another order.
 * docs/decisions.md has the measurements, of this and of the next.
 */
const MIN_BATCH = 2;
/** Captions are padded to a multiple of so many tokens. */
const LENGTH_STEP = 8;

/**
 * Loads an ONNX CLIP from a folder as the hub lays it out ({@link readModelFolder}). Sizes, preprocessing, names of
 * inputs and the width of embeddings are read from there.
 *
 * @throws GleanerError MODEL_INVALID, naming the file: missing, cut off, or of other dimensions than the
 * configuration says. Later, from embedImages and embedTexts, where the network gives NaN.
 */
export async function loadClip(dir: string, options: ClipOptions = {}): Promise<ClipModel> {
  const folder = await readModelFolder(dir, { variant: options.variant });
  const tokenizer = readTokenizer(folder);
  const identity = await identify(folder);
  const { dimension } = folder;
  const { preprocessing, contextLength } = folder;
  const { vision, text } = await openTowers(
    {
      dir: folder.dir,
      dimension,
      outputs: folder.outputs,
      threads: options.threads ?? 1,
      provider: options.provider,
    },
    folder,
    [preprocessing.cropHeight, preprocessing.cropWidth],
  );
  const least = options.steady === false ? 1 : MIN_BATCH;
  const rows = { least, most: Math.max(MAX_BATCH, options.batchSize ?? 0) };
  const embedPixels = pixelEmbedder(folder, vision, rows);
  const embedTokens = tokenEmbedder(folder, text, tokenizer.padId, rows);
  const crop = (image: RgbImage) => {
    if (!isCrop(image)) return cropForModel(image, preprocessing);
    if (image.width !== preprocessing.cropWidth || image.height !== preprocessing.cropHeight)
      throw new Error(
        `a crop of ${image.width} x ${image.height} pixels is of another model than ${folder.name}`,
      );
    return image;
  };
  return {
    ...identity,
    contextLength,
    crop,
    embedImages: (images) =>
      embedPixels(images, (image, part) => toPixelValues(crop(image), preprocessing, part)),
    embedPixels: (images) => embedPixels(images, ({ values }, part) => part.set(values)),
    async embedTexts(texts) {
      const unique = [...new Set(texts)];
      const rows = await embedTokens(unique.map((t) => tokenizer.encode(t)));
      if (unique.length === texts.length) return rows;
      const rowOf = new Map(unique.map((text, row) => [text, row]));
      const all = new Float32Array(texts.length * dimension);
      for (const [i, text] of texts.entries()) {
        const from = (rowOf.get(text) ?? 0) * dimension;
        all.set(rows.subarray(from, from + dimension), i * dimension);
      }
      return all;
    },
    async close() {
      await vision.close();
      await text.close();
    },
  };
}

/**
 * The image half: fills a batch, whose memory serves the next, and runs it.
 * @returns embeds images that `write` writes the pixel values of
 */
function pixelEmbedder(folder: ModelFolder, vision: Tower, sizes: BatchSizes) {
  const input = findPixelInput(folder, vision);
  const { preprocessing } = folder;
  const perImage = pixelCount(preprocessing);
  const free: Float32Array<ArrayBuffer>[] = [];
  return <T>(images: readonly T[], write: (image: T, part: Float32Array<ArrayBuffer>) => void) =>
    inBatches(images, vision, sizes, async (batch) => {
      const needed = batch.length * perImage;
      const found = free.pop();
      const all = found && found.length >= needed ? found : new Float32Array(needed);
      for (const [n, image] of batch.entries()) write(image, all.subarray(n * perImage, (n + 1) * perImage));
      const shape = [batch.length, 3, preprocessing.cropHeight, preprocessing.cropWidth];
      try {
        const pixels = floats(input.type, all.subarray(0, needed), shape);
        return await vision.run({ [input.name]: pixels }, batch.length);
      } finally {
        free.push(all);
      }
    });
}

/**
 * The text half below the tokenizer: ids with start and end token, at most `contextLength` each → n × dimension.
 *
 * Where attention is causal (CLIP) or a mask says which ids are padding, captions of about one length are embedded
 * together, padded to a length that depends on each alone, and not on what else is asked for: sums over more zeros
 * differ in the last bit. Else all are padded to the context length, or to the length that the network fixes; padding that a
 * model reads like any token (SigLIP) is none to its mask.
 */
export function tokenEmbedder(
  folder: Pick<ModelFolder, 'dir' | 'text' | 'causal' | 'contextLength'> & {
    readonly readsPadding?: boolean;
  },
  tower: Tower,
  padId: number,
  sizes: BatchSizes = { least: MIN_BATCH, most: MAX_BATCH },
): (ids: readonly (readonly number[])[]) => Promise<Float32Array> {
  const { dir, text: file, causal, contextLength, readsPadding = false } = folder;
  const input = [...tower.inputs.values()].find(({ name }) => IDS_NAMES.includes(name));
  const unknown = [...tower.inputs.keys()].filter((n) => n !== input?.name && n !== 'attention_mask');
  if (!input || unknown.length > 0)
    throw invalid(
      dir,
      file,
      `wants the inputs ${[...tower.inputs.keys()].join(', ')}; input_ids is needed and attention_mask known`,
    );
  const { name: idsName } = input;
  const idsType = input.type;
  const maskInput = tower.inputs.get('attention_mask');
  const fixed = input.shape[1];
  if (typeof fixed === 'number' && fixed > 0 && fixed < contextLength)
    throw invalid(dir, file, `takes ${fixed} tokens, but the configuration says ${contextLength}`);
  const lengthOf = (caption: readonly number[]) => {
    if (typeof fixed === 'number' && fixed > 0) return fixed;
    if (readsPadding || (!causal && !maskInput)) return contextLength;
    if (tower.alone) return Math.max(1, caption.length);
    return Math.min(contextLength, Math.max(1, Math.ceil(caption.length / LENGTH_STEP)) * LENGTH_STEP);
  };
  return async (captions) => {
    const { dimension } = tower;
    const all = new Float32Array(captions.length * dimension);
    for (const [length, rows] of Map.groupBy(captions.keys(), (row) => lengthOf(captions[row] ?? []))) {
      const group = rows.map((row) => captions[row] ?? []);
      const embedded = await inBatches(group, tower, sizes, (batch) => run(batch, length));
      for (const [i, row] of rows.entries())
        all.set(embedded.subarray(i * dimension, (i + 1) * dimension), row * dimension);
    }
    return all;
  };

  function run(captions: readonly (readonly number[])[], length: number): Promise<Float32Array> {
    const ids = new BigInt64Array(captions.length * length).fill(BigInt(padId));
    const mask = new BigInt64Array(captions.length * length);
    for (const [row, caption] of captions.entries()) {
      ids.set(caption.map(BigInt), row * length);
      mask.fill(1n, row * length, row * length + (readsPadding ? length : caption.length));
    }
    const shape = [captions.length, length];
    const integers = (type: string, values: BigInt64Array) =>
      type === 'int32'
        ? new ort.Tensor('int32', Int32Array.from(values, Number), shape)
        : new ort.Tensor('int64', values, shape);
    const feeds = {
      [idsName]: integers(idsType, ids),
      ...(maskInput && { [maskInput.name]: integers(maskInput.type, mask) }),
    };
    return tower.run(feeds, captions.length);
  }
}

/** optimum's name, and that of open_clip's exports for immich. */
const IDS_NAMES = ['input_ids', 'text'];

function readTokenizer(folder: ModelFolder): ClipTokenizer {
  try {
    return createTokenizer(folder.tokenizer, folder.tokenizerConfig, folder.contextLength, folder.cleaning);
  } catch (error) {
    throw invalid(folder.dir, 'tokenizer.json', 'is not a tokenizer that can be used', error);
  }
}

/** Pixels as the network takes them: to float16 they are rounded to the nearest. */
function floats(type: string, values: Float32Array<ArrayBuffer>, shape: readonly number[]): ort.Tensor {
  return type === 'float16' ? halfTensor(toFloat16(values), shape) : new ort.Tensor('float32', values, shape);
}

function findPixelInput(
  { dir, vision: file, preprocessing }: ModelFolder,
  vision: Tower,
): ort.InferenceSession.TensorValueMetadata {
  const [name, ...others] = vision.inputs.keys();
  const input = name === undefined ? undefined : vision.inputs.get(name);
  const isFloat = input?.type === 'float32' || input?.type === 'float16';
  if (!input || others.length > 0 || !isFloat || input.shape.length !== 4)
    throw invalid(dir, file, 'does not take one float32 or float16 input of 4 dimensions, the pixels');
  const { cropHeight, cropWidth } = preprocessing;
  const differs = [3, cropHeight, cropWidth].some((size, i) => {
    const wanted = input.shape[i + 1];
    return typeof wanted === 'number' && wanted > 0 && wanted !== size;
  });
  if (differs)
    throw invalid(
      dir,
      file,
      `takes pixels of shape ${input.shape.join(' x ')}, but preprocessor_config.json gives ${cropHeight} x ${cropWidth}`,
    );
  return input;
}

function isCrop(image: RgbImage | CroppedImage): image is CroppedImage {
  return 'cropped' in image;
}

/** Runs a network on so many rows at a time that none of them is changed by the others. */
async function inBatches<T>(
  items: readonly T[],
  { alone, dimension }: Pick<Tower, 'alone' | 'dimension'>,
  sizes: BatchSizes,
  embed: (batch: readonly T[]) => Promise<Float32Array>,
): Promise<Float32Array> {
  const all = new Float32Array(items.length * dimension);
  const most = alone ? 1 : sizes.most;
  for (let from = 0; from < items.length; from += most) {
    const batch = items.slice(from, from + most);
    const missing = Array.from({ length: Math.min(sizes.least, most) - batch.length }, () => batch[0] as T);
    const rows = await embed([...batch, ...missing]);
    all.set(rows.subarray(0, batch.length * dimension), from * dimension);
  }
  return all;
}
