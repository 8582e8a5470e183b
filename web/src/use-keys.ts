import type { RefObject } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

interface Keys {
  readonly fieldRef: RefObject<HTMLInputElement | null>;
  /** Pictures there are. */
  readonly length: number;
  readonly isOpen: boolean;
  readonly current: number;
  readonly focusTile: (index: number) => void;
  readonly onClose: () => void;
  /** Walks on from the details. */
  readonly onStep: (index: number) => void;
}

/** Keys of the whole page: '/' to the field, down into the grid, Esc out of the details, arrows from one to the next. */
export function useKeys(keys: Keys): void {
  // A key may come before the page is made anew for the one before it.
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const { fieldRef, length, isOpen, current, focusTile, onClose, onStep } = latest.current;
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      // A dialog and a menu are left by the browser.
      if (document.querySelector('dialog[open], :popover-open')) return;
      const target = event.target instanceof Element ? event.target : null;
      const typing = target?.matches('input:not([type]), input[type=text], textarea') ?? false;
      if (event.key === '/' && !typing) {
        event.preventDefault();
        fieldRef.current?.focus();
        fieldRef.current?.select();
      } else if (event.key === 'Escape') {
        if (isOpen) onClose();
        else if (typing) focusTile(current);
      } else if (event.key === 'ArrowDown' && target === fieldRef.current && length > 0) {
        event.preventDefault();
        focusTile(current);
      } else if (isOpen && target?.closest('.details')) {
        const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
        const to = current + step;
        if (step !== 0 && to >= 0 && to < length) onStep(to);
      }
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);
}

/** Gives a picture of the grid the focus: at once, or as soon as it is in the document. */
export function useFocusTile(): (index: number) => void {
  const wanted = useRef<number | null>(null);
  const [, render] = useState(0);
  // Before the browser paints: the next key is to find the focus where the last one put it.
  useLayoutEffect(() => {
    const tile =
      wanted.current === null
        ? null
        : document.querySelector<HTMLElement>(`.tile[data-index="${wanted.current}"]`);
    if (!tile) return;
    wanted.current = null;
    tile.focus({ preventScroll: true });
    tile.scrollIntoView({ block: 'nearest' });
  });
  return useCallback((index) => {
    wanted.current = index;
    render((n) => n + 1);
  }, []);
}
