import { imageAddress } from './api.ts';
import { CloseIcon, PictureIcon, WebIcon } from './icons.tsx';
import { findPicture } from './picture.ts';
import type { Part } from './search.ts';
import { plainLine, webAddress } from './text.ts';

interface Props {
  readonly part: Part;
  readonly onRemove: () => void;
}

/** A part of the query in the field: a picture, or words that there should be less of. */
export function PartChip({ part, onRemove }: Props) {
  const name = partName(part);
  return (
    <span class={part.less ? 'part less' : 'part'}>
      {part.less && (
        <span class="sign" aria-hidden="true">
          −
        </span>
      )}
      <PartPicture part={part} />
      {(part.kind === 'words' || part.kind === 'web') && (
        <bdi>{part.kind === 'words' ? plainLine(part.words, 40) : name}</bdi>
      )}
      <button
        type="button"
        class="remove"
        aria-label={`Remove ${part.less ? 'less of ' : ''}${name}`}
        title={`${part.less ? 'Less like' : 'Like'} ${name}: remove`}
        onClick={onRemove}
      >
        <CloseIcon />
      </button>
    </span>
  );
}

function PartPicture({ part }: { readonly part: Part }) {
  if (part.kind === 'words') return null;
  // A picture of the web is the service's to fetch: this page asks nobody but the service.
  if (part.kind === 'web') return <WebIcon />;
  const address = part.kind === 'row' ? imageAddress(part.id) : findPicture(part.key)?.address;
  return address ? <img src={address} alt="" /> : <PictureIcon />;
}

/** What a part is, within a sentence. */
export function partName(part: Part): string {
  switch (part.kind) {
    case 'words':
      return `“${plainLine(part.words, 60)}”`;
    case 'row':
      return `picture ${part.id}`;
    case 'picture':
      return 'your picture';
    case 'web':
      return `a picture of ${plainLine(webAddress(part.url)?.hostname ?? 'the web', 60)}`;
  }
}
