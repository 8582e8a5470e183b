/**
 * The geometry of img2dataset 1.47 (resizer.py, with albumentations 1.4.24 below it), so that a dataset downloaded here
 * has the sizes that one downloaded there has.
 */
import { dropped, kept, type Outcome, type RgbImage } from '../schema/index.ts';
import { shrinkByArea } from './area.ts';
import { takeBuffer } from './buffers.ts';
import type { Canvas, Window } from './canvas.ts';
import { enlargeByLanczos } from './lanczos.ts';
import { MAX_JPEG_SIDE } from './store.ts';

/**
 * `no`: as it is. `border`: the longer side becomes `size`, on a white square. `keep_ratio_largest`: the same without
 * the square. `keep_ratio`: the shorter side becomes `size`. `center_crop`: the same, and the middle square of it.
 */
export const RESIZE_MODES = ['no', 'border', 'keep_ratio', 'keep_ratio_largest', 'center_crop'] as const;
export type ResizeMode = (typeof RESIZE_MODES)[number];

export interface ResizeOptions {
  readonly mode: ResizeMode;
  /** A side of the result, in pixels; which one says the mode. */
  readonly size: number;
  /** Leaves alone what is not larger than `size` by the side that counts: such pictures get no border either. */
  readonly onlyIfBigger: boolean;
  /**
   * Pixels of the result, at most: a strip of 1,000 × 1 would be 65,536,000 in keep_ratio 256.
   *
   * @default 89_478_485, Pillow's limit, as for what is decoded
   */
  readonly maxPixels?: number;
}

/** What a resize will do, from the sizes alone. */
export interface ResizePlan {
  /** Of the result, in pixels. */
  readonly width: number;
  readonly height: number;
  /** The whole picture at its new scale, in pixels. */
  readonly scaled: { readonly width: number; readonly height: number };
  /** Where the scaled picture lies on the result; negative where it is cut. */
  readonly left: number;
  readonly top: number;
  /** OpenCV's INTER_AREA or INTER_LANCZOS4, img2dataset's defaults; undefined where the scale stays. */
  readonly filter: 'area' | 'lanczos' | undefined;
  /** Whether the mode applied, even if it changed no size: img2dataset then encodes again. */
  readonly applied: boolean;
}

/** Sizes as img2dataset computes them: factors in floating point, halves rounded to even (Python's `round`). */
export function planResize(
  { width, height }: { readonly width: number; readonly height: number },
  { mode, size, onlyIfBigger }: ResizeOptions,
): ResizePlan {
  const byShorter = mode === 'keep_ratio' || mode === 'center_crop';
  const side = byShorter ? Math.min(width, height) : Math.max(width, height);
  const shrinks = side > size;
  if (mode === 'no' || (onlyIfBigger && !shrinks))
    return { width, height, scaled: { width, height }, left: 0, top: 0, filter: undefined, applied: false };
  const factor = size / side;
  const scaled = {
    width: Math.max(1, roundHalfEven(width * factor)),
    height: Math.max(1, roundHalfEven(height * factor)),
  };
  const square = mode === 'border' || mode === 'center_crop';
  const target = square ? { width: size, height: size } : scaled;
  // Of an odd border, and of an odd margin that is cut, the smaller half is left and above.
  const place = (space: number) => (space < 0 ? -Math.floor(-space / 2) : Math.floor(space / 2));
  const same = scaled.width === width && scaled.height === height;
  return {
    ...target,
    scaled,
    left: place(target.width - scaled.width),
    top: place(target.height - scaled.height),
    filter: same ? undefined : shrinks ? 'area' : 'lanczos',
    applied: true,
  };
}

/**
 * Resizes as `--resize_mode` of img2dataset does, by area where a picture shrinks and by Lanczos where it grows; borders
 * are white. Refused as `aspect`: results with more pixels than `maxPixels`, or a side longer than
 * {@link MAX_JPEG_SIDE}, which no picture but a very elongated one has.
 *
 * @returns with nothing to change the image itself, not a copy
 */
export function resizeImage(image: RgbImage, options: ResizeOptions): Outcome<RgbImage> {
  const plan = planResize(image, options);
  const { width, height, filter } = plan;
  if (plan.applied) {
    const { maxPixels = 89_478_485 } = options;
    if (Math.max(width, height) > MAX_JPEG_SIDE || width * height > maxPixels)
      return dropped('aspect', `${width}×${height}`);
  }
  if (width === image.width && height === image.height && !filter)
    return kept({ data: image.data, width, height });
  const data = takeBuffer(width * height * 3);
  const window = visible(plan);
  if (window.width < width || window.height < height) data.fill(255);
  const canvas = { data, width, left: Math.max(0, plan.left), top: Math.max(0, plan.top) };
  if (filter === 'area') shrinkByArea(image, plan.scaled, window, canvas);
  else if (filter === 'lanczos') enlargeByLanczos(image, plan.scaled, window, canvas);
  else cut(image, window, canvas);
  return kept({ data, width, height });
}

/** The part of the scaled picture that the result shows. */
function visible({ width, height, scaled, left, top }: ResizePlan): Window {
  return {
    left: Math.max(0, -left),
    top: Math.max(0, -top),
    width: Math.min(width, scaled.width),
    height: Math.min(height, scaled.height),
  };
}

function cut(image: RgbImage, { left, top, width, height }: Window, canvas: Canvas): void {
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3;
    const row = image.data.subarray(from, from + width * 3);
    canvas.data.set(row, ((canvas.top + y) * canvas.width + canvas.left) * 3);
  }
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}
