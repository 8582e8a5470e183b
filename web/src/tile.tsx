import { useState } from 'preact/hooks';
import { imageAddress, type PageRow } from './api.ts';
import { GoneIcon } from './icons.tsx';
import { plainLine } from './text.ts';

interface Props {
  readonly row: PageRow;
  readonly index: number;
  readonly isCurrent: boolean;
  readonly isOpen: boolean;
  readonly address: string;
  readonly onOpen: (row: PageRow, index: number) => void;
}

/** Pictures that were shown: one that comes into sight again is there at once. */
const shown = new Set<number>();

/** A picture of the grid: the stored one, never the web's. */
export function Tile({ row, index, isCurrent, isOpen, address, onOpen }: Props) {
  const [state, setState] = useState<'loading' | 'here' | 'gone'>(shown.has(row.id) ? 'here' : 'loading');
  const name = plainLine(row.text, 200) || `Picture ${row.id}`;
  return (
    <a
      class={`tile ${state}`}
      href={address}
      data-id={row.id}
      data-index={index}
      tabIndex={isCurrent ? 0 : -1}
      aria-current={isOpen ? 'true' : undefined}
      onClick={(event) => {
        // With a modifier the browser opens a tab of its own.
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        onOpen(row, index);
      }}
    >
      {state === 'gone' ? (
        <Gone name={name} />
      ) : (
        <>
          <img
            src={imageAddress(row.id)}
            alt={name}
            decoding="async"
            draggable={false}
            onLoad={() => {
              shown.add(row.id);
              setState('here');
            }}
            onError={() => setState('gone')}
          />
          <span class="caption" aria-hidden="true">
            <bdi>{name}</bdi>
          </span>
        </>
      )}
    </a>
  );
}

/** Stands where a picture is not there. */
export function Gone({ name }: { readonly name: string }) {
  return (
    <span class="gone-note">
      <GoneIcon />
      <span>No picture stored</span>
      <bdi>{name}</bdi>
    </span>
  );
}
