import { hash } from 'node:crypto';
import type { RgbImage } from '../schema/index.ts';
import { arena, bytesOf } from './kernels.ts';

/**
 * From the pixels of one profile to sRGB. For each of the 256 values of red, of green and of blue four single-precision
 * numbers: what it adds to linear red, green and blue of sRGB, in steps of the encoding table, and 0.
 */
interface Transform {
  readonly tables: Float32Array;
}

/** `srgb`: nothing to do. `unknown`: no profile of three curves and a matrix; lcms has to look at it. */
export type Profile = 'srgb' | 'unknown' | Transform;

/** ICC.1:2010, 7.2: offsets in the header. */
const CLASS_AT = 12;
const SPACE_AT = 16;
const PCS_AT = 20;
const TAGS_AT = 128;

/** XYZ of ICC's connection space (D50) to linear sRGB: the inverse of IEC 61966-2-1's primaries after Bradford. */
const XYZ_TO_SRGB = [
  [3.1338561, -1.6168667, -0.4906146],
  [-0.9787684, 1.9161415, 0.033454],
  [0.0719453, -0.2289914, 1.4052427],
] as const;

/** Steps of linear light: 14 bits keep what is encoded within half a level, even where sRGB is steepest. */
const STEPS = 1 << 14;

/** IEC 61966-2-1's encoding of linear light, for each step. */
const ENCODED = Uint8Array.from({ length: STEPS }, (_, i) => {
  const light = i / (STEPS - 1);
  return Math.round(255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055));
});

/** Profiles that were read before: few are in use, most of them cameras' and Adobe's. */
const known = new Map<string, Profile>();
const MAX_KNOWN = 64;

/**
 * Reads a profile of an RGB picture. One that moves no colour by more than a level is `srgb`, whatever it is called.
 * Never throws: what cannot be understood is `unknown`.
 */
export function readProfile(profile: Uint8Array): Profile {
  const key = hash('sha256', profile);
  const before = known.get(key);
  if (before !== undefined) return before;
  const transform = readMatrix(profile);
  const result = transform === undefined ? 'unknown' : movesNothing(transform) ? 'srgb' : transform;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, result);
  return result;
}

/** Brings pixels to sRGB, in place, clipping what sRGB does not have, as relative colorimetry does. */
export function toSrgb({ data }: RgbImage, { tables }: Transform): void {
  // In strips that stay in the cache; they fit into the kernels' memory always.
  const strip = 48 << 10;
  const memory = arena(tables.byteLength, STEPS, strip);
  if (!memory) throw new Error('no memory for a strip of pixels');
  const { kernels, bytes } = memory;
  const [tablesAt = 0, encodedAt = 0, pixelsAt = 0] = memory.at;
  bytes.set(bytesOf(tables), tablesAt);
  bytes.set(ENCODED, encodedAt);
  for (let at = 0; at < data.length; at += strip) {
    const pixels = data.subarray(at, at + strip);
    bytes.set(pixels, pixelsAt);
    kernels.toSrgb(pixelsAt, pixels.length, tablesAt, encodedAt, STEPS - 1);
    data.set(bytes.subarray(pixelsAt, pixelsAt + pixels.length), at);
  }
}

/** Colours of a coarse grid with all its corners, through the transform. */
function movesNothing(transform: Transform): boolean {
  const levels = Array.from({ length: 16 }, (_, i) => i * 17);
  const grid = levels.flatMap((r) => levels.flatMap((g) => levels.flatMap((b) => [r, g, b])));
  const data = Uint8Array.from(grid);
  toSrgb({ data, width: grid.length / 3, height: 1 }, transform);
  return data.every((level, i) => Math.abs(level - (grid[i] ?? 0)) <= 1);
}

/** @returns undefined where the profile is none of three curves and a matrix (ICC.1:2010, F.3) */
function readMatrix(profile: Uint8Array): Transform | undefined {
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength);
  if (profile.length < TAGS_AT + 4 || name(view, SPACE_AT) !== 'RGB ' || name(view, PCS_AT) !== 'XYZ ')
    return;
  if (!['mntr', 'scnr', 'spac', 'prtr'].includes(name(view, CLASS_AT))) return;
  const tags = readTags(view);
  if (!tags || tags.has('A2B0')) return;
  const columns = ['rXYZ', 'gXYZ', 'bXYZ'].map((tag) => readXyz(tags.get(tag)));
  const curves = ['rTRC', 'gTRC', 'bTRC'].map((tag) => readCurve(tags.get(tag)));
  const tables = new Float32Array(3 * 256 * 4);
  for (let c = 0; c < 3; c++) {
    const column = columns[c];
    const curve = curves[c];
    if (!column || !curve) return;
    for (let value = 0; value < 256; value++) {
      const light = curve(value / 255);
      if (!Number.isFinite(light)) return;
      for (const [row, [x, y, z]] of XYZ_TO_SRGB.entries())
        tables[(c * 256 + value) * 4 + row] =
          (x * column[0] + y * column[1] + z * column[2]) * Math.min(Math.max(light, 0), 1) * (STEPS - 1);
    }
  }
  return { tables };
}

function name(view: DataView, at: number): string {
  return String.fromCharCode(
    view.getUint8(at),
    view.getUint8(at + 1),
    view.getUint8(at + 2),
    view.getUint8(at + 3),
  );
}

/** @returns undefined where a tag lies outside of the profile */
function readTags(view: DataView): Map<string, DataView> | undefined {
  const tags = new Map<string, DataView>();
  const count = view.getUint32(TAGS_AT);
  if (count > 100 || TAGS_AT + 4 + count * 12 > view.byteLength) return undefined;
  for (let at = TAGS_AT + 4, i = 0; i < count; i++, at += 12) {
    const offset = view.getUint32(at + 4);
    const length = view.getUint32(at + 8);
    if (offset + length > view.byteLength) return undefined;
    tags.set(name(view, at), new DataView(view.buffer, view.byteOffset + offset, length));
  }
  return tags;
}

/** An s15Fixed16Number. */
function fixed(tag: DataView, at: number): number {
  return tag.getInt32(at) / 65_536;
}

function readXyz(tag: DataView | undefined): readonly [number, number, number] | undefined {
  if (!tag || tag.byteLength < 20 || name(tag, 0) !== 'XYZ ') return undefined;
  return [fixed(tag, 8), fixed(tag, 12), fixed(tag, 16)];
}

type Curve = (x: number) => number;

/** A curveType or parametricCurveType (ICC.1:2010, 10.5 and 10.15). */
function readCurve(tag: DataView | undefined): Curve | undefined {
  if (!tag || tag.byteLength < 12) return undefined;
  if (name(tag, 0) === 'para') return readParametric(tag);
  if (name(tag, 0) !== 'curv') return undefined;
  const count = tag.getUint32(8);
  if (12 + count * 2 > tag.byteLength) return undefined;
  if (count === 0) return (x) => x;
  if (count === 1) {
    const gamma = tag.getUint16(12) / 256;
    return (x) => x ** gamma;
  }
  return (x) => {
    const at = x * (count - 1);
    const below = Math.min(Math.floor(at), count - 2);
    const [low, high] = [tag.getUint16(12 + below * 2), tag.getUint16(14 + below * 2)];
    return (low + (high - low) * (at - below)) / 65_535;
  };
}

/** Parameters of each function type, in their order: g, a, b, c, d, e, f. */
const PARAMETERS = [1, 3, 4, 5, 7] as const;

function readParametric(tag: DataView): Curve | undefined {
  const type = tag.getUint16(8);
  const count = PARAMETERS[type];
  if (count === undefined || tag.byteLength < 12 + count * 4) return undefined;
  const [g = 1, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0] = Array.from({ length: count }, (_, i) =>
    fixed(tag, 12 + i * 4),
  );
  const power: Curve = (x) => Math.max(a * x + b, 0) ** g;
  switch (type) {
    case 0:
      return (x) => x ** g;
    case 1:
      return (x) => (x >= -b / a ? power(x) : 0);
    case 2:
      return (x) => (x >= -b / a ? power(x) : 0) + c;
    case 3:
      return (x) => (x >= d ? power(x) : c * x);
    default:
      return (x) => (x >= d ? power(x) + e : c * x + f);
  }
}
