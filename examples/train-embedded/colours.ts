/** Eleven named colours, as English has words for (Berlin and Kay, 1969), and which of them a drawing shows. */
import type { Rgba } from './drawings.ts';

export type Rgb = readonly [red: number, green: number, blue: number];

/** What the name is painted as, 0 to 255, chosen near the middle of what emoji designers use for it. */
export const COLOURS: Readonly<Record<string, Rgb>> = {
  red: [215, 45, 50],
  orange: [245, 140, 40],
  yellow: [252, 210, 60],
  green: [80, 165, 70],
  blue: [60, 130, 225],
  purple: [140, 80, 190],
  pink: [245, 130, 180],
  brown: [130, 85, 60],
  black: [35, 35, 38],
  white: [245, 245, 245],
  gray: [145, 150, 158],
};
export const COLOUR_NAMES: readonly string[] = Object.keys(COLOURS);
const PALETTE: readonly Rgb[] = Object.values(COLOURS);

/** Share of a drawing's opaque pixels from which on it is said to have a colour. */
const SHOWN_FROM = 0.28;
/** Alpha from which on a pixel counts as opaque. */
const OPAQUE_FROM = 200;

function nearest(red: number, green: number, blue: number): number {
  let best = 0;
  let bestDistance = Infinity;
  PALETTE.forEach(([r, g, b], i) => {
    const distance = (red - r) ** 2 + (green - g) ** 2 + (blue - b) ** 2;
    if (distance < bestDistance) [best, bestDistance] = [i, distance];
  });
  return best;
}

/** At most two names of colours that a drawing shows, the commoner first. */
export function coloursOf({ data }: Rgba): string[] {
  const counts = new Array<number>(PALETTE.length).fill(0);
  let opaque = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3]! <= OPAQUE_FROM) continue;
    opaque += 1;
    counts[nearest(data[i]!, data[i + 1]!, data[i + 2]!)]! += 1;
  }
  return COLOUR_NAMES.map((name, i) => ({ name, share: counts[i]! / Math.max(opaque, 1) }))
    .filter(({ share }) => share > SHOWN_FROM)
    .sort((a, b) => b.share - a.share)
    .slice(0, 2)
    .map(({ name }) => name);
}
