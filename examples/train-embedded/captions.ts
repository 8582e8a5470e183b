/** Captions of drawings, as alt texts and queries would put them, from names, keywords, groups and colours. */

import type { Rng } from '../autodiff/rng.ts';
import { COLOUR_NAMES } from './colours.ts';
import type { Drawing } from './drawings.ts';

/** What can be said of a drawing. */
export interface Subject {
  readonly names: readonly string[];
  readonly keywords: readonly string[];
  readonly group: string | null;
  readonly colours: readonly string[];
  /** Every single word or keyword that applies, for telling which other drawings a caption fits too. */
  readonly words: ReadonlySet<string>;
}

/** What a caption says when it does not name one emoji: it fits every drawing of which this holds. */
export type Claim =
  | { readonly kind: 'group'; readonly group: string }
  | { readonly kind: 'word'; readonly word: string; readonly colour: string | null };

export interface Caption {
  readonly text: string;
  readonly claim: Claim | null;
}

/** Unicode's nine groups: nouns for one member, then the group's own name. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'Smileys & Emotion': ['a smiley', 'an emotion', 'smileys and emotion'],
  'People & Body': ['a person', 'people and body', 'a body part'],
  'Animals & Nature': ['an animal', 'nature', 'animals and nature'],
  'Food & Drink': ['food', 'food and drink'],
  'Travel & Places': ['travel', 'a place', 'travel and places'],
  Activities: ['an activity', 'activities'],
  Objects: ['an object', 'objects'],
  Symbols: ['a symbol', 'symbols'],
  Flags: ['a flag', 'flags'],
};

/** The group's own name in words, such as "food and drink". */
export const groupWords = (group: string): string => group.toLowerCase().replace(' & ', ' and ');

/** `{n}` is a name, `{a}` the name with its article. */
const TEMPLATES: readonly string[] = [
  'a drawing of {a}',
  'an emoji of {a}',
  '{n} icon',
  '{n} emoji',
  'a picture of {a}',
  'an illustration of {a}',
  '{n} clipart',
  'a cartoon of {a}',
  'vector illustration of {a}',
  'image of {a}',
  'this is {a}',
  '{a}',
  '{n} isolated',
  'cute {n}',
  'free {n} vector',
  'a photo of {a}',
];
const COLOUR_TEMPLATES = ['a {c} {n}', '{c} {n}', '{n}, {c}', '{n} in {c}'];
const KEYWORD_TEMPLATES = ['{n}', '{a}', 'a picture of {n}', 'something about {n}', 'things related to {n}'];
const PAIR_TEMPLATES = ['{n}, {k}', '{k}: {n}', '{n} {k}', '{n} and {k}'];
const BACKDROP_TEMPLATES = [' on a {c} background', ', {c} background', ' on {c}'];
const SUFFIXES: readonly string[] = [
  ' stock illustration',
  ' free png',
  ' | clip art',
  ' vector image',
  ' icon set',
  ' - sticker',
  ' download',
  '.png',
  ' (1)',
  ' symbol',
  ' design',
  ' logo',
];

/** Words that web pages put around anything. Learnt as such, they hardly move a caption's embedding. */
export const FILLER_WORDS: readonly string[] = `
  about after all also an and any are article as at available be been before below best beautiful but buy by can
  click collection colourful colorful com content courtesy day download each edition every figure file find for
  found from gallery get great had has have here high himself how html http https if image images img in
  including into is it item its jpeg jpg just kids large learn like list little lovely made main many may more
  most much my nice not now of online or original our out over own page perfect photo photos pic picture pictures
  png post preview product quality readers resolution royalty sale see series set share shop show showing shown
  shows simple site size small some source stock style such that the their them these thing things this
  thumbnail title to under us use used using very via view visit was we web website webp were what when where
  which while will with www you your
`
  .trim()
  .split(/\s+/);

/** Every template as plain words, for the tokenizer to learn. */
export const TEMPLATE_WORDS: readonly string[] = [
  ...FILLER_WORDS,
  ...[TEMPLATES, COLOUR_TEMPLATES, KEYWORD_TEMPLATES, PAIR_TEMPLATES, BACKDROP_TEMPLATES, SUFFIXES]
    .flat()
    .map((template) => template.replace(/\{.\}/g, ' ')),
  ...Object.values(GROUPS).flat(),
  ...COLOUR_NAMES,
];

function withArticle(noun: string): string {
  if (/^(a|an|the|\d+|person|man|woman|people|men|women) /.test(noun) || noun.endsWith('s')) return noun;
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

/** A name as people type it: straight apostrophes, no quotation marks, colons or exclamation marks. */
export function plainName(name: string): string {
  return name.replaceAll('’', "'").replace(/[“”":!]/g, '');
}

/** Gathers what can be said of a drawing. */
export function describe(drawing: Drawing, colours: readonly string[]): Subject {
  const names = new Set([drawing.name, drawing.cldrName ?? drawing.name].map(plainName));
  if (drawing.set !== 'fxemoji') names.add(plainName(drawing.id.replaceAll('-', ' ')));
  if (drawing.name.includes('’')) names.add(drawing.name);
  const keywords = drawing.keywords.filter((k) => k.length > 1);
  const words = new Set([...keywords, ...plainName(drawing.name).split(' ')]);
  return { names: [...names], keywords, group: drawing.group, colours, words };
}

/** Whether a claim made of one drawing holds for another. */
export function holds(claim: Claim, subject: Subject): boolean {
  if (claim.kind === 'group') return subject.group === claim.group;
  return subject.words.has(claim.word) && (claim.colour === null || subject.colours.includes(claim.colour));
}

function fill(template: string, noun: string, other = '', colour = ''): string {
  const words: Record<string, string> = { n: noun, a: withArticle(noun), k: other, c: colour };
  return template.replace(/\{(.)\}/g, (_, key: string) => words[key] ?? '');
}

const named = (text: string): Caption => ({ text, claim: null });
const claimed = (text: string, word: string, colour: string | null = null): Caption => ({
  text,
  claim: { kind: 'word', word, colour },
});

/** Name 30 %, in a template 20 %, with colours 12 %, keyword 10 %, two or three 8 %, name and keyword 7 %, … */
function sayBody(subject: Subject, rng: Rng): Caption {
  const name = rng.pick(subject.names);
  const keywords = subject.keywords.length > 0 ? subject.keywords : [name];
  const kind = rng.uniform();
  if (kind < 0.3) return named(name);
  if (kind < 0.5) return named(fill(rng.pick(TEMPLATES), name));
  if (kind < 0.62) {
    if (subject.colours.length === 0 || COLOUR_NAMES.some((c) => name.includes(c))) return named(name);
    const colours = subject.colours.slice(0, rng.pick([1, 1, 2])).join(' and ');
    return named(fill(rng.pick(COLOUR_TEMPLATES), name, '', colours));
  }
  const keyword = rng.pick(keywords);
  if (kind < 0.72) return claimed(fill(rng.pick(KEYWORD_TEMPLATES), keyword), keyword);
  if (kind < 0.8) return named(rng.sample(keywords, rng.pick([2, 3])).join(rng.pick([', ', ' '])));
  if (kind < 0.87) return named(fill(rng.pick(PAIR_TEMPLATES), name, keyword));
  if (kind < 0.92) {
    if (subject.colours.length === 0) return claimed(keyword, keyword);
    const colour = rng.pick(subject.colours);
    return claimed(fill(rng.pick(COLOUR_TEMPLATES), keyword, '', colour), keyword, colour);
  }
  if (subject.group === null) return named(name);
  if (kind >= 0.96) return named(`${name}, ${groupWords(subject.group)}`);
  const noun = rng.pick(GROUPS[subject.group] ?? [groupWords(subject.group)]);
  return {
    text: fill(rng.pick(['{n}', '{n}', 'a picture of {n}']), noun),
    claim: { kind: 'group', group: subject.group },
  };
}

/**
 * A random caption.
 *
 * @param background - Colour of the picture's background if it has a name; said in a quarter of those captions.
 */
export function sayCaption(subject: Subject, background: string | null, rng: Rng): Caption {
  const { text, claim } = sayBody(subject, rng);
  if (background !== null && rng.chance(0.25)) {
    return { text: text + fill(rng.pick(BACKDROP_TEMPLATES), '', '', background), claim };
  }
  return { text: rng.chance(0.12) ? text + rng.pick(SUFFIXES) : text, claim };
}

/** The same caption among up to eight filler words; word order plays no part in the encoder. */
export function addFillers({ text, claim }: Caption, fillers: readonly string[], rng: Rng): Caption {
  return { text: `${text} ${rng.sample(fillers, 1 + rng.int(8)).join(' ')}`, claim };
}
