import type { ColourBy } from './colours.ts';
import { readView, type View, viewText, WHOLE } from './view.ts';

/** What an address of the map says. */
export interface MapPlace {
  readonly view: View;
  readonly by: ColourBy;
  readonly nsfw: boolean;
}

export function readMapPlace(query: string): MapPlace {
  const params = new URLSearchParams(query);
  const by = params.get('by');
  return {
    view: readView(params.get('at')),
    by: by === 'similarity' || by === 'language' ? by : 'region',
    nsfw: params.get('nsfw') === '1',
  };
}

/** The address of a place on the map. */
export function mapAddress({ view, by, nsfw }: MapPlace): string {
  const params = new URLSearchParams();
  if (viewText(view) !== viewText(WHOLE)) params.set('at', viewText(view));
  if (by !== 'region') params.set('by', by);
  if (nsfw) params.set('nsfw', '1');
  return params.size > 0 ? `/map?${params}` : '/map';
}
