import type { MapInfoAnswer, MapRegion } from '../../../src/service/map-types.ts';
import { STEPS } from './points.ts';
import { type Size, toFrame, type View } from './view.ts';

/** A rectangle of the frame that is taken, in pixels. */
export interface Taken {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Label {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly box: Taken;
}

/** How near one has to be for the regions of each level. */
const NEAR = [1, 1.8, 4.5];
const LINE = 20;

/** What a region is called: its two best words. */
export function regionName({ words }: MapRegion): string {
  return words.slice(0, 2).join(', ');
}

/** The level of regions that a view names. */
function levelOf(info: MapInfoAnswer, { zoom }: View): number {
  const deepest = info.regions.reduce((most, { level }) => Math.max(most, level), 0);
  return Math.min(
    deepest,
    NEAR.findLastIndex((near) => zoom >= near),
  );
}

/** Names that fit the frame without touching each other; large regions come first. */
export function placeLabels(
  info: MapInfoAnswer,
  nsfw: boolean,
  view: View,
  size: Size,
  widthOf: (text: string) => number,
): Label[] {
  const level = levelOf(info, view);
  const shown = (region: MapRegion) => region.rows - (nsfw ? 0 : region.unsafe);
  const labels: Label[] = [];
  for (const region of info.regions
    .filter((one) => one.level === level && one.words.length > 0 && shown(one) > 0)
    .sort((a, b) => shown(b) - shown(a))) {
    const [x, y] = toFrame(view, size, region.x / STEPS, region.y / STEPS);
    const text = regionName(region);
    const half = widthOf(text) / 2 + 6;
    const box = { left: x - half, right: x + half, top: y - LINE / 2, bottom: y + LINE / 2 };
    if (box.left < 0 || box.right > size.width || box.top < 0 || box.bottom > size.height) continue;
    if (labels.some((label) => touch(label.box, box))) continue;
    labels.push({ text, x, y, box });
  }
  return labels;
}

export function touch(a: Taken, b: Taken): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
