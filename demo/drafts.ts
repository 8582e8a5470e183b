/** What each picture will be: its fate, its place, its text, and how to make its file. Nothing is rendered yet. */
import { makeBackground } from './backgrounds.ts';
import { ANSWER_ENDS, dealFates, type Fate } from './fates.ts';
import type { Host, Picture, Place } from './model.ts';
import type { PictureSpec, RasterFormat } from './pictures.ts';
import { Random } from './random.ts';
import { type Subject, unrelated } from './subjects.ts';
import { englishText, fileNameText, foreignText, shortText } from './texts.ts';

/** LAION-400M's least size of an image body. */
const MIN_BODY_BYTES = 5000;

/** A text as it will stand beside a picture. */
export interface Wording {
  readonly alt: string | undefined;
  readonly about: Subject | undefined;
  readonly textEnd: 'no_text' | 'text_short' | 'language' | undefined;
}

export interface Draft {
  readonly index: number;
  readonly fate: Fate;
  readonly picture: Picture;
  readonly wording: Wording;
  /** Of the background, where a text may speak of it. */
  readonly colour: string | undefined;
  /** How its file is made; undefined where there is none, or where the drawing itself is the file. */
  readonly spec: PictureSpec | undefined;
}

/** Folders as real sites have them; blanks and umlauts included. */
const FOLDERS = [
  '/images/',
  '/wp-content/uploads/2019/04/',
  '/media/full/',
  '/static/img/drawings/',
  '/my%20pictures/',
  '/bilder/gr%C3%B6%C3%9Fer/',
] as const;
const EXTENSIONS = { jpeg: 'jpg', png: 'png', webp: 'webp', gif: 'gif' } as const satisfies Record<
  RasterFormat,
  string
>;

/** The hosts that do as their role says stand last; there is one of each role but 'open'. */
export function hostOf(role: Host['role'], hosts: readonly Host[], random: Random): number {
  const fitting = hosts.flatMap((host, index) => (host.role === role ? [index] : []));
  return random.pick(fitting);
}

function formatOf({ answer }: Fate, random: Random): RasterFormat {
  if (answer === 'gif') return 'gif';
  return random.pick(['jpeg', 'jpeg', 'jpeg', 'png', 'webp'] as const);
}

function specOf(fate: Fate, size: number, random: Random): { spec: PictureSpec; colour: string | undefined } {
  const tiny = fate.answer === 'tiny';
  const side = tiny ? random.int(32, 72) : size;
  // The drawing is 70 to 100 % of the shorter side and lies in the middle square, which is what an encoder sees.
  const frame = Math.round(side / (0.7 + 0.3 * random.unit()));
  const longer = Math.round(frame * (1 + random.unit() * 0.35));
  const [width, height] = random.chance(0.6) ? [longer, frame] : [frame, longer];
  const corner = (length: number): number => Math.floor((length - frame) / 2) + random.int(0, frame - side);
  const [left, top] = [corner(width), corner(height)];
  const { background, colour } = makeBackground(random);
  // What is cut off later has to be long enough to fail by being cut, not by being small.
  const minBytes = tiny ? 1 : fate.answer === 'truncated' ? 3 * MIN_BODY_BYTES : MIN_BODY_BYTES;
  const maxBytes = tiny ? MIN_BODY_BYTES - 1 : 1 << 20;
  const format = formatOf(fate, random);
  const quality = format === 'webp' ? random.int(88, 96) : random.int(80, 94);
  return {
    spec: { format, width, height, background, size: side, left, top, quality, minBytes, maxBytes },
    colour,
  };
}

/** An English sentence about `about`, which is or is not what the picture shows. */
export function sentence(about: Subject, colour: string | undefined, random: Random): Wording {
  return { alt: englishText(about, colour, random), about, textEnd: undefined };
}

function wordingOf(
  fate: Fate,
  subject: Subject,
  colour: string | undefined,
  subjects: readonly Subject[],
  random: Random,
): Wording {
  const wrongOne = (): Subject => {
    for (;;) {
      const other = random.pick(subjects);
      if (unrelated(subject, other)) return other;
    }
  };
  switch (fate.text) {
    case 'right':
      return sentence(subject, colour, random);
    case 'wrong':
      return sentence(wrongOne(), colour, random);
    case 'either':
      return sentence(random.chance(0.5) ? subject : wrongOne(), colour, random);
    case 'empty':
      return { alt: '', about: undefined, textEnd: 'no_text' };
    case 'missing':
      return { alt: undefined, about: undefined, textEnd: 'no_text' };
    case 'blank':
      return { alt: random.pick([' ', '\n', '   ']), about: undefined, textEnd: 'no_text' };
    case 'short':
      return { alt: shortText(subject, random), about: undefined, textEnd: 'text_short' };
    case 'file-name':
      return { alt: fileNameText(random), about: undefined, textEnd: 'language' };
    case 'foreign':
      return { alt: foreignText(subject, random), about: undefined, textEnd: 'language' };
  }
}

function placeOf(
  index: number,
  fate: Fate,
  subject: Subject,
  format: string,
  hosts: readonly Host[],
  random: Random,
): Place {
  const { answer } = fate;
  const role = answer === 'slow' || answer === 'noai' || answer === 'closed' ? answer : 'open';
  const host = hostOf(role, hosts, random);
  if (answer === 'redirect' || answer === 'loop') return { host, path: `/go/${index}` };
  const slug = subject.name.replaceAll(/[^a-z]+/g, '-');
  const folder = random.pick(FOLDERS);
  const path = random.chance(0.08)
    ? `${folder}view.php?id=${index}&size=${random.int(1, 4) * 200}`
    : `${folder}${slug}-${index}.${format}${random.chance(0.1) ? `?v=${random.int(1, 99)}` : ''}`;
  return { host, path };
}

/** Drafts `count` pictures. Every subject comes up about equally often; its pictures show it at one size. */
export function draftPictures(
  seed: number,
  count: number,
  subjects: readonly Subject[],
  hosts: readonly Host[],
): Draft[] {
  const order = new Random(seed, 'pictures');
  const fates = dealFates(count, order);
  const rota = order.shuffled(subjects);
  // An SVG below the least size would fail by its size.
  const longEnough = rota.filter(({ drawing }) => Buffer.byteLength(drawing.svg) >= MIN_BODY_BYTES);
  return fates.map((fate, index) => {
    const random = new Random(seed, `picture ${index}`);
    const pool = fate.answer === 'svg' ? longEnough : rota;
    const subject = pool[index % pool.length];
    if (subject === undefined) throw new RangeError('there are no drawings');
    const size = new Random(seed, `size ${subject.drawing.id}`).int(200, 300);
    const { spec, colour } = specOf(fate, size, random);
    const hasFile = !(['svg', 'not-found', 'loop'] as const).some((kind) => kind === fate.answer);
    const format = fate.answer === 'svg' ? 'svg' : EXTENSIONS[spec.format];
    return {
      index,
      fate,
      picture: {
        ...placeOf(index, fate, subject, format, hosts, random),
        subject,
        end: ANSWER_ENDS[fate.answer],
      },
      wording: wordingOf(fate, subject, colour, subjects, random),
      colour: fate.answer === 'svg' ? undefined : colour,
      spec: hasFile ? spec : undefined,
    };
  });
}
