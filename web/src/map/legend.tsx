import type { MapInfoAnswer } from '../../../src/service/map-types.ts';
import { languageName } from '../text.ts';
import { type ColourBy, commonLanguages, css, type Palette } from './colours.ts';

const CHOICES = [
  ['region', 'Region'],
  ['similarity', 'Match'],
  ['language', 'Language'],
] as const satisfies readonly (readonly [ColourBy, string])[];

interface Props {
  readonly info: MapInfoAnswer;
  readonly by: ColourBy;
  readonly palette: Palette;
  readonly onChoose: (by: ColourBy) => void;
}

/** What points are coloured by, and which colour is what. (Regions carry their names themselves.) */
export function Legend({ info, by, palette, onChoose }: Props) {
  const languages = commonLanguages(info);
  return (
    <div class="legend">
      <fieldset>
        <legend>Colour by</legend>
        {CHOICES.map(([value, name]) => (
          <label key={value}>
            <input type="radio" name="by" checked={by === value} onChange={() => onChoose(value)} />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      {by === 'similarity' && (
        <p class="legend-scale">
          {info.similarity.min.toFixed(2)}
          <span style={{ background: `linear-gradient(to right, ${palette.colours.map(css).join(', ')})` }} />
          {info.similarity.max.toFixed(2)}
        </p>
      )}
      {by === 'language' && (
        <ul class="legend-languages">
          {languages.map(({ value }, i) => (
            <li key={value}>
              <i style={{ background: css(palette.colours[i] ?? [0, 0, 0]) }} />
              {languageName(value)}
            </li>
          ))}
          {info.languages.length > languages.length && (
            <li>
              <i style={{ background: css(palette.colours.at(-1) ?? [0, 0, 0]) }} />
              others
            </li>
          )}
        </ul>
      )}
    </div>
  );
}
