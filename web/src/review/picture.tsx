import { useState } from 'preact/hooks';

interface Props {
  /** null where its bytes could not be read. */
  readonly address: string | null;
  readonly isVisible: boolean;
  readonly isFlagged: boolean;
  readonly onToggle: () => void;
}

/** The picture in a frame that stays as large whatever it shows, so that nothing jumps from pair to pair. */
export function Picture({ address, isVisible, isFlagged, onToggle }: Props) {
  const [isBroken, setBroken] = useState(address === null);
  return (
    <figure class="frame">
      {isBroken || address === null ? (
        <p class="soft">The stored picture cannot be shown. U passes it over.</p>
      ) : (
        <img
          class={isVisible ? 'picture' : 'picture covered'}
          src={address}
          alt={isVisible ? 'The picture to judge' : 'A picture that is covered'}
          draggable={false}
          onError={() => setBroken(true)}
        />
      )}
      {isFlagged && !isBroken && (
        <figcaption>
          {!isVisible && <span class="warning">This picture may not be safe for work.</span>}
          <button type="button" class="button quiet" aria-pressed={isVisible} onClick={onToggle}>
            {isVisible ? 'Cover it' : 'Show it'}
          </button>
          <span class="hint">
            <kbd>V</kbd> hold to look <kbd>B</kbd> show or cover
          </span>
        </figcaption>
      )}
    </figure>
  );
}
