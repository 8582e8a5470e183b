import type { RefObject } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import { imageAddress, type PageRow } from './api.ts';
import { Folding } from './folding.tsx';
import { ArrowIcon, CloseIcon, FlagIcon, LikeIcon, MinusIcon, PlusIcon } from './icons.tsx';
import { ReportDialog } from './report-dialog.tsx';
import type { Search } from './search.ts';
import { languageName, licenceName, plainLine, safetyName, stepName, webAddress } from './text.ts';
import { Gone } from './tile.tsx';
import type { OpenedRow } from './use-opened.ts';
import { WhyHere } from './why.tsx';

interface Props {
  readonly opened: OpenedRow;
  readonly search: Search;
  readonly closeRef: RefObject<HTMLButtonElement | null>;
  readonly likeAddress: string;
  readonly onLike: () => void;
  readonly onAdd: (less: boolean) => void;
  readonly onClose: () => void;
}

/** What is known of one picture. All of it comes from strangers, and is shown as text. */
export function Details({ opened, search, closeRef, likeAddress, onLike, onAdd, onClose }: Props) {
  const { row, kept } = opened;
  const [isReporting, setReporting] = useState(false);
  return (
    <aside class="details" aria-label="About this picture">
      <div class="details-head">
        <h2>About this picture</h2>
        <button ref={closeRef} type="button" class="bare" aria-label="Close the details" onClick={onClose}>
          <CloseIcon />
        </button>
      </div>
      <div class="details-body">
        <Picture key={row.id} row={row} />
        <Folding key={`text ${row.id}`} text={row.text} />
        <div class="ways">
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
          <button type="button" class="button quiet" onClick={() => onAdd(true)}>
            <MinusIcon /> Less like this
          </button>
          <button type="button" class="button quiet" onClick={() => onAdd(false)}>
            <PlusIcon /> Add to the search
          </button>
        </div>
        <WhyHere why={row.why} search={search} />
        <section aria-label="What it is">
          <h3>What it is</h3>
          <dl>
            <Fact name="Size">
              {row.width} × {row.height}
              {row.format !== '' && <span class="soft"> {plainLine(row.format, 12)}</span>}
            </Fact>
            <Fact name="Text match">{row.similarity.toFixed(3)}</Fact>
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
        </section>
        {kept.length > 0 && (
          <section aria-label="Why it was kept">
            <h3>Why it was kept</h3>
            <dl>
              {kept.map(({ step, said }) => (
                <Fact key={step} name={stepName(step)}>
                  <bdi>{plainLine(said, 300)}</bdi>
                </Fact>
              ))}
            </dl>
          </section>
        )}
        <button type="button" class="button quiet" onClick={() => setReporting(true)}>
          <FlagIcon /> Report this picture
        </button>
      </div>
      {isReporting && <ReportDialog key={row.id} id={row.id} onClose={() => setReporting(false)} />}
    </aside>
  );
}

/** The stored picture, whether or not the web still has it. */
function Picture({ row }: { readonly row: PageRow }) {
  const [isGone, setGone] = useState(false);
  const [width, height] = [row.storedWidth || row.width, row.storedHeight || row.height];
  useLayoutEffect(() => setGone(false), [row.id]);
  if (isGone)
    return (
      <div class="large gone">
        <Gone name="The release has none, or it was taken out." />
      </div>
    );
  return (
    <img
      class="large"
      src={imageAddress(row.id)}
      width={width}
      height={height}
      style={{ aspectRatio: `${width} / ${height}` }}
      alt={plainLine(row.text, 200)}
      onError={() => setGone(true)}
    />
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
