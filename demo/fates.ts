import type { Reason } from '../src/schema/index.ts';
import type { Random } from './random.ts';

/** What a page says of a picture. */
type TextKind =
  | 'right'
  | 'wrong'
  | 'either'
  | 'empty'
  | 'missing'
  | 'blank'
  | 'short'
  | 'file-name'
  | 'foreign';
/** What comes when the picture is asked for. */
type AnswerKind = keyof typeof ANSWER_ENDS;

/** Where a pair ends that comes to this answer, in the steps of the laion400m recipe. */
export const ANSWER_ENDS = {
  good: 'scored',
  redirect: 'scored',
  gif: 'format',
  svg: 'format',
  tiny: 'body_small',
  truncated: 'undecodable',
  broken: 'undecodable',
  'not-found': 'http_status',
  loop: 'redirects',
  slow: 'timeout',
  closed: 'robots',
  noai: 'robots_header',
} as const satisfies Record<string, 'scored' | Reason>;

export interface Fate {
  readonly text: TextKind;
  readonly answer: AnswerKind;
  /** Pictures of this fate in a web of 3,000. */
  readonly of3000: number;
}

/** What becomes of the pictures. Of texts on real pages most are missing, file names or not English. */
export const FATES: readonly Fate[] = [
  { text: 'right', answer: 'good', of3000: 710 },
  { text: 'wrong', answer: 'good', of3000: 710 },
  { text: 'empty', answer: 'good', of3000: 240 },
  { text: 'missing', answer: 'good', of3000: 180 },
  { text: 'blank', answer: 'good', of3000: 30 },
  { text: 'short', answer: 'good', of3000: 120 },
  { text: 'file-name', answer: 'good', of3000: 150 },
  { text: 'foreign', answer: 'good', of3000: 360 },
  { text: 'either', answer: 'redirect', of3000: 60 },
  { text: 'either', answer: 'gif', of3000: 45 },
  { text: 'either', answer: 'svg', of3000: 45 },
  { text: 'either', answer: 'tiny', of3000: 90 },
  { text: 'either', answer: 'truncated', of3000: 40 },
  { text: 'either', answer: 'broken', of3000: 30 },
  { text: 'either', answer: 'not-found', of3000: 75 },
  { text: 'either', answer: 'loop', of3000: 22 },
  { text: 'either', answer: 'slow', of3000: 8 },
  { text: 'either', answer: 'closed', of3000: 45 },
  { text: 'either', answer: 'noai', of3000: 40 },
];

/**
 * Deals a fate to each of `count` pictures, in random order: at least one of each, the rest by share.
 *
 * @throws RangeError where there are fewer pictures than fates
 */
export function dealFates(count: number, random: Random): Fate[] {
  if (count < FATES.length) throw new RangeError(`a web needs at least ${FATES.length} pictures`);
  const left = count - FATES.length;
  const wanted = FATES.map(({ of3000 }) => 1 + Math.floor((left * of3000) / 3000));
  const dealt = FATES.flatMap((fate, i) => Array.from({ length: wanted[i] ?? 0 }, () => fate));
  // What rounding leaves over goes to the commonest two, in turn.
  for (let i = 0; dealt.length < count; i++) dealt.push(FATES[i % 2] as Fate);
  return random.shuffled(dealt);
}
