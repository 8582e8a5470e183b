import { useRef, useState } from 'preact/hooks';
import type { FieldCount } from '../../src/service/page-types.ts';
import { conditionsOf, SIDES } from './conditions.ts';
import { Menu } from './menu.tsx';
import { type Filters, type ListedField, type Place, SHAPES } from './search.ts';
import { count, languageName, licenceName, plainLine, safetyName } from './text.ts';
import { useCounts, useRowsOf } from './use-counts.ts';

interface Props {
  readonly place: Place;
  readonly onFilters: (filters: Filters) => void;
}

/** What the menus of listed fields are called. */
const TITLES: Readonly<Record<ListedField, string>> = {
  language: 'Language',
  license: 'Licence',
  host: 'Site',
  nsfw: 'Safety',
};
/** Values of a field that a menu shows. */
const MAX_SHOWN = 24;

/** What a value of a field is called. */
export function valueName(field: ListedField, value: string): string {
  if (field === 'language') return languageName(value);
  if (field === 'license') return licenceName(value);
  if (field === 'nsfw') return safetyName(value);
  return value === '' ? 'no site' : plainLine(value, 60);
}

/** The filters as chips with menus; each choice with the number of rows that it leaves. */
export function Facets({ place, onFilters }: Props) {
  const { filters, nsfw } = place;
  const fields: readonly ListedField[] = nsfw
    ? ['language', 'license', 'host', 'nsfw']
    : ['language', 'license', 'host'];
  return (
    <>
      {fields.map((field) => (
        <Menu key={field} label={TITLES[field]} name={TITLES[field]} isOn={filters[field].length > 0}>
          <Values field={field} place={place} onFilters={onFilters} />
        </Menu>
      ))}
      <Menu label="Size" name="Size" isOn={filters.side !== null}>
        <Bounds
          place={place}
          field="side"
          title="Shorter side at least"
          choices={SIDES}
          nameOf={(side) => `${side.toLocaleString('en')} pixels`}
          onFilters={onFilters}
        />
      </Menu>
      <Menu label="Shape" name="Shape" isOn={filters.shape !== null}>
        <Bounds
          place={place}
          field="shape"
          title="Shape"
          choices={SHAPES}
          nameOf={(shape) => shape[0]?.toUpperCase() + shape.slice(1)}
          onFilters={onFilters}
        />
      </Menu>
      <Menu label="Text match" name="Text match" isOn={filters.match !== null}>
        <Matches place={place} onFilters={onFilters} />
      </Menu>
    </>
  );
}

/** Values of one field, several of which may be chosen. */
function Values({ field, place, onFilters }: Props & { readonly field: ListedField }) {
  const { filters, nsfw } = place;
  const now = useCounts(true, conditionsOf(filters), nsfw);
  // Choices stay where they are while they are counted anew.
  const last = useRef(now);
  if (now) last.current = now;
  const counts = now ?? last.current;
  const chosen = filters[field];
  const listed: readonly FieldCount[] = counts?.fields[field].slice(0, MAX_SHOWN) ?? [];
  // What is chosen stays in sight, be it that nothing has it.
  const values = [...new Set([...listed.map(({ value }) => value), ...chosen])];
  const countOf = new Map(listed.map(({ value, count }) => [value, count]));
  const choose = (value: string, isOn: boolean) =>
    onFilters({ ...filters, [field]: isOn ? [...chosen, value] : chosen.filter((one) => one !== value) });
  return (
    <>
      <fieldset class="choices-list">
        <legend>{TITLES[field]}</legend>
        {values.map((value) => (
          <label key={value}>
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={(event) => choose(value, event.currentTarget.checked)}
            />
            <bdi>{valueName(field, value)}</bdi>
            <span class="count">{counts && (countOf.get(value) ?? 0).toLocaleString('en')}</span>
          </label>
        ))}
        {!counts && values.length === 0 && <p class="soft">Counting…</p>}
        {counts && values.length === 0 && <p class="soft">None here.</p>}
      </fieldset>
      {field === 'host' && <OtherSite onSite={(site) => choose(site, true)} />}
    </>
  );
}

/** A site that is not among those with the most rows. */
function OtherSite({ onSite }: { readonly onSite: (site: string) => void }) {
  const [typed, setTyped] = useState('');
  return (
    <form
      class="other"
      onSubmit={(event) => {
        event.preventDefault();
        const site = hostOf(typed);
        if (site !== '') onSite(site);
        setTyped('');
      }}
    >
      <input
        type="text"
        aria-label="Another site"
        placeholder="Another, as example.org"
        autocomplete="off"
        spellcheck={false}
        maxLength={300}
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
      <button type="submit" class="button quiet">
        Add
      </button>
    </form>
  );
}

/** The host of an address or a bare host, as addresses have it; '' where it is none. */
function hostOf(typed: string): string {
  const text = typed.trim();
  const address = /^https?:\/\//i.test(text) ? text : `https://${text}`;
  return text !== '' && URL.canParse(address) ? new URL(address).hostname : '';
}

type BoundField = 'side' | 'shape' | 'match';

/** Choices of which one holds, or none. */
function Bounds<F extends BoundField>({
  place: { filters, nsfw },
  field,
  title,
  choices,
  nameOf,
  onFilters,
}: Props & {
  readonly field: F;
  readonly title: string;
  readonly choices: readonly NonNullable<Filters[F]>[];
  readonly nameOf: (choice: NonNullable<Filters[F]>) => string;
}) {
  const options: readonly Filters[F][] = [null, ...choices];
  const rows = useRowsOf(
    options.map((option) => conditionsOf({ ...filters, [field]: option })),
    nsfw,
  );
  return (
    <fieldset class="choices-list">
      <legend>{title}</legend>
      {options.map((option, i) => (
        <label key={String(option)}>
          <input
            type="radio"
            name={field}
            checked={filters[field] === option}
            onChange={() => onFilters({ ...filters, [field]: option })}
          />
          <span>{option === null ? 'Any' : nameOf(option)}</span>
          <span class="count">{rows[i]?.toLocaleString('en')}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** Least cosines between a picture and its text, in steps that the release has. */
function Matches({ place, onFilters }: Props) {
  const { filters, nsfw } = place;
  const counts = useCounts(true, conditionsOf({ ...filters, match: null }), nsfw);
  const { min = 0, max = 0 } = counts?.similarity ?? {};
  const steps = [...Array(20).keys()].map((i) => (i + 1) / 20).filter((step) => step > min && step <= max);
  const choices = [...new Set([...steps, ...(filters.match === null ? [] : [filters.match])])].sort(
    (a, b) => a - b,
  );
  return (
    <>
      <Bounds
        place={place}
        field="match"
        title="Cosine of picture and text at least"
        choices={choices}
        nameOf={(match) => match.toFixed(2)}
        onFilters={onFilters}
      />
      {counts && (
        <p class="soft">
          {count(counts.rows, 'pair', 'pairs')}, from {min.toFixed(2)} to {max.toFixed(2)}
        </p>
      )}
    </>
  );
}
