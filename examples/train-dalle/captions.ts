/** Captions that nobody trained on: an object of the training set before a colour that it was never seen before. */
import type { Rng } from '../autodiff/index.ts';
import { COLOUR_NAMES, COLOURS, type Rgb } from '../train-embedded/colours.ts';

/** "… of OBJECT on a COLOUR background", as the demo's captions have it, and much of the web. */
const PATTERN = new RegExp(
  `\\bof (.+?) (?:on a|with a|in front of the) (${COLOUR_NAMES.join('|')}) background\\b`,
  'i',
);

export interface ColourCaption {
  readonly caption: string;
  readonly object: string;
  readonly colour: string;
}

export function parseCaption(caption: string): ColourCaption | undefined {
  const [, object, colour] = PATTERN.exec(caption) ?? [];
  if (object === undefined || colour === undefined) return undefined;
  return { caption, object: object.toLowerCase(), colour: colour.toLowerCase() };
}

/**
 * Puts another colour into captions of the training set. The object is one of it; that object before that colour is not.
 * @returns at most `count`, the colours in turn where the object lets them, each object once; none where captions name no backgrounds
 */
export function recombine(captions: readonly string[], count: number, rng: Rng): ColourCaption[] {
  const seen = captions.flatMap((caption) => parseCaption(caption) ?? []);
  const colours = [...new Set(seen.map(({ colour }) => colour))].sort();
  const pairs = new Set(seen.map(({ object, colour }) => `${colour} ${object}`));
  const byObject = new Map(seen.map((one) => [one.object, one]));
  const made: ColourCaption[] = [];
  for (const one of rng.sample([...byObject.values()])) {
    if (made.length >= count) break;
    const start = made.length % colours.length;
    const fresh = (colour: string) => !pairs.has(`${colour} ${one.object}`);
    const colour = [...colours.slice(start), ...colours.slice(0, start)].find(fresh);
    if (colour === undefined) continue;
    const at = one.caption.toLowerCase().lastIndexOf(`${one.colour} background`);
    const caption = one.caption.slice(0, at) + colour + one.caption.slice(at + one.colour.length);
    made.push({ caption, object: one.object, colour });
  }
  return made;
}

/** Pixels along each side of the corners that are looked at, as a share of the picture's. */
const CORNER = 1 / 8;

/**
 * The colour name nearest to what is seen in the corners of a picture: the median of each channel over the four.
 * @param pixels one picture, [3, side, side], -1 to 1
 */
export function backgroundColour(pixels: Float32Array, side: number, names: readonly string[]): string {
  const edge = Math.max(1, Math.round(side * CORNER));
  const places = [...Array(side).keys()].filter((i) => i < edge || i >= side - edge);
  const [r, g, b] = [0, 1, 2].map((channel) => {
    const values = places.flatMap((y) => places.map((x) => pixels[(channel * side + y) * side + x]!));
    const middle = values.sort((one, other) => one - other)[values.length >> 1]!;
    return (middle + 1) * 127.5;
  }) as [number, number, number];
  const distance = ([r2, g2, b2]: Rgb) => (r - r2) ** 2 + (g - g2) ** 2 + (b - b2) ** 2;
  return names.reduce((best, name) => (distance(COLOURS[name]!) < distance(COLOURS[best]!) ? name : best));
}
