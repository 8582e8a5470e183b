import type { Recipe } from '../config/index.ts';
import { FUNNEL_STEPS, type FunnelStep, REASONS } from '../schema/index.ts';
import { MAX_LISTED_CHARS } from '../stages/trail.ts';
import type { Fate } from './explain.ts';

/** What a step of the funnel made of a pair. */
export interface StepOfFate {
  readonly step: FunnelStep;
  readonly passed: boolean;
  /** What it went by: its numbers, each with the recipe's bound; '' where it has none. */
  readonly facts: string;
}

/**
 * The steps that a pair went through, in the order of the funnel, from its text to the one that dropped it or to the last.
 *
 * @param recipe of the run
 * @param isSubset whether the release is one that was made of another
 */
export function stepsOfFate(fate: Fate, recipe: Recipe, isSubset: boolean): readonly StepOfFate[] {
  const optional: Partial<Record<FunnelStep, boolean>> = {
    distinct: recipe.near !== undefined && Object.values(recipe.near).some(Boolean),
    selected: isSubset,
  };
  const taken = FUNNEL_STEPS.filter(
    (step) => step !== 'record' && step !== 'link' && optional[step] !== false,
  );
  const last = fate.kept ? undefined : REASONS[fate.reason].step;
  // A link that never became a pair has no step to tell of but the one that dropped it.
  const steps = last === 'link' ? [last] : taken.slice(0, last ? taken.indexOf(last) + 1 : undefined);
  return steps.map((step) => {
    const passed = step !== last;
    const facts = factsOf(step, passed, fate, recipe);
    return {
      step,
      passed,
      facts: (passed || fate.kept ? facts : [REASONS[fate.reason].title, ...facts]).join(', '),
    };
  });
}

function factsOf(step: FunnelStep, passed: boolean, fate: Fate, recipe: Recipe): readonly string[] {
  const detail = !passed && !fate.kept && fate.row.detail !== '' ? [fate.row.detail] : [];
  switch (step) {
    case 'pair':
      return passed ? textFacts(fate, recipe.extract) : detail;
    case 'unique':
      return passed ? ['the first with this URL and text'] : detail;
    case 'fetched':
      return [...detail, ...fetchFacts(fate)];
    case 'image':
      return passed ? imageFacts(fate, recipe.image) : detail;
    case 'matched':
      return similarityFacts(fate, recipe.score);
    case 'safe':
      return fate.kept ? [fate.row.NSFW, ...(fate.row.tags ? [fate.row.tags] : [])] : detail;
    case 'distinct':
      return passed ? ['like none that is kept'] : detail;
    default:
      return detail;
  }
}

function textFacts(
  fate: Fate,
  { minTextChars, maxTextChars, languages }: Recipe['extract'],
): readonly string[] {
  const { language, language_confidence: confidence } = fate.row;
  const text = fate.kept ? fate.row.TEXT : fate.row.text;
  // The trail has no more than the beginning of a text.
  const whole = fate.kept || text.length < MAX_LISTED_CHARS;
  const most = maxTextChars === null ? '' : `, at most ${maxTextChars}`;
  return [
    ...(whole ? [`${[...text].length} characters (at least ${minTextChars}${most})`] : []),
    ...(language === 'und'
      ? []
      : [
          `language ${language} by ${confidence.toFixed(2)}${languages ? ` (one of ${languages.join(', ')})` : ''}`,
        ]),
  ];
}

function fetchFacts({ fetched }: Fate): readonly string[] {
  if (!fetched) return [];
  const { http_status: status, tries, total_ms: ms, fetched_bytes: bytes, final_url: url } = fetched;
  return [
    status === null ? 'no answer' : `status ${status}`,
    `${tries} ${tries === 1 ? 'request' : 'requests'}`,
    `${bytes} bytes`,
    `${ms} ms`,
    ...(url === null ? [] : [`from ${url}`]),
  ];
}

function imageFacts(fate: Fate, { minBytes, maxPixels }: Recipe['image']): readonly string[] {
  if (!fate.kept) return [];
  const { WIDTH, HEIGHT, format } = fate.row;
  return [
    `${format} of at least ${minBytes} bytes`,
    `${WIDTH} × ${HEIGHT} = ${WIDTH * HEIGHT} pixels (at most ${maxPixels})`,
  ];
}

function similarityFacts(
  { row: { similarity } }: Fate,
  { minSimilarity }: Recipe['score'],
): readonly string[] {
  if (similarity === null) return [];
  return [
    `similarity ${similarity.toFixed(4)} (${minSimilarity === null ? 'no threshold' : `at least ${minSimilarity}`})`,
  ];
}
