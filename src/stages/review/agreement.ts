/** How far two reviewers agree on one question, where both said yes or no. */
export interface Agreement {
  readonly reviewers: readonly [string, string];
  readonly question: 'match' | 'safe';
  /** Pairs that both judged. */
  readonly both: number;
  /** Of them, judged alike. */
  readonly alike: number;
  /** Cohen's kappa; null where each gave one answer only, so that chance alone makes them agree. */
  readonly kappa: number | null;
}

/**
 * Cohen's kappa (Educational and Psychological Measurement 20, 1960): the agreement beyond what two people who answer
 * independently, each yes as often as these did, would come to; 1 is all of it, 0 none.
 *
 * @param answers of the one and of the other to the same questions; at least one
 */
export function cohensKappa(answers: readonly (readonly [boolean, boolean])[]): number | null {
  const n = answers.length;
  const alike = answers.filter(([one, other]) => one === other).length / n;
  const [yes, otherYes] = [0, 1].map((who) => answers.filter((pair) => pair[who]).length / n);
  const byChance = (yes ?? 0) * (otherYes ?? 0) + (1 - (yes ?? 0)) * (1 - (otherYes ?? 0));
  return byChance === 1 ? null : (alike - byChance) / (1 - byChance);
}
