import type { ComponentChildren } from 'preact';
import type { PageRelease } from './api.ts';
import { partName } from './part-chip.tsx';
import { isSample, type Part, type Place, type Search } from './search.ts';
import { count, plainLine } from './text.ts';
import type { Results } from './use-results.ts';

interface Props {
  readonly place: Place;
  readonly results: Results;
  readonly release: PageRelease | null;
  /** Rows that pass the filters; null where there are none, or it is not known. */
  readonly passing: number | null;
  /** What stands in place of the counts; '' where nothing does. */
  readonly notice: string;
  readonly onDuplicates: () => void;
}

/** What is looked for, and what of it is shown. */
export function Status({ place, results, release, passing, notice, onDuplicates }: Props) {
  const isHere = results.rows.length > 0 && notice === '';
  return (
    <div class="status">
      <h1>{heading(place.search)}</h1>
      <p role="status">{notice || statusLine(results, release, place, passing)}</p>
      {isHere && results.duplicates > 0 && !place.duplicates && (
        <p>
          {count(results.duplicates, 'duplicate', 'duplicates')} left out{' '}
          <button type="button" class="text-button" onClick={onDuplicates}>
            Show
          </button>
        </p>
      )}
      {release && (
        <p class="encoder">
          Searched by <bdi>{plainLine(release.model, 160)}</bdi>
        </p>
      )}
    </div>
  );
}

/** What is looked for, as a heading. */
function heading(search: Search): ComponentChildren {
  const { words, parts, keywords } = search;
  if (isSample(search)) return 'A handful from this release';
  const like = parts.filter((part) => !part.less);
  const less = parts.filter((part) => part.less);
  const only = words === '' && less.length === 0 && like.length === 1 ? like[0] : undefined;
  if (only?.kind === 'row') return 'More like this picture';
  if (only?.kind === 'picture') return 'Like your picture';
  const said = [
    ...(words === '' ? [] : [plainLine(words, 120)]),
    ...(like.length > 0 ? [`${words === '' ? 'Like' : 'like'} ${listed(like)}`] : []),
    ...(less.length > 0
      ? [`${words === '' && like.length === 0 ? 'Unlike' : 'less like'} ${listed(less)}`]
      : []),
  ].join(', ');
  return <bdi>{said === '' ? plainLine(keywords, 120) : said}</bdi>;
}

function listed(parts: readonly Part[]): string {
  return parts.map(partName).join(' and ');
}

function statusLine(
  results: Results,
  release: PageRelease | null,
  { search, nsfw }: Place,
  passing: number | null,
): string {
  if (results.state === 'slow') return 'Still searching…';
  if (results.rows.length === 0) return results.state === 'loading' ? 'Searching…' : '';
  const shown = results.rows.length;
  const among = passing ?? release?.rows;
  const number = shown.toLocaleString('en');
  const first = isSample(search)
    ? `${number} of ${count(among ?? shown, 'pair', 'pairs')}`
    : `The ${number} ${search.words === '' && search.parts.length === 0 ? 'best' : 'nearest'}${among === undefined ? '' : ` of ${count(among, 'pair', 'pairs')}`}`;
  const parts = [first];
  if (results.hidden > 0) parts.push(`${results.hidden.toLocaleString('en')} hidden: may not be safe`);
  if (nsfw && release && release.unsafe > 0) parts.push('nothing is hidden');
  return parts.join(' · ');
}

/** The title of the page. */
export function titleOf({ words, keywords }: Search): string {
  const said = plainLine(words || keywords, 60);
  return said === '' ? 'gleaner' : `${said} – gleaner`;
}
