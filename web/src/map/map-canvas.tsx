import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { MapInfoAnswer } from '../../../src/service/map-types.ts';
import { css, type Palette, type Rgb } from './colours.ts';
import { drawPoints } from './draw-points.ts';
import { placeLabels } from './labels.ts';
import { type Picked, type Points, TileStore } from './points.ts';
import { drawThumbnail, type Thumbnail, Thumbnails } from './thumbnails.ts';
import { type Size, toFrame, type View } from './view.ts';

/** Pixels of the canvas a pixel of the page, at most: more is not seen, and takes longer. */
const MOST_RATIO = 2;
const FONT =
  '600 14px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif';

/** What is in the frame. */
export interface Scene {
  readonly tiles: readonly Points[];
  readonly pictures: readonly Thumbnail[];
}

interface Props {
  readonly info: MapInfoAnswer;
  readonly nsfw: boolean;
  readonly view: View;
  readonly size: Size;
  readonly palette: Palette;
  readonly dark: boolean;
  readonly picked: Picked | null;
  /** Given what is drawn, for looking it up. */
  readonly sceneRef: RefObject<Scene>;
  readonly onProblem: (problem: string) => void;
}

/** The picture of the map: points on one canvas, what lies over them on another. */
export function MapCanvas({ info, nsfw, view, size, palette, dark, picked, sceneRef, onProblem }: Props) {
  const pointsRef = useRef<HTMLCanvasElement>(null);
  const overRef = useRef<HTMLCanvasElement>(null);
  const [store, setStore] = useState<TileStore | null>(null);
  const [loads, setLoads] = useState(0);
  const thumbnails = useRef<Thumbnails | null>(null);
  thumbnails.current ??= new Thumbnails(() => setLoads((n) => n + 1));

  useEffect(() => {
    const opened = new TileStore(info, nsfw, (problem) => {
      onProblem(problem);
      setLoads((n) => n + 1);
    });
    setStore(opened);
    return () => opened.close();
  }, [info, nsfw, onProblem]);

  useEffect(() => {
    const frame = requestAnimationFrame(() => {
      const below = pointsRef.current?.getContext('2d', { alpha: false });
      const over = overRef.current?.getContext('2d');
      if (!below || !over || !store) return;
      const ratio = Math.min(MOST_RATIO, devicePixelRatio);
      fit(below.canvas, size, ratio);
      fit(over.canvas, size, ratio);
      const tiles = store.within(view, size);
      const [paper, ink] = coloursOf(below.canvas);
      const seen = drawPoints(below, tiles, { view, size, ratio }, palette, paper);
      over.setTransform(ratio, 0, 0, ratio, 0, 0);
      over.clearRect(0, 0, size.width, size.height);
      over.font = FONT;
      const labels = placeLabels(info, nsfw, view, size, (text) => over.measureText(text).width);
      const boxes = labels.map(({ box }) => box);
      const pictures = thumbnails.current?.within(tiles, { view, size, seen }, boxes, palette.colourOf) ?? [];
      sceneRef.current = { tiles, pictures };
      for (const picture of pictures)
        drawThumbnail(over, picture, css(palette.colours[picture.colour] ?? ink));
      over.textAlign = 'center';
      over.textBaseline = 'middle';
      over.lineJoin = 'round';
      over.lineWidth = 4;
      over.strokeStyle = css(paper);
      over.fillStyle = css(ink);
      for (const { text, x, y } of labels) {
        over.strokeText(text, x, y);
        over.fillText(text, x, y);
      }
      if (picked) {
        const [x, y] = toFrame(view, size, picked.x, picked.y);
        for (const [width, colour] of [
          [5, paper],
          [2.5, ink],
        ] as const) {
          over.beginPath();
          over.arc(x, y, 9, 0, 2 * Math.PI);
          over.lineWidth = width;
          over.strokeStyle = css(colour);
          over.stroke();
        }
      }
      // What a test, or whoever looks into the page, can see of a picture.
      over.canvas.dataset.points = String(seen);
      over.canvas.dataset.labels = labels.map(({ text }) => text).join(' | ');
      over.canvas.dataset.pictures = String(pictures.filter(({ image }) => image.naturalWidth > 0).length);
    });
    return () => cancelAnimationFrame(frame);
  }, [info, nsfw, view, size, palette, dark, picked, store, loads, sceneRef]);

  return (
    <>
      <canvas ref={pointsRef} class="map-points" />
      <canvas ref={overRef} class="map-over" />
    </>
  );
}

function fit(canvas: HTMLCanvasElement, { width, height }: Size, ratio: number): void {
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
}

/** Paper and ink of the page, as it is shown. */
function coloursOf(canvas: HTMLCanvasElement): readonly [Rgb, Rgb] {
  const style = getComputedStyle(canvas);
  const rgb = (text: string): Rgb => {
    const [r = 0, g = 0, b = 0] = (text.match(/[\d.]+/g) ?? []).map(Number);
    return [r, g, b];
  };
  return [rgb(style.backgroundColor), rgb(style.color)];
}
