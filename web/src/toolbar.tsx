import { useEffect, useState } from 'preact/hooks';
import { DownloadMenu } from './download-menu.tsx';
import { Facets } from './facets.tsx';
import { DoneIcon, GridIcon, LinkIcon } from './icons.tsx';
import { GRID_SIZES, type GridSize } from './justify.ts';
import { Menu } from './menu.tsx';
import type { Filters, Place, Search } from './search.ts';

interface Props {
  readonly place: Place;
  readonly size: GridSize;
  readonly onFilters: (filters: Filters) => void;
  readonly onSearch: (search: Search) => void;
  readonly onDuplicates: (duplicates: boolean) => void;
  readonly onSize: (size: GridSize) => void;
}

/** What narrows a search, and how it is shown. */
export function Toolbar({ place, size, onFilters, onSearch, onDuplicates, onSize }: Props) {
  return (
    <div class="toolbar">
      <fieldset class="chips" aria-label="Filters">
        <Facets place={place} onFilters={onFilters} />
        <Menu
          label="Words"
          name="Words of the text"
          isOn={place.search.keywords !== '' || place.search.byText}
        >
          <WordsForm key={place.search.keywords} search={place.search} onSearch={onSearch} />
        </Menu>
      </fieldset>
      <div class="tools">
        <button
          type="button"
          class="switch"
          role="switch"
          aria-checked={!place.duplicates}
          title="Of pictures that look the same, only the first is shown"
          onClick={() => onDuplicates(!place.duplicates)}
        >
          <span class="knob" />
          Hide duplicates
        </button>
        <fieldset class="sizes" aria-label="Size of the pictures">
          {GRID_SIZES.map((name, i) => (
            <button
              key={name}
              type="button"
              class="bare"
              aria-pressed={name === size}
              aria-label={`${name[0]?.toUpperCase()}${name.slice(1)} pictures`}
              title={`${name[0]?.toUpperCase()}${name.slice(1)} pictures`}
              onClick={() => onSize(name)}
            >
              <GridIcon columns={i === 0 ? 3 : i === 1 ? 2 : 1} />
            </button>
          ))}
        </fieldset>
        <CopyLink />
        <DownloadMenu place={place} />
      </div>
    </div>
  );
}

/** Words that texts should hold, and whether the query is held against pictures or texts. */
function WordsForm({ search, onSearch }: Pick<Props, 'onSearch'> & { readonly search: Search }) {
  const [typed, setTyped] = useState(search.keywords);
  return (
    <>
      <form
        class="other"
        onSubmit={(event) => {
          event.preventDefault();
          onSearch({ ...search, keywords: typed.trim() });
        }}
      >
        <input
          type="text"
          aria-label="Words of the text"
          placeholder="Words in the text"
          autocomplete="off"
          spellcheck={false}
          maxLength={1000}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        <button type="submit" class="button quiet">
          Find
        </button>
      </form>
      <p class="soft">Finds these very words in the texts; with a search beside it, both lists become one.</p>
      <fieldset class="choices-list">
        <legend>Compare the search with</legend>
        {[false, true].map((byText) => (
          <label key={String(byText)}>
            <input
              type="radio"
              name="by"
              checked={search.byText === byText}
              onChange={() => onSearch({ ...search, byText })}
            />
            <span>{byText ? 'the texts' : 'the pictures'}</span>
          </label>
        ))}
      </fieldset>
    </>
  );
}

/** How long the page says that the link was copied, in milliseconds. */
const SAID_MS = 2000;

/** Copies the address of the page; left out where the browser does not let pages do so. */
function CopyLink() {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), SAID_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  if (!navigator.clipboard) return null;
  return (
    <button
      type="button"
      class="chip"
      title="The address of this search, with a small copy of your picture where it has one"
      onClick={() =>
        navigator.clipboard.writeText(location.href).then(
          () => setCopied(true),
          () => setCopied(false),
        )
      }
    >
      {isCopied ? <DoneIcon /> : <LinkIcon />}
      <span aria-live="polite">{isCopied ? 'Copied' : 'Copy link'}</span>
    </button>
  );
}
