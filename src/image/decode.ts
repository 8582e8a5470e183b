import jpegTurbo from '@julusian/jpeg-turbo';
import sharp from 'sharp';
import {
  type DecodedImage,
  dropped,
  type ImageFormat,
  kept,
  type Outcome,
  type RgbImage,
} from '../schema/index.ts';
import { giveBack, takeBuffer } from './buffers.ts';
import { type DecodeLimits, readHead } from './head.ts';
import { readProfile, toSrgb } from './icc.ts';
import type { JpegHeader } from './jpeg-header.ts';
import { applyOrientation } from './turn.ts';

/** Where libjpeg-turbo works: in this thread, which waits, or in one of libuv's. */
export type Where = 'here' | 'elsewhere';

/**
 * What bytes become: a picture to keep, or what a CLIP was trained on and its references are given.
 *
 * - `fast`: a JPEG's frequencies become levels by libjpeg-turbo's fast transform; alpha is laid on white, as a page shows it.
 * - `exact`: as Pillow does it: libjpeg's `islow`, which the binding does not offer and sharp does; alpha is left away, and
 *   what lies under it shows (Image.convert('RGB'), which transformers' CLIPImageProcessor does first).
 */
export type Transform = 'fast' | 'exact';

// One image at a time in each worker: parallelism is the pool's, and no picture is asked for twice.
sharp.concurrency(1);
sharp.cache(false);

/** Longest detail of an `undecodable`, in characters. */
const MAX_DETAIL = 80;

/**
 * libjpeg's limit for progressive files in its own tools (djpeg -maxscans): each scan costs a pass over the whole
 * picture, so a small file with thousands of them is an attack.
 */
const MAX_SCANS = 500;

/**
 * Decodes the body of an image response: orientation applied, colours in sRGB, alpha laid on white (or left away, see
 * {@link Transform}), the first frame of an animation. Refuses in the order of the funnel: `body_small`, `format` (by content; the detail names what was
 * found), `pixels` (detail `width x height`), `undecodable` (detail: the decoder's last words).
 *
 * A file that ends early, even by its end marker alone, is undecodable, and so is one with damaged entropy data that
 * libjpeg would only warn about: half a picture with a whole caption is a wrong pair. Stray bytes between markers,
 * which do no harm, are let pass.
 *
 * Common JPEGs (8-bit Huffman, grey, YCbCr or RGB) go to libjpeg-turbo; its fast DCT is off Pillow's slow one by one
 * level in the mean and about five at most. Their profiles are applied here where they are three curves and a matrix,
 * as cameras' and Adobe's are. All others go to sharp, which applies profiles by lcms. CMYK without a
 * profile is converted as Pillow and browsers do it, R = (255 - C)(255 - K)/255, not by a press profile.
 *
 * Never throws: whatever a decoder raises is an outcome.
 *
 * @param where common JPEGs are decoded: 'here' blocks this thread, and is for one that does nothing else
 * @param transform 'exact' leaves all JPEGs to sharp, whatever `where` says
 */
export async function decodeImage(
  bytes: Uint8Array,
  limits: DecodeLimits,
  where: Where = 'elsewhere',
  transform: Transform = 'fast',
): Promise<Outcome<DecodedImage>> {
  const head = readHead(bytes, limits);
  if (!head.kept) return head;
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return head.value.format === 'jpeg'
      ? await decodeJpeg(body, head.value.header, limits.maxPixels, transform === 'fast' ? where : undefined)
      : await decodeBySharp(body, head.value.format, limits.maxPixels, 'error', transform);
  } catch (error) {
    return dropped('undecodable', lastWords(error));
  }
}

/** @param where libjpeg-turbo may be used; undefined: nowhere */
async function decodeJpeg(
  body: Buffer,
  header: JpegHeader,
  maxPixels: number,
  where: Where | undefined,
): Promise<Outcome<DecodedImage>> {
  const { width, height } = header;
  if (countScans(body) > MAX_SCANS) return dropped('undecodable', `more than ${MAX_SCANS} scans`);
  const profile = header.profile ? readProfile(header.profile) : 'srgb';
  if (where && isCommon(header) && profile !== 'unknown' && (profile === 'srgb' || header.components === 3)) {
    const image = await decodeByTurbo(body, header, where);
    if (image && profile !== 'srgb') toSrgb(image, profile);
    if (image)
      return kept({
        ...applyOrientation(image, header.orientation),
        format: 'jpeg',
        originalWidth: width,
        originalHeight: height,
        alpha: false,
      });
  }
  try {
    return await decodeBySharp(body, 'jpeg', maxPixels, 'warning');
  } catch (error) {
    if (!/extraneous bytes before marker/.test(String(error))) throw error;
    return decodeBySharp(body, 'jpeg', maxPixels, 'truncated');
  }
}

/** SOF0 to SOF2: baseline, extended and progressive with Huffman coding. */
function isCommon({ width, height, precision, components, frame }: JpegHeader): boolean {
  return (
    precision === 8 &&
    (components === 1 || components === 3) &&
    frame >= 0xc0 &&
    frame <= 0xc2 &&
    width > 0 &&
    height > 0
  );
}

/** @returns undefined on any error or warning: the binding does not say which, so sharp has the last word. */
async function decodeByTurbo(
  body: Buffer,
  { width, height }: JpegHeader,
  where: Where,
): Promise<RgbImage | undefined> {
  const out = takeBuffer(width * height * 3);
  const options = { format: jpegTurbo.FORMAT_RGB };
  try {
    const result =
      where === 'here'
        ? jpegTurbo.decompressSync(body, out, options)
        : await jpegTurbo.decompress(body, out, options);
    if (result.width === width && result.height === height) return { data: out, width, height };
  } catch {
    // Sharp says what is wrong with it.
  }
  giveBack(out);
  return undefined;
}

/** SOS markers, at most one more than the limit. In entropy data 0xff is never followed by 0xda. */
function countScans(body: Buffer): number {
  let scans = 0;
  for (let at = body.indexOf(SOS); at >= 0 && scans <= MAX_SCANS; at = body.indexOf(SOS, at + 2)) scans++;
  return scans;
}
const SOS = Buffer.of(0xff, 0xda);

async function decodeBySharp(
  body: Buffer,
  format: Exclude<ImageFormat, 'other'>,
  maxPixels: number,
  failOn: 'truncated' | 'error' | 'warning',
  transform: Transform = 'fast',
): Promise<Outcome<DecodedImage>> {
  // Of the header alone: the limit is ours to report, as `pixels` and not as an error.
  const meta = await sharp(body, { limitInputPixels: false, failOn }).metadata();
  const { width: originalWidth, height: originalHeight } = meta;
  if (originalWidth * originalHeight > maxPixels)
    return dropped('pixels', `${originalWidth} x ${originalHeight}`);
  if (meta.format !== (format === 'avif' ? 'heif' : format))
    return dropped('undecodable', `is ${meta.format}`);
  const open = sharp(body, { limitInputPixels: maxPixels, failOn, sequentialRead: true }).autoOrient();
  const rawCmyk = meta.space === 'cmyk' && meta.hasProfile !== true;
  const pipeline = rawCmyk
    ? open.pipelineColourspace('cmyk').toColourspace('cmyk')
    : (transform === 'exact' ? open.removeAlpha() : open.flatten({ background: '#ffffff' })).toColourspace(
        'srgb',
      );
  const { data, info } = await pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  return kept({
    data: toRgb(data, info.channels),
    width: info.width,
    height: info.height,
    format,
    originalWidth,
    originalHeight,
    alpha: meta.hasAlpha,
  });
}

function toRgb(data: Buffer, channels: number): Uint8Array {
  if (channels === 3) return data;
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels * 3);
  if (channels === 1) {
    for (let i = 0; i < pixels; i++) out.fill(data[i] ?? 0, i * 3, i * 3 + 3);
    return out;
  }
  if (channels !== 4) throw new Error(`${channels} channels`);
  for (let i = 0; i < pixels; i++) {
    const light = 255 - (data[i * 4 + 3] ?? 0);
    for (let c = 0; c < 3; c++) out[i * 3 + c] = ((255 - (data[i * 4 + c] ?? 0)) * light + 127) / 255;
  }
  return out;
}

/** The last line of a message of libvips, which collects its warnings before the error that ended it. */
function lastWords(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.trim().split('\n').at(-1) ?? '')
    .replace(/^Input buffer has corrupt header:\s*/, '')
    .slice(0, MAX_DETAIL);
}
