import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { imageAddress } from './api.ts';
import { CloseIcon, PictureIcon, SearchIcon } from './icons.tsx';
import { findPicture } from './picture.ts';
import type { Search } from './search.ts';

interface Props {
  readonly search: Search;
  readonly fieldRef: RefObject<HTMLInputElement | null>;
  readonly onWords: (words: string) => void;
  readonly onPicture: (file: File) => void;
  readonly onClear: () => void;
}

/** The field: words, or a picture that is dropped on the page, pasted, or chosen here. */
export function SearchBar({ search, fieldRef, onWords, onPicture, onClear }: Props) {
  const [words, setWords] = useState('');
  const fileRef = useRef<HTMLInputElement>(null);
  useEffect(() => setWords(search.kind === 'words' ? search.words : ''), [search]);
  const example = exampleOf(search);
  return (
    <search class="search">
      <form
        class="field"
        onSubmit={(event) => {
          event.preventDefault();
          if (words.trim() !== '') onWords(words.trim());
          else if (search.kind === 'words') onClear();
        }}
      >
        {example ? <img class="example" src={example.address} alt={example.name} /> : <SearchIcon />}
        <input
          ref={fieldRef}
          type="text"
          enterkeyhint="search"
          autocomplete="off"
          spellcheck={false}
          maxLength={1000}
          aria-label="Search by words"
          placeholder={example ? example.name : 'Search by words, or drop a picture'}
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
        {search.kind === 'sample' && words === '' ? (
          <kbd title="Press / to search">/</kbd>
        ) : (
          <button
            type="button"
            class="bare"
            aria-label="Clear the search"
            onClick={() => {
              setWords('');
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

function exampleOf(search: Search): { address: string; name: string } | null {
  if (search.kind === 'like')
    return { address: imageAddress(search.id), name: `More like picture ${search.id}` };
  const picture = search.kind === 'picture' ? findPicture(search.key) : undefined;
  return picture ? { address: picture.address, name: 'Your picture' } : null;
}
