import { z } from 'zod';
import { type ResampleFilter, resample } from '../image/index.ts';
import type { RgbImage } from '../schema/index.ts';

/** What a vision model wants of its pixels: transformers' preprocessor_config.json, resolved. */
export interface Preprocessing {
  /** The shorter side in pixels (ratio kept), or an exact size. */
  readonly resize: { readonly shortestEdge: number } | { readonly width: number; readonly height: number };
  readonly filter: ResampleFilter;
  /** Size of what the model sees, in pixels. */
  readonly cropWidth: number;
  readonly cropHeight: number;
  /** Of an odd margin transformers leaves the smaller half left and above, torchvision the half rounded to even. */
  readonly oddMargin: 'smaller' | 'even';
  /** pixel * rescale, then (value - mean) / std, a channel each: red, green, blue. */
  readonly rescale: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** A picture as the model sees it, cut out once so that the full pixels can go. */
export interface CroppedImage extends RgbImage {
  readonly cropped: true;
}

/** What a network takes of one picture, ready: see `toPixelValues`. */
export interface PixelValues {
  readonly values: Float32Array;
}

const SIDE = z.int().min(1).max(4096);
const EXACT = z
  .looseObject({ height: SIDE, width: SIDE })
  .transform(({ width, height }) => ({ width, height }));
const SIZE = z.union([
  SIDE.transform((shortestEdge) => ({ shortestEdge })),
  z.looseObject({ shortest_edge: SIDE }).transform((size) => ({ shortestEdge: size.shortest_edge })),
  EXACT,
]);
const CROP_SIZE = z.union([SIDE.transform((side) => ({ width: side, height: side })), EXACT]);
const CHANNELS = z.tuple([z.number(), z.number(), z.number()]).readonly();
const CONFIG = z.looseObject({
  do_resize: z.boolean().default(true),
  size: SIZE,
  resample: z.int().default(3),
  do_center_crop: z.boolean().default(true),
  crop_size: CROP_SIZE.optional(),
  do_rescale: z.boolean().default(true),
  rescale_factor: z.number().default(1 / 255),
  do_normalize: z.boolean().default(true),
  image_mean: CHANNELS.optional(),
  image_std: CHANNELS.optional(),
  image_processor_type: z.string().optional(),
  feature_extractor_type: z.string().optional(),
});
const OPEN_CLIP = z.looseObject({
  size: z.union([SIDE, z.tuple([SIDE, SIDE])]),
  mode: z.literal('RGB').default('RGB'),
  mean: CHANNELS,
  std: CHANNELS,
  interpolation: z.enum(['bicubic', 'bilinear']),
  resize_mode: z.enum(['shortest', 'squash']).default('shortest'),
});

/** Numbers of PIL.Image.Resampling that the config may name. */
const FILTERS: Readonly<Record<number, ResampleFilter>> = { 2: 'bilinear', 3: 'bicubic', 4: 'box' };

/**
 * Reads a preprocessor_config.json as transformers' CLIPImageProcessor does, defaults included; a plain number as
 * `size` is the shorter side, as in CLIP's first configs.
 *
 * @throws Error that says in one line what is wrong with it.
 */
export function parsePreprocessing(json: unknown): Preprocessing {
  const config = understand(CONFIG, json);
  if (!config.do_resize) throw new Error('do_resize: false is not supported');
  const filter = FILTERS[config.resample];
  if (!filter) throw new Error(`resample: ${config.resample} is not bilinear (2), bicubic (3) or box (4)`);
  const { size: resize } = config;
  // SigLIP's processor has no crop at all: what it resizes to, ratio or not, is what the model sees.
  const squashes = /^Siglip/.test(config.image_processor_type ?? config.feature_extractor_type ?? '');
  const crops = config.do_center_crop && !squashes;
  const crop = crops ? config.crop_size : 'width' in resize ? resize : undefined;
  if (crop === undefined) throw new Error('crop_size: missing, so that pictures would differ in size');
  const least = 'width' in resize ? resize : { width: resize.shortestEdge, height: resize.shortestEdge };
  if (crop.width > least.width || crop.height > least.height) throw new Error('crop_size: larger than size');
  const { image_mean: mean, image_std: std } = config;
  if (config.do_normalize && (!mean || !std)) throw new Error('image_mean or image_std: missing');
  return {
    resize,
    filter,
    cropWidth: crop.width,
    cropHeight: crop.height,
    oddMargin: 'smaller',
    rescale: config.do_rescale ? config.rescale_factor : 1,
    mean: config.do_normalize && mean ? mean : [0, 0, 0],
    std: config.do_normalize && std ? std : [1, 1, 1],
  };
}

/**
 * Reads open_clip's preprocess_cfg (open_clip/transform.py, PreprocessCfg): the shorter side resized and the middle cut out, or
 * the picture squashed to a square.
 *
 * @throws Error that says in one line what is wrong with it.
 */
export function openClipPreprocessing(json: unknown): Preprocessing {
  const { size, mean, std, interpolation, resize_mode } = understand(OPEN_CLIP, json);
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  if (height !== width) throw new Error('size: not a square');
  return {
    resize: resize_mode === 'squash' ? { width, height } : { shortestEdge: width },
    filter: interpolation,
    cropWidth: width,
    cropHeight: height,
    oddMargin: 'even',
    rescale: 1 / 255,
    mean,
    std,
  };
}

function understand<T>(schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'not understood'}`);
}

/**
 * Resizes and cuts the middle out, as transformers' CLIPImageProcessor or, for models in open_clip's layout, as torchvision
 * does: both truncate the longer side to whole pixels; at margins of 3 mod 4 torchvision is one pixel further. The pixels are
 * never those of `image`.
 */
export function cropForModel(image: RgbImage, preprocessing: Preprocessing): CroppedImage {
  const { resize, filter, cropWidth, cropHeight } = preprocessing;
  const { width, height } = 'shortestEdge' in resize ? fitShorter(image, resize.shortestEdge) : resize;
  const left = half(width - cropWidth, preprocessing.oddMargin);
  const top = half(height - cropHeight, preprocessing.oddMargin);
  const { data } = resample(image, width, height, filter, {
    left,
    top,
    width: cropWidth,
    height: cropHeight,
  });
  // A picture of just the right size comes back as it is; its memory is the decoder's, who is given it back.
  const own = data === image.data ? new Uint8Array(data) : data;
  return { data: own, width: cropWidth, height: cropHeight, cropped: true };
}

function half(margin: number, odd: Preprocessing['oddMargin']): number {
  const smaller = Math.floor(margin / 2);
  return odd === 'even' && margin % 2 === 1 && smaller % 2 === 1 ? smaller + 1 : smaller;
}

function fitShorter({ width, height }: RgbImage, shortestEdge: number): { width: number; height: number } {
  return width <= height
    ? { width: shortestEdge, height: Math.trunc((shortestEdge * height) / width) }
    : { width: Math.trunc((shortestEdge * width) / height), height: shortestEdge };
}

/**
 * A crop → [3, cropHeight, cropWidth], float32, planes in the order red, green, blue.
 * @param into where to write them: so many numbers. @default new memory
 */
export function toPixelValues(
  { data }: CroppedImage,
  preprocessing: Preprocessing,
  into = new Float32Array(pixelCount(preprocessing)),
): Float32Array {
  const plane = preprocessing.cropWidth * preprocessing.cropHeight;
  const [red, green, blue] = levelsOf(preprocessing);
  for (let at = 0, from = 0; at < plane; at++, from += 3) {
    into[at] = red[data[from]!]!;
    into[plane + at] = green[data[from + 1]!]!;
    into[2 * plane + at] = blue[data[from + 2]!]!;
  }
  return into;
}

/** Numbers that a model takes for one image. */
export function pixelCount({ cropWidth, cropHeight }: Preprocessing): number {
  return 3 * cropWidth * cropHeight;
}

type Levels = readonly [red: Float32Array, green: Float32Array, blue: Float32Array];
const LEVELS = new WeakMap<Preprocessing, Levels>();

/** What each of the 256 levels of a channel becomes. */
function levelsOf(preprocessing: Preprocessing): Levels {
  const { rescale, mean, std } = preprocessing;
  const of = (channel: 0 | 1 | 2) =>
    // Every step is rounded to float32, as numpy does on float32 pixels.
    Float32Array.from({ length: 256 }, (_, level) =>
      Math.fround(
        Math.fround(Math.fround(level * rescale) - Math.fround(mean[channel])) / Math.fround(std[channel]),
      ),
    );
  const levels = LEVELS.get(preprocessing) ?? ([of(0), of(1), of(2)] as const);
  LEVELS.set(preprocessing, levels);
  return levels;
}
