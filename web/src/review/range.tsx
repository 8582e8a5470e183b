import type { Interval } from '../../../src/service/review/page-types.ts';

/** Shares that an axis shows, 0 to 1. */
export interface Scale {
  readonly from: number;
  readonly to: number;
}

/** From the tenth below the lowest limit to all. */
export function scaleOf(intervals: readonly (Interval | null)[]): Scale {
  const lowest = Math.min(0.9, ...intervals.flatMap((one) => (one ? [one.low] : [])));
  return { from: Math.floor(lowest * 10) / 10, to: 1 };
}

const WIDTH = 160;
const HEIGHT = 24;
const PAD = 6;

/** The head of a column of ranges: its ends. */
export function Axis({ scale }: { readonly scale: Scale }) {
  return (
    <>
      <span class="hidden">Share with its interval, drawn</span>
      <svg class="range" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
        <text x={PAD} y={HEIGHT / 2 + 4}>
          {`${Math.round(scale.from * 100)} %`}
        </text>
        <text x={WIDTH - PAD} y={HEIGHT / 2 + 4} text-anchor="end">
          100 %
        </text>
      </svg>
    </>
  );
}

interface Props {
  readonly scale: Scale;
  readonly share: number | null;
  readonly interval: Interval | null;
}

/** A share with its interval on the axis of its column; the bare axis where nothing is known. */
export function Range({ scale, share, interval }: Props) {
  const x = (value: number) => PAD + ((value - scale.from) / (scale.to - scale.from)) * (WIDTH - 2 * PAD);
  const y = HEIGHT / 2;
  return (
    <svg class="range" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      <path class="track" d={`M${PAD} ${y}H${WIDTH - PAD}`} />
      {interval && <path class="limits" d={`M${x(interval.low)} ${y}H${x(interval.high)}`} />}
      {share !== null && <circle cx={x(share)} cy={y} r="4.5" />}
    </svg>
  );
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? '' : `${(share * 100).toFixed(1)} %`;
}

export function limits(interval: Interval | null | undefined): string {
  return interval ? `${(interval.low * 100).toFixed(1)} – ${(interval.high * 100).toFixed(1)}` : '';
}
