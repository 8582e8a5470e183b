import type { RefObject } from 'preact';
import { imageAddress, type PageRow } from './api.ts';
import { Folding } from './folding.tsx';
import { ArrowIcon, CloseIcon, LikeIcon } from './icons.tsx';
import { languageName, licenceName, plainLine, safetyName, webAddress } from './text.ts';

interface Props {
  readonly row: PageRow;
  readonly closeRef: RefObject<HTMLButtonElement | null>;
  readonly likeAddress: string;
  readonly onLike: () => void;
  readonly onClose: () => void;
}

/** What is known of one picture. All of it comes from strangers, and is shown as text. */
export function Details({ row, closeRef, likeAddress, onLike, onClose }: Props) {
  return (
    <aside class="details" aria-label="About this picture">
      <div class="details-head">
        <h2>About this picture</h2>
        <button ref={closeRef} type="button" class="bare" aria-label="Close the details" onClick={onClose}>
          <CloseIcon />
        </button>
      </div>
      <div class="details-body">
        <img
          key={row.id}
          class="large"
          src={imageAddress(row.id)}
          width={row.width}
          height={row.height}
          style={{ aspectRatio: `${row.width} / ${row.height}` }}
          alt={plainLine(row.text, 200)}
        />
        <Folding key={`text ${row.id}`} text={row.text} />
        <a
          class="button"
          href={likeAddress}
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            onLike();
          }}
        >
          <LikeIcon /> More like this
        </a>
        <dl>
          {row.score !== null && <Fact name="Search match">{row.score.toFixed(3)}</Fact>}
          <Fact name="Text match">{row.similarity.toFixed(3)}</Fact>
          <Fact name="Size">
            {row.width} × {row.height}
          </Fact>
          <Fact name="Licence">
            <Link address={row.license} label={licenceName(row.license)} />
          </Fact>
          <Fact name="Language">{languageName(row.language)}</Fact>
          <Fact name="Safety">{safetyName(row.nsfw)}</Fact>
          <Fact name="Page">
            <Link address={row.pageUrl} />
          </Fact>
          <Fact name="Picture">
            <Link address={row.url} />
          </Fact>
          <Fact name="Number">{row.id}</Fact>
        </dl>
      </div>
    </aside>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A way out to the web, where the address is one that a browser may follow; else the bare text. */
function Link({ address, label }: { readonly address: string; readonly label?: string }) {
  const url = webAddress(address);
  const text = label ?? (address === '' ? 'not known' : plainLine(address.replace(/^https?:\/\//, ''), 120));
  if (!url) return <bdi>{text}</bdi>;
  return (
    <a href={url.href} target="_blank" rel="noopener noreferrer nofollow">
      <bdi>{text}</bdi>
      <ArrowIcon />
    </a>
  );
}
