/** Pictures: a drawing on a background, encoded as JPEG, PNG, WebP or GIF. */
import { renderAsync } from '@resvg/resvg-js';
import sharp from 'sharp';
import { type Background, paintBackground } from './backgrounds.ts';

// Several pictures are made at once instead: more threads for one of them would only make them wait.
sharp.concurrency(1);

export type RasterFormat = 'jpeg' | 'png' | 'webp' | 'gif';

/** All that decides about a picture's pixels. */
export interface PictureSpec {
  readonly format: RasterFormat;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly background: Background;
  /** Side of the drawing, and where its top left corner lies, in pixels. */
  readonly size: number;
  readonly left: number;
  readonly top: number;
  /** Of JPEG and WebP, 1 to 100. */
  readonly quality: number;
  /** The bytes a picture must have at least, and may have at most. */
  readonly minBytes: number;
  readonly maxBytes: number;
}

/** A drawing on a transparent square: R, G, B (premultiplied), A. */
interface Cutout {
  readonly data: Uint8Array;
  /** Pixels a side. */
  readonly size: number;
}

/** Renders off the main thread, without system fonts; fluent-emoji's drawings are square. */
async function renderCutout(svg: string, size: number): Promise<Cutout> {
  const fitTo = { mode: 'width', value: size } as const;
  const image = await renderAsync(svg, { fitTo, font: { loadSystemFonts: false } });
  return { data: image.pixels, size };
}

/** out = drawing + background × (1 − alpha). */
function lay(cutout: Cutout, pixels: Uint8ClampedArray, spec: PictureSpec): void {
  for (let y = 0; y < cutout.size; y++) {
    let from = y * cutout.size * 4;
    let to = ((spec.top + y) * spec.width + spec.left) * 3;
    for (let x = 0; x < cutout.size; x++, from += 4, to += 3) {
      const through = 255 - (cutout.data[from + 3] ?? 0);
      if (through === 255) continue;
      for (let c = 0; c < 3; c++)
        pixels[to + c] = (cutout.data[from + c] ?? 0) + ((pixels[to + c] ?? 0) * through) / 255;
    }
  }
}

function encode(pixels: Uint8ClampedArray, spec: PictureSpec): Promise<Buffer> {
  const { width, height, quality } = spec;
  const image = sharp(pixels, { raw: { width, height, channels: 3 } });
  switch (spec.format) {
    case 'jpeg':
      return image.jpeg({ quality }).toBuffer();
    case 'webp':
      return image.webp({ quality, effort: 0 }).toBuffer();
    case 'png':
      return image.png({ compressionLevel: 3 }).toBuffer();
    case 'gif':
      return image.gif({ effort: 1 }).toBuffer();
  }
}

/** The same picture with all lengths multiplied. */
function scaled(spec: PictureSpec, factor: number): PictureSpec {
  const size = Math.round(spec.size * factor);
  const [width, height] = [Math.round(spec.width * factor), Math.round(spec.height * factor)];
  const left = Math.min(Math.round(spec.left * factor), width - size);
  const top = Math.min(Math.round(spec.top * factor), height - size);
  return { ...spec, size, width, height, left, top };
}

/**
 * Makes the pictures of one drawing. It is rendered once for each size that they ask for: that is where the time
 * goes. A picture that comes out with too few or too many bytes is made again at another size, so that what the
 * plan says of its size is certain.
 *
 * @param svg - The drawing.
 * @returns their files, in the order of `specs`
 * @throws Error where no size will do
 */
export async function makePictures(svg: string, specs: readonly PictureSpec[]): Promise<Uint8Array[]> {
  const cutouts = new Map<number, Cutout>();
  const cutout = async (size: number): Promise<Cutout> => {
    const made = cutouts.get(size) ?? (await renderCutout(svg, size));
    cutouts.set(size, made);
    return made;
  };
  const files: Uint8Array[] = [];
  for (const spec of specs) files.push(await makePicture(cutout, spec));
  return files;
}

const LOSSY: ReadonlySet<RasterFormat> = new Set(['jpeg', 'webp']);

/** Tries before giving up; 1.3 to the power of 7 is a picture 6 times as wide. */
const TRIES = 9;

async function makePicture(
  cutout: (size: number) => Promise<Cutout>,
  spec: PictureSpec,
): Promise<Uint8Array> {
  let wanted = spec;
  for (let i = 0; i < TRIES; i++) {
    const pixels = paintBackground(wanted.background, wanted.width, wanted.height);
    lay(await cutout(wanted.size), pixels, wanted);
    const bytes = await encode(pixels, wanted);
    if (bytes.length > spec.maxBytes) wanted = scaled(wanted, 0.7);
    else if (bytes.length >= spec.minBytes) return bytes;
    // Another quality costs less than another size: the drawing need not be rendered again.
    else if (LOSSY.has(spec.format) && wanted.quality < 97) wanted = { ...wanted, quality: 97 };
    else wanted = scaled(wanted, 1.3);
  }
  throw new Error(`no ${spec.format} of ${spec.minBytes} to ${spec.maxBytes} bytes came out`);
}
