import { useCallback, useState } from 'preact/hooks';
import { GRID_SIZES, type GridSize } from './justify.ts';

const STORE_KEY = 'grid-size';

/** How large pictures are: what the reader chose last, on this device. */
export function useGridSize(): readonly [GridSize, (size: GridSize) => void] {
  const [size, setSize] = useState<GridSize>(kept);
  const choose = useCallback((next: GridSize) => {
    setSize(next);
    try {
      localStorage.setItem(STORE_KEY, next);
    } catch {
      // Forbidden: then it holds until the page is left.
    }
  }, []);
  return [size, choose];
}

function kept(): GridSize {
  try {
    return GRID_SIZES.find((size) => size === localStorage.getItem(STORE_KEY)) ?? 'medium';
  } catch {
    return 'medium';
  }
}
