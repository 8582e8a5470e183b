import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { PageRow } from './api.ts';
import { boxesWithin, type Direction, type GridSize, justify, neighbour, rowHeight } from './justify.ts';
import { Tile } from './tile.tsx';
import { useStretch, useWidth } from './use-layout.ts';

interface Props {
  readonly rows: readonly PageRow[];
  readonly size: GridSize;
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

/**
 * Pictures in justified rows. One is in the tab order, arrows go on from it. Only what is in sight or near it is in the
 * document, the picture that the keyboard is at, and the one that is open.
 */
export function Grid({ rows, size, current, open, addressOf, onOpen, onMove }: Props) {
  const listRef = useRef<HTMLUListElement>(null);
  const width = useWidth(listRef);
  const { top, bottom } = useStretch(listRef);
  const { boxes, height } = useMemo(
    () => justify(rows.map(ratioOf), width, rowHeight(width, size)),
    [rows, width, size],
  );
  // Rows break anew when details take their share of the width: the picture that they are about stays in sight.
  const openIndex = useMemo(() => rows.findIndex((row) => row.id === open), [rows, open]);
  useEffect(() => {
    if (openIndex >= 0 && width > 0)
      listRef.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' });
  }, [openIndex, width]);
  const onKeyDown = (event: KeyboardEvent) => {
    const direction = KEYS[event.key];
    if (!direction || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    onMove(neighbour(boxes, current, direction));
  };
  const [from, to] = boxesWithin(boxes, top, bottom);
  const inSight = Array.from({ length: to - from }, (_, i) => from + i);
  const indices = [...new Set([...inSight, current, ...(openIndex < 0 ? [] : [openIndex])])].sort(
    (a, b) => a - b,
  );
  return (
    <ul
      ref={listRef}
      class="grid"
      style={{ height: `${height}px` }}
      onKeyDown={onKeyDown}
      aria-label="Pictures"
    >
      {width > 0 &&
        indices.map((i) => {
          const [box, row] = [boxes[i], rows[i]];
          if (!box || !row) return null;
          const place = {
            transform: `translate(${box.left}px, ${box.top}px)`,
            width: `${box.width}px`,
            height: `${box.height}px`,
          };
          return (
            <li key={row.id} style={place} aria-setsize={rows.length} aria-posinset={i + 1}>
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

/** Of the stored picture, which is what is shown; of the fetched one where its size is not known. */
function ratioOf({ storedWidth, storedHeight, width, height }: PageRow): number {
  return storedWidth > 0 && storedHeight > 0 ? storedWidth / storedHeight : width / Math.max(1, height);
}

/** Ratios of pictures to come, as photographs have them. */
const GUESSES = [
  1.5, 1, 0.75, 1.33, 1.78, 1, 1.5, 0.67, 1.33, 1, 1.5, 1.25, 0.8, 1.6, 1, 1.33, 0.75, 1.5, 1, 1.4,
];

export function Skeleton({ size }: { readonly size: GridSize }) {
  const listRef = useRef<HTMLDivElement>(null);
  const width = useWidth(listRef);
  const { boxes, height } = justify(GUESSES, width, rowHeight(width, size));
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
