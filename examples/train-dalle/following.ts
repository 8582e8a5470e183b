/** How far pictures follow their captions, as figures. */
import type { ClipModel } from '../../src/clip/index.ts';
import type { RgbImage } from '../../src/schema/index.ts';
import type { ColourCaption } from './captions.ts';

/** Pictures of captions, by whoever made them. */
export interface Captioned extends ColourCaption {
  readonly picture: RgbImage;
  /** What is seen in its corners. */
  readonly seen: string;
}

export interface Following {
  readonly pictures: number;
  /** Share of pictures with the caption's colour in the corners. */
  readonly colour: number;
  /** That share if each picture had the caption of another: what is right by chance. */
  readonly colourByChance: number;
  /** How often a picture is nearer to its own caption than to one with another object, by CLIP; by chance .5. */
  readonly caption: number;
  /** The same among captions that name one colour: the object alone tells. null where there are none. */
  readonly object: number | null;
}

export async function measureFollowing(
  clip: Pick<ClipModel, 'embedImages' | 'embedTexts'>,
  all: readonly Captioned[],
): Promise<Following> {
  const images = rows(await clip.embedImages(all.map(({ picture }) => picture)), all.length);
  const texts = rows(await clip.embedTexts(all.map(({ caption }) => caption)), all.length);
  const nearer = (comparable: (one: Captioned, other: Captioned) => boolean): number | null => {
    let [won, pairs] = [0, 0];
    all.forEach((one, i) => {
      const own = dot(images[i]!, texts[i]!);
      all.forEach((other, j) => {
        if (one.object === other.object || !comparable(one, other)) return;
        const foreign = dot(images[i]!, texts[j]!);
        won += own > foreign ? 1 : own === foreign ? 0.5 : 0;
        pairs += 1;
      });
    });
    return pairs === 0 ? null : won / pairs;
  };
  const agree = (shift: number) =>
    all.filter(({ seen }, i) => seen === all[(i + shift) % all.length]!.colour).length / all.length;
  const shifts = [...all.keys()].slice(1);
  return {
    pictures: all.length,
    colour: agree(0),
    colourByChance: shifts.reduce((sum, shift) => sum + agree(shift), 0) / Math.max(1, shifts.length),
    caption: nearer(() => true) ?? 0.5,
    object: nearer((one, other) => one.colour === other.colour),
  };
}

/** Rows of a matrix. */
export function rows(matrix: Float32Array, count: number): Float32Array[] {
  const width = matrix.length / count;
  return Array.from({ length: count }, (_, i) => matrix.subarray(i * width, (i + 1) * width));
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
