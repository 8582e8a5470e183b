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

/** A caption of the training set, and the colour in its picture's corners, named or not. */
export interface SeenCaption {
  readonly caption: string;
  readonly seen: string;
}

/**
 * Puts another colour into captions of the training set: one that its object was never seen before, whether or not the
 * caption said so.
 * @returns at most `count`, the colours in turn where the object lets them, each object once; none where captions name no backgrounds
 */
export function recombine(all: readonly SeenCaption[], count: number, rng: Rng): ColourCaption[] {
  const named = all.flatMap(({ caption }) => parseCaption(caption) ?? []);
  const colours = [...new Set(named.map(({ colour }) => colour))].sort();
  const byObject = new Map(named.map((one) => [one.object, one]));
  const texts = all.map(({ caption, seen }) => ({ text: caption.toLowerCase(), seen }));
  const made: ColourCaption[] = [];
  for (const one of rng.sample([...byObject.values()])) {
    if (made.length >= count) break;
    const of = texts.filter(({ text }) => text.includes(one.object));
    const known = ({ text, seen }: { text: string; seen: string }, colour: string) =>
      seen === colour || text.includes(`${colour} background`);
    const start = made.length % colours.length;
    const colour = [...colours.slice(start), ...colours.slice(0, start)].find(
      (name) => !of.some((caption) => known(caption, name)),
    );
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
