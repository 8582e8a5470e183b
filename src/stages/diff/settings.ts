import type { FunnelRow, Quantiles, Statistics } from '../report/index.ts';

/** A value that two recipes, or models, have differently; undefined where one of them has none. */
export interface SettingDiff {
  /** As 'score.minSimilarity'. */
  readonly name: string;
  readonly a: unknown;
  readonly b: unknown;
}

/** A step of two funnels; null where a release has no such step. */
export interface StepDiff {
  readonly name: FunnelRow['name'];
  readonly title: string;
  readonly a: number | null;
  readonly b: number | null;
}

/** What stats.json says of two releases, side by side. */
export interface StatisticsDiff {
  readonly recipe: readonly SettingDiff[];
  readonly model: readonly SettingDiff[];
  /** What came out of each step; 'link' stands for links with a text. */
  readonly funnel: readonly StepDiff[];
  readonly similarity: { readonly a: Quantiles | null; readonly b: Quantiles | null };
}

/** Compares the statistics of two releases, field by field. */
export function diffStatistics(a: Statistics, b: Statistics): StatisticsDiff {
  const titles = new Map([...a.funnel, ...b.funnel].map(({ name, title }) => [name, title]));
  const names = (a.funnel.length > b.funnel.length ? a : b).funnel.map(({ name }) => name);
  const out = ({ funnel }: Statistics, name: string) => funnel.find((row) => row.name === name)?.out ?? null;
  return {
    recipe: diffSettings(a.recipe, b.recipe),
    model: diffSettings(a.model, b.model),
    funnel: names.map((name) => ({
      name,
      title: titles.get(name) ?? name,
      a: out(a, name),
      b: out(b, name),
    })),
    similarity: {
      a: a.distributions.similarity.quantiles,
      b: b.distributions.similarity.quantiles,
    },
  };
}

/** Values within values, that differ, by their path. Lists are one value. */
function diffSettings(a: unknown, b: unknown, path = ''): SettingDiff[] {
  if (isSection(a) && isSection(b)) {
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...names].flatMap((name) => diffSettings(a[name], b[name], path ? `${path}.${name}` : name));
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ name: path, a, b }];
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
