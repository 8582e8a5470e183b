import { useLayoutEffect, useState } from 'preact/hooks';

/** Longer texts are shown folded, in characters. */
const FOLD_CHARS = 400;

/** A text of a stranger, cut off from what stands around it, and folded where it is long. */
export function Folding({ text }: { readonly text: string }) {
  const [folded, setFolded] = useState(text.length > FOLD_CHARS);
  useLayoutEffect(() => setFolded(text.length > FOLD_CHARS), [text]);
  return (
    <div class="quote">
      <p dir="auto">
        <bdi>{folded ? `${text.slice(0, FOLD_CHARS).toWellFormed()}…` : text}</bdi>
      </p>
      {text.length > FOLD_CHARS && (
        <button type="button" class="text-button" aria-expanded={!folded} onClick={() => setFolded(!folded)}>
          {folded ? `Show all ${text.length.toLocaleString('en')} characters` : 'Show less'}
        </button>
      )}
    </div>
  );
}
