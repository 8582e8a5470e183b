import { useState } from 'preact/hooks';
import { fetchList, longestList } from './api.ts';
import { DownloadIcon } from './icons.tsx';
import { Menu } from './menu.tsx';
import type { Place } from './search.ts';

const FORMATS = { json: 'JSON', parquet: 'Parquet' } as const;
type Format = keyof typeof FORMATS;

/** The results as a list of addresses, to take home. */
export function DownloadMenu({ place }: { readonly place: Place }) {
  return (
    <Menu
      label={
        <>
          <DownloadIcon />
          <span>Download</span>
        </>
      }
      name="Download the results"
    >
      <DownloadForm place={place} />
    </Menu>
  );
}

function DownloadForm({ place }: { readonly place: Place }) {
  const longest = longestList(place);
  const lengths = [100, 1000, longest];
  const [length, setLength] = useState(1000);
  const [busy, setBusy] = useState<Format | null>(null);
  const [said, setSaid] = useState('');
  const download = async (format: Format) => {
    setBusy(format);
    setSaid('');
    try {
      saveFile(await fetchList(place, format, length), `gleaner-results.${format}`);
      setSaid('Downloaded.');
    } catch (error) {
      setSaid(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(null);
    }
  };
  return (
    <>
      <fieldset class="choices-list">
        <legend>Download the first</legend>
        {lengths.map((choice) => (
          <label key={choice}>
            <input
              type="radio"
              name="length"
              checked={length === choice}
              onChange={() => setLength(choice)}
            />
            <span>{choice.toLocaleString('en')} results</span>
          </label>
        ))}
      </fieldset>
      <p class="soft">Addresses, texts and figures of each; the pictures are not in it.</p>
      <div class="ways">
        {(['json', 'parquet'] as const).map((format) => (
          <button
            key={format}
            type="button"
            class="button quiet"
            disabled={busy !== null}
            onClick={() => download(format)}
          >
            {busy === format ? 'Making it…' : FORMATS[format]}
          </button>
        ))}
      </div>
      <p role="status">{said}</p>
    </>
  );
}

function saveFile(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser has the file once it has begun; a minute is more than that takes.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
