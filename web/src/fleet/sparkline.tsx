import type { RateSample } from '../../../src/service/fleet/page-types.ts';
import { duration, rate } from './format.ts';

const WIDTH = 320;
const HEIGHT = 56;
/** Room for the line's own width. */
const PAD = 2;
/** A line is broken where so many milliseconds are missing: nobody looked then. */
const GAP_MS = 45_000;

interface Props {
  readonly samples: readonly RateSample[];
  readonly unit: string;
}

/** How fast a stage was: from nothing at the foot to the most at the top. */
export function Sparkline({ samples, unit }: Props) {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.at - first.at < 20_000) return null;
  const most = Math.max(...samples.map(({ perSecond }) => perSecond));
  if (most === 0) return null;
  const x = (at: number) => PAD + ((at - first.at) / (last.at - first.at)) * (WIDTH - 2 * PAD);
  const y = (perSecond: number) => HEIGHT - PAD - (perSecond / most) * (HEIGHT - 2 * PAD);
  const path = samples
    .map(({ at, perSecond }, i) => {
      const isBreak = i === 0 || at - (samples[i - 1]?.at ?? 0) > GAP_MS;
      return `${isBreak ? 'M' : 'L'}${x(at).toFixed(1)} ${y(perSecond).toFixed(1)}`;
    })
    .join('');
  return (
    <figure class="spark">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <path d={path} vector-effect="non-scaling-stroke" />
      </svg>
      <figcaption class="soft">
        Last {duration((last.at - first.at) / 1000)}, at most {rate(most)} {unit}/s
      </figcaption>
    </figure>
  );
}
