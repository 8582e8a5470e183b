interface Props {
  /** The key that does the same. */
  readonly letter: string;
  readonly isOn: boolean;
  readonly onChoose: () => void;
  readonly children: string;
}

/** An answer as a button, with its key. */
export function Choice({ letter, isOn, onChoose, children }: Props) {
  return (
    <button type="button" class="choice" aria-pressed={isOn} aria-keyshortcuts={letter} onClick={onChoose}>
      <kbd>{letter}</kbd>
      <span>{children}</span>
    </button>
  );
}
