import type { MapInfoAnswer, MapRegion } from '../../../src/service/map-types.ts';
import { imageAddress } from '../api.ts';
import { count } from '../text.ts';
import { css, type Palette } from './colours.ts';
import { regionName } from './labels.ts';

interface Props {
  readonly info: MapInfoAnswer;
  readonly nsfw: boolean;
  /** Colours of the regions; null where points are coloured by something else. */
  readonly palette: Palette | null;
  readonly onGo: (region: MapRegion, at: number) => void;
}

/** The regions by their names and sizes: what the map shows, for those who do not see it, and a way to each. */
export function RegionList({ info, nsfw, palette, onGo }: Props) {
  const shown = (region: MapRegion) => region.rows - (nsfw ? 0 : region.unsafe);
  const all = info.regions.map((region, at) => ({ region, at }));
  const tops = all.filter(({ region }) => region.level === 0);
  const bySize = (list: typeof all) =>
    list.filter(({ region }) => shown(region) > 0).sort((a, b) => shown(b.region) - shown(a.region));
  return (
    <ul class="region-list">
      {bySize(tops).map(({ region, at }) => {
        const parts = bySize(all.filter((one) => one.region.parent === at && one.region.words.length > 0));
        const colour = palette?.colours[tops.findIndex((top) => top.at === at)];
        const name = regionName(region) || 'Without a name';
        return (
          <li key={at}>
            <div class="region">
              {region.picture === null ? (
                <span class="region-picture" />
              ) : (
                <img
                  class="region-picture"
                  src={imageAddress(region.picture)}
                  alt=""
                  loading="lazy"
                  style={colour && { borderColor: css(colour) }}
                />
              )}
              <button type="button" class="region-name" onClick={() => onGo(region, at)}>
                <bdi>{name}</bdi>
                <span class="region-count">{count(shown(region), 'picture', 'pictures')}</span>
              </button>
              <SearchLink region={region} nsfw={nsfw} name={name} />
            </div>
            {parts.length > 1 && (
              <details>
                <summary>
                  {parts.length} parts<span class="hidden"> of {name}</span>
                </summary>
                <ul>
                  {parts.map((part) => (
                    <li key={part.at} class="region">
                      <button type="button" class="region-name" onClick={() => onGo(part.region, part.at)}>
                        <bdi>{regionName(part.region)}</bdi>
                        <span class="region-count">{count(shown(part.region), 'picture', 'pictures')}</span>
                      </button>
                      <SearchLink region={part.region} nsfw={nsfw} name={regionName(part.region)} />
                    </li>
                  ))}
                </ul>
              </details>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function SearchLink({
  region: { words, picture },
  nsfw,
  name,
}: {
  readonly region: MapRegion;
  readonly nsfw: boolean;
  readonly name: string;
}) {
  const params = new URLSearchParams();
  if (words.length > 0) params.set('q', words.slice(0, 2).join(' '));
  else if (picture !== null) params.set('like', String(picture));
  if (nsfw) params.set('nsfw', '1');
  return (
    <a class="region-search" href={`/?${params}`} aria-label={`Search for ${name}`}>
      Search
    </a>
  );
}
