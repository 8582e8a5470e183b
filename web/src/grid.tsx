import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { imageAddress, type PageRow } from './api.ts';
import { type Direction, justify, neighbour, rowHeight } from './justify.ts';
import { plainLine } from './text.ts';

interface Props {
  readonly rows: readonly PageRow[];
  /** The picture that the keyboard is at. */
  readonly current: number;
  readonly open: number | null;
  readonly addressOf: (row: PageRow) => string;
  readonly onOpen: (row: PageRow, index: number) => void;
  readonly onMove: (index: number) => void;
}

const KEYS: Readonly<Record<string, Direction>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'first',
  End: 'last',
};

/** Pictures in justified rows. One is in the tab order, arrows go on from it. */
export function Grid({ rows, current, open, addressOf, onOpen, onMove }: Props) {
  const listRef = useRef<HTMLUListElement>(null);
  const width = useWidth(listRef);
  const ratios = rows.map((row) => row.width / Math.max(1, row.height));
  const { boxes, height } = justify(ratios, width, rowHeight(width));
  // Rows break anew when details take their share of the width: the picture that they are about stays in sight.
  useEffect(() => {
    if (open !== null && width > 0)
      listRef.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' });
  }, [open, width]);
  const onKeyDown = (event: KeyboardEvent) => {
    const direction = KEYS[event.key];
    if (!direction || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    onMove(neighbour(boxes, current, direction));
  };
  return (
    <ul
      ref={listRef}
      class="grid"
      style={{ height: `${height}px` }}
      onKeyDown={onKeyDown}
      aria-label="Pictures"
    >
      {width > 0 &&
        rows.map((row, i) => {
          const box = boxes[i];
          if (!box) return null;
          const { left, top } = box;
          const place = {
            transform: `translate(${left}px, ${top}px)`,
            width: `${box.width}px`,
            height: `${box.height}px`,
          };
          return (
            <li key={row.id} style={place}>
              <Tile
                row={row}
                index={i}
                isCurrent={i === current}
                isOpen={row.id === open}
                address={addressOf(row)}
                onOpen={onOpen}
              />
            </li>
          );
        })}
    </ul>
  );
}

interface TileProps {
  readonly row: PageRow;
  readonly index: number;
  readonly isCurrent: boolean;
  readonly isOpen: boolean;
  readonly address: string;
  readonly onOpen: Props['onOpen'];
}

function Tile({ row, index, isCurrent, isOpen, address, onOpen }: TileProps) {
  const [state, setState] = useState<'loading' | 'here' | 'gone'>('loading');
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
      <img
        src={imageAddress(row.id)}
        alt={name}
        loading="lazy"
        decoding="async"
        draggable={false}
        onLoad={() => setState('here')}
        onError={() => setState('gone')}
      />
      <span class="caption" aria-hidden="true">
        <bdi>{name}</bdi>
      </span>
    </a>
  );
}

function useWidth(ref: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (ref.current) setWidth(ref.current.clientWidth);
  }, [ref]);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return width;
}

/** Ratios of pictures to come, as photographs have them. */
const GUESSES = [
  1.5, 1, 0.75, 1.33, 1.78, 1, 1.5, 0.67, 1.33, 1, 1.5, 1.25, 0.8, 1.6, 1, 1.33, 0.75, 1.5, 1, 1.4,
];

export function Skeleton() {
  const listRef = useRef<HTMLDivElement>(null);
  const width = useWidth(listRef);
  const { boxes, height } = justify(GUESSES, width, rowHeight(width));
  return (
    <div ref={listRef} class="grid skeleton" style={{ height: `${height}px` }} aria-hidden="true">
      {width > 0 &&
        boxes.map(({ left, top, ...box }) => (
          <div
            key={`${left} ${top}`}
            class="tile loading"
            style={{
              transform: `translate(${left}px, ${top}px)`,
              width: `${box.width}px`,
              height: `${box.height}px`,
            }}
          />
        ))}
    </div>
  );
}
