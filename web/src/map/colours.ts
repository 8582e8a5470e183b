import type { MapInfoAnswer } from '../../../src/service/map-types.ts';
import type { Points } from './points.ts';

export type ColourBy = 'region' | 'similarity' | 'language';
export type Rgb = readonly [number, number, number];

/** Languages that get a colour of their own. */
const LANGUAGES = 8;

/** A colour of OKLCH in sRGB (Ottosson 2020: equal lightness looks equally light, whatever the hue). */
function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const channel = (linear: number) => {
    const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * Math.max(0, linear) ** (1 / 2.4) - 0.055;
    return Math.round(255 * Math.min(1, Math.max(0, value)));
  };
  return [
    channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    channel(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** So many colours that are told apart; neighbours in the list are far apart in hue. */
function apart(count: number, dark: boolean): Rgb[] {
  const step = [7, 5, 3, 2, 1].find((n) => count % n !== 0) ?? 1;
  return Array.from({ length: count }, (_, i) => {
    const place = (i * step) % count;
    // Two lightnesses in turn: hues alone are not told apart by everybody.
    const lightness = (dark ? 0.74 : 0.6) + (place % 2 === 0 ? 0.05 : -0.06);
    return oklch(lightness, 0.13, 20 + (360 * place) / count);
  });
}

const grey = (dark: boolean) => oklch(dark ? 0.55 : 0.7, 0.01, 80);

/** Colours of points: which of a few each one has. */
export interface Palette {
  readonly colours: readonly Rgb[];
  /** The colour of point `i` of a tile, by its place in `colours`. */
  colourOf(points: Points, i: number): number;
}

/** Steps of the scale from the least similarity to the greatest. */
const SHADES = 16;

export function paletteOf(by: ColourBy, info: MapInfoAnswer, dark: boolean): Palette {
  if (by === 'similarity') {
    const { min, max } = info.similarity;
    return {
      colours: Array.from({ length: SHADES }, (_, i) => shade(i / (SHADES - 1), dark)),
      colourOf: ({ similarities }, i) => {
        const share = ((similarities[i] ?? 0) / 127.5 - 1 - min) / (max - min || 1);
        return Math.min(SHADES - 1, Math.max(0, Math.round(share * (SHADES - 1))));
      },
    };
  }
  if (by === 'language') {
    const colourAt = new Map(commonLanguages(info).map(({ at }, i) => [at, i]));
    const colours = [...apart(colourAt.size, dark), grey(dark)];
    return {
      colours,
      colourOf: ({ languages }, i) => colourAt.get(languages[i] ?? 255) ?? colours.length - 1,
    };
  }
  const tops = info.regions.flatMap(({ level }, at) => (level === 0 ? [at] : []));
  const place = Uint8Array.from({ length: info.finest }, (_, region) => tops.indexOf(topOf(info, region)));
  return { colours: apart(tops.length, dark), colourOf: ({ regions }, i) => place[regions[i] ?? 0] ?? 0 };
}

/** A colour of the scale of similarity: from dim to the accent. */
function shade(share: number, dark: boolean): Rgb {
  const [from, to] = dark ? [0.38, 0.86] : [0.86, 0.42];
  return oklch(from + (to - from) * share, 0.05 + 0.08 * share, 250 - 180 * share);
}

/** The region seen from afar that a region lies in. */
function topOf({ regions }: MapInfoAnswer, region: number): number {
  let at = region;
  for (let parent = regions[at]?.parent ?? -1; parent >= 0; parent = regions[at]?.parent ?? -1) at = parent;
  return at;
}

/** The languages that have colours, the commonest first. */
export function commonLanguages(info: MapInfoAnswer): readonly { value: string; rows: number; at: number }[] {
  return info.languages
    .map((language, at) => ({ ...language, at }))
    .sort((a, b) => b.rows - a.rows)
    .slice(0, LANGUAGES);
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}
