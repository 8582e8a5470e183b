/**
 * Concepts: emoji that a small picture cannot tell apart (genders, ages, clock faces, phases of the moon,
 * "cat" and "cat face") pooled under one key, so that one is never the other's wrong answer or held-out twin.
 */
import { EMOJI_INFO } from './names.ts';

/** Families of near-duplicates told by their English name. First match wins. */
const POOLS: readonly (readonly [RegExp, string])[] = [
  [/famil/, 'family'],
  [/^(kiss|couple with heart|.*holding hands)/, 'couple'],
  [/o.clock|oclock|-thirty/, 'clock'],
  [/ moon( face)?$/, 'moon'],
  [/^keycap/, 'keycap'],
  [/heart$/, 'heart'],
  [/ (circle|square|diamond)$/, 'geometric'],
  [/arrow$/, 'arrow'],
  [/button$/, 'button'],
  [/^globe /, 'globe'],
  [/ book$|^books$/, 'book'],
  [/wheelchair/, 'wheelchair'],
];

/** Single emoji that are drawn as the same figure at another age or gender. */
const SAME_FIGURE: Readonly<Record<string, string>> = {
  '1f466': '1f9d2', // boy, child
  '1f467': '1f9d2', // girl, child
  '1f474': '1f9d3', // old man, older person
  '1f475': '1f9d3', // old woman, older person
  '1f934': '1fac5', // prince, person with crown
  '1f478': '1fac5', // princess, person with crown
  '1f385': 'person-200d-1f384', // Santa Claus, Mx Claus
  '1f936': 'person-200d-1f384', // Mrs. Claus, Mx Claus
  '1f57a': '1f483', // man dancing, woman dancing
  '1f930': '1fac4', // pregnant woman, pregnant person
  '1fac3': '1fac4', // pregnant man, pregnant person
};

function poolOf(hex: string, name: string): string {
  for (const [pattern, pool] of POOLS) if (pattern.test(name)) return pool;
  const genderless = hex
    .replace(/-200d-(2640|2642)/, '')
    .replace(/^(1f468|1f469|1f9d1)(?=-200d|$)/, 'person');
  return SAME_FIGURE[genderless] ?? genderless;
}

/** A name without the words that only say how the thing is drawn: "cat face", "bear variant". */
const bareName = (name: string): string => name.replace(/ (face|with .*|variant)$/, '');

function loadConcepts(): Map<string, string> {
  const parent = new Map<string, string>();
  const root = (concept: string): string => {
    let at = concept;
    for (let up = parent.get(at); up !== undefined; up = parent.get(at)) at = up;
    return at;
  };
  const byName = new Map<string, string>();
  const concepts = new Map<string, string>();
  for (const [hex, { name }] of EMOJI_INFO) {
    const concept = poolOf(hex, name);
    concepts.set(hex, concept);
    if (!byName.has(name)) byName.set(name, concept);
  }
  for (const [name, concept] of byName) {
    const bare = byName.get(bareName(name));
    if (bare !== undefined && root(bare) !== root(concept)) parent.set(root(concept), root(bare));
  }
  for (const [hex, concept] of concepts) concepts.set(hex, root(concept));
  return concepts;
}

const CONCEPTS: ReadonlyMap<string, string> = loadConcepts();

/** The concept of an emoji with a known name; its own key if it stands alone. */
export function conceptOf(hex: string): string {
  return CONCEPTS.get(hex) ?? hex;
}
