import type { ComponentChildren } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import { ChevronIcon } from './icons.tsx';

interface Props {
  /** What the button says. */
  readonly label: ComponentChildren;
  /** What the menu is about. */
  readonly name: string;
  /** Whether something in it is chosen. */
  readonly isOn?: boolean;
  readonly children: ComponentChildren;
}

/** Pixels between a menu and its button, and the edge of the window. */
const GAP = 8;

/** A button with a small panel; the browser closes it by Esc and by a click elsewhere. */
export function Menu({ label, name, isOn = false, children }: Props) {
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const buttonRef = useRef<HTMLButtonElement>(null);
  const panelRef = useRef<HTMLDivElement>(null);
  const place = () => {
    const [button, panel] = [buttonRef.current, panelRef.current];
    if (!button || !panel) return;
    const box = button.getBoundingClientRect();
    const left = Math.max(
      GAP,
      Math.min(box.left, document.documentElement.clientWidth - panel.offsetWidth - GAP),
    );
    panel.style.setProperty('--left', `${left + scrollX}px`);
    panel.style.setProperty('--top', `${box.bottom + GAP + scrollY}px`);
  };
  return (
    <>
      <button
        ref={buttonRef}
        type="button"
        class={isOn ? 'chip on' : 'chip'}
        popovertarget={id}
        aria-expanded={isOpen}
      >
        {label}
        <ChevronIcon />
      </button>
      <div
        ref={panelRef}
        id={id}
        popover="auto"
        class="menu"
        role="dialog"
        aria-label={name}
        onToggle={(event) => {
          const opened = event.newState === 'open';
          setOpen(opened);
          if (!opened) return;
          place();
        }}
      >
        {isOpen && children}
      </div>
    </>
  );
}
