import type { RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { CloseIcon, PictureIcon, SearchIcon } from './icons.tsx';
import { PartChip } from './part-chip.tsx';
import { isSample, readTyped, type Search, withoutPart, withPart } from './search.ts';

interface Props {
  readonly search: Search;
  readonly fieldRef: RefObject<HTMLInputElement | null>;
  readonly onSearch: (search: Search) => void;
  readonly onPicture: (file: File) => void;
  readonly onClear: () => void;
}

/**
 * The field: words, and chips for all else that is looked for; pictures that are dropped on the page, pasted, or chosen
 * here, rows that there should be more or less of, words behind a minus.
 */
export function SearchBar({ search, fieldRef, onSearch, onPicture, onClear }: Props) {
  const [typed, setTyped] = useState('');
  const fileRef = useRef<HTMLInputElement>(null);
  // Before anything can be typed: later it would take away what was.
  useLayoutEffect(() => setTyped(search.words), [search.words]);
  const submit = () => {
    const { words, parts } = readTyped(typed);
    const next = parts.reduce<Search>(withPart, { ...search, words });
    setTyped(words);
    if (isSample(next)) onClear();
    else onSearch(next);
  };
  const remove = (index: number) => {
    const next = withoutPart({ ...search, words: readTyped(typed).words }, index);
    if (isSample(next)) onClear();
    else onSearch(next);
    fieldRef.current?.focus();
  };
  return (
    <search class="search">
      <form
        class="field"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <SearchIcon />
        <div class="query">
          {search.parts.map((part, i) => (
            <PartChip key={JSON.stringify(part)} part={part} onRemove={() => remove(i)} />
          ))}
          <input
            ref={fieldRef}
            type="text"
            enterkeyhint="search"
            autocomplete="off"
            spellcheck={false}
            maxLength={1000}
            aria-label="Search by words"
            aria-description="Words behind a minus are searched away from; the address of a picture is searched by"
            placeholder={search.parts.length > 0 ? 'Add words' : 'Search by words, or drop a picture'}
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Backspace' && typed === '' && search.parts.length > 0)
                remove(search.parts.length - 1);
            }}
          />
        </div>
        {isSample(search) && typed === '' ? (
          <kbd title="Press / to search">/</kbd>
        ) : (
          <button
            type="button"
            class="bare"
            aria-label="Clear the search"
            onClick={() => {
              setTyped('');
              onClear();
              fieldRef.current?.focus();
            }}
          >
            <CloseIcon />
          </button>
        )}
        <button
          type="button"
          class="bare"
          aria-label="Search by a picture"
          title="Search by a picture"
          onClick={() => fileRef.current?.click()}
        >
          <PictureIcon />
        </button>
        <input
          ref={fileRef}
          class="hidden"
          type="file"
          accept="image/jpeg,image/png,image/webp"
          aria-label="Picture to search by"
          tabIndex={-1}
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            event.currentTarget.value = '';
            if (file) onPicture(file);
          }}
        />
      </form>
    </search>
  );
}
