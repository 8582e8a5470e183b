import type { CountsResponse } from '../../src/service/page-types.ts';
import { valueName } from './facets.tsx';
import { CloseIcon } from './icons.tsx';
import { type Filters, LISTED, type ListedField, NO_FILTERS, type Place, type Search } from './search.ts';
import { plainLine } from './text.ts';

interface Props {
  readonly place: Place;
  /** Of what passes the filters; null where they are not known. */
  readonly counts: CountsResponse | null;
  readonly onFilters: (filters: Filters) => void;
  readonly onSearch: (search: Search) => void;
}

interface Condition {
  readonly key: string;
  readonly name: string;
  /** Rows that it lets through beside the others. */
  readonly count?: number | undefined;
  readonly remove: () => void;
}

/** What a value is called where the name of its field is not beside it. */
function activeName(field: ListedField, value: string): string {
  const name = valueName(field, value);
  return field === 'license' && name === 'none found' ? 'No licence found' : name;
}

/** The conditions that hold now, each with a way to be rid of it. */
export function ActiveFilters({ place: { filters, search }, counts, onFilters, onSearch }: Props) {
  const bounds: readonly (readonly [Partial<Filters>, string | false])[] = [
    [{ side: null }, filters.side !== null && `From ${filters.side.toLocaleString('en')} pixels`],
    [
      { shape: null },
      filters.shape !== null && `${filters.shape[0]?.toUpperCase()}${filters.shape.slice(1)}`,
    ],
    [{ match: null }, filters.match !== null && `Text match from ${filters.match.toFixed(2)}`],
  ];
  const conditions: readonly Condition[] = [
    ...LISTED.flatMap((field) =>
      filters[field].map((value) => ({
        key: `${field} ${value}`,
        name: activeName(field, value),
        count: counts?.fields[field].find((one) => one.value === value)?.count,
        remove: () => onFilters({ ...filters, [field]: filters[field].filter((other) => other !== value) }),
      })),
    ),
    ...bounds.flatMap(([without, name]) =>
      name === false ? [] : [{ key: name, name, remove: () => onFilters({ ...filters, ...without }) }],
    ),
  ];
  const words: readonly Condition[] = [
    ...(search.keywords === ''
      ? []
      : [
          {
            key: 'keywords',
            name: `Text has ${plainLine(search.keywords, 60)}`,
            remove: () => onSearch({ ...search, keywords: '' }),
          },
        ]),
    ...(search.byText
      ? [{ key: 'by', name: 'Compared with texts', remove: () => onSearch({ ...search, byText: false }) }]
      : []),
  ];
  const all = [...words, ...conditions];
  if (all.length === 0) return null;
  return (
    <ul class="active" aria-label="Conditions">
      {all.map(({ key, name, count, remove }) => (
        <li key={key}>
          <button type="button" class="chip on" onClick={remove}>
            <span class="hidden">Remove </span>
            <bdi>{name}</bdi>
            {count !== undefined && <span class="count">{count.toLocaleString('en')}</span>}
            <CloseIcon />
          </button>
        </li>
      ))}
      {conditions.length > 1 && (
        <li>
          <button type="button" class="text-button" onClick={() => onFilters(NO_FILTERS)}>
            Clear the filters
          </button>
        </li>
      )}
    </ul>
  );
}
