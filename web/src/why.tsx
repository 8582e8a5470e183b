import type { Why } from '../../src/service/page-types.ts';
import { partName } from './part-chip.tsx';
import type { Search } from './search.ts';
import { plainLine } from './text.ts';

/** Why a picture is among the results: how near it is to each part of the query, and the words that its text has. */
export function WhyHere({ why, search }: { readonly why: Why; readonly search: Search }) {
  const names = [
    ...(search.words === '' ? [] : [{ name: `“${plainLine(search.words, 60)}”`, less: false }]),
    ...search.parts.map((part) => ({ name: partName(part), less: part.less })),
  ];
  const { cosine, parts = [], keywords, rank } = why;
  if (cosine === null && !keywords) return null;
  return (
    <section aria-label="Why it is here">
      <h3>Why it is here</h3>
      <ul class="why">
        {names.length > 1 &&
          names.map(({ name, less }, i) => {
            const part = parts[i];
            return (
              part && (
                <Nearness
                  key={name}
                  name={less ? `Less like ${name}` : `Like ${name}`}
                  cosine={part.cosine}
                />
              )
            );
          })}
        {cosine !== null && (
          <Nearness
            name={names.length > 1 ? 'The search as a whole' : `Like ${names[0]?.name ?? 'the search'}`}
            cosine={cosine}
          />
        )}
      </ul>
      {keywords && (
        <p>
          Its text has <bdi>{keywords.matched.map((word) => `“${plainLine(word, 40)}”`).join(', ')}</bdi>:
          number {keywords.rank.toLocaleString('en')} by words (BM25 {keywords.score.toFixed(2)}).
        </p>
      )}
      <p class="soft">Number {rank.toLocaleString('en')} of this search.</p>
    </section>
  );
}

/** A cosine as a bar from 0 to 1, and its number. */
function Nearness({ name, cosine }: { readonly name: string; readonly cosine: number }) {
  return (
    <li>
      <bdi>{name}</bdi>
      <span>{cosine.toFixed(3)}</span>
      <span class="bar" aria-hidden="true">
        <span style={{ width: `${Math.min(Math.max(cosine, 0), 1) * 100}%` }} />
      </span>
    </li>
  );
}
