/**
 * Emoji drawings of six designers, with their English names: what gleaner-mini is trained on, and what the
 * demo's web pages are illustrated with.
 *
 *   loadDrawings(set)              every drawing of one icon set that has an English name, in a fixed order
 *   renderDrawing(drawing, size)   its pixels: RGBA, PREMULTIPLIED, longest side = size, transparent ground
 *
 * Sets and licences: twemoji (CC BY 4.0), noto (Apache-2.0), fluent-emoji and fluent-emoji-flat (MIT), emojione
 * (CC BY 4.0), fxemoji (Apache-2.0). fluent-emoji is never trained on: it is the demo's style.
 * To put a drawing on an opaque background: out = pixel + background * (255 - alpha) / 255, per channel.
 */
import { Resvg } from '@resvg/resvg-js';
import { conceptOf } from './concepts.ts';
import { dropVariation, EMOJI_INFO, HEX_BY_NAME, readPackageJson, squeeze } from './names.ts';

export type IconSet = 'twemoji' | 'noto' | 'fluent-emoji' | 'fluent-emoji-flat' | 'emojione' | 'fxemoji';

export interface Drawing {
  readonly set: IconSet;
  /** The icon's name in its set, such as `red-apple`. */
  readonly id: string;
  /** Code points in lower-case hex joined by '-', without skin tones and U+FE0F. */
  readonly hex: string;
  /** English name of unicode-emoji-json (CLDR's where that has none), lower case. */
  readonly name: string;
  /** CLDR's short name, lower case; it differs from `name` now and then. */
  readonly cldrName: string | null;
  /** CLDR's English keywords, lower case. */
  readonly keywords: readonly string[];
  /** One of Unicode's nine groups, such as `Food & Drink`. */
  readonly group: string | null;
  /** Near-duplicates (genders, clock faces, "cat" and "cat face") share one. */
  readonly concept: string;
  /** A complete SVG document. */
  readonly svg: string;
}

/** Pixels in rows from the top left, 4 bytes each: R, G, B (premultiplied by alpha), A. */
export interface Rgba {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

interface Icon {
  readonly body: string;
  readonly left?: number;
  readonly top?: number;
  readonly width?: number;
  readonly height?: number;
  readonly hidden?: boolean;
}
interface IconFile {
  readonly icons: Record<string, Icon>;
  readonly width?: number;
  readonly height?: number;
}

/** Icons on which resvg 2.6.2 ends the process (measured by rendering each in a process of its own). */
const ABORTS_RESVG: ReadonlySet<string> = new Set(['noto:package', 'noto:rainbow-flag']);

const NATIONAL_FLAG_OR_TONE_ID = /flag-|skin-tone|-(light|medium-light|medium|medium-dark|dark)$/;
const NOT_AN_EMOJI_ID = /^regional-indicator|^rounded-symbol|community$|logo/;
const SKIN_TONE = /(^|-)1f3f[b-f](-|$)/;
const NATIONAL_FLAG = /^1f1[ef][0-9a-f](-1f1|$)|^1f3f4-e00/;

type Chars = Record<string, string>;
const readChars = (set: IconSet): Chars => readPackageJson<Chars>(`@iconify-json/${set}/chars.json`);

/** Icon id → hex key, from one set's own list; the first (untoned) sequence of an id wins. */
function hexById(chars: Chars): Map<string, string> {
  const found = new Map<string, string>();
  for (const [hex, id] of Object.entries(chars)) if (!found.has(id)) found.set(id, hex);
  return found;
}

let shared: Map<string, string> | undefined;
/** Icon id → hex key over the sets that publish code points; the sets name their icons by the same scheme. */
function sharedHexById(): Map<string, string> {
  if (shared === undefined) {
    shared = new Map();
    for (const set of ['noto', 'twemoji', 'fluent-emoji-flat'] as const) {
      for (const [id, hex] of hexById(readChars(set))) shared.set(id, hex);
    }
  }
  return shared;
}

function svgOf(icon: Icon, file: IconFile): string {
  const width = icon.width ?? file.width ?? 16; // 16: the default of the Iconify JSON format
  const height = icon.height ?? file.height ?? 16;
  const xmlns = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';
  const box = `viewBox="${icon.left ?? 0} ${icon.top ?? 0} ${width} ${height}" width="${width}" height="${height}"`;
  return `<svg ${xmlns} ${box}>${icon.body}</svg>`;
}

/**
 * Every drawing of a set that has an English name, in the set's own (alphabetical) order, one per emoji. Skin
 * tones, national flags and icons that resvg cannot render are left out.
 */
export function loadDrawings(set: IconSet): Drawing[] {
  const file = readPackageJson<IconFile>(`@iconify-json/${set}/icons.json`);
  const own = hexById(readChars(set));
  const hexOfIcon = (id: string): string | undefined => {
    // fxemoji follows Unicode's older names: its "hand" is not the other sets' "hand".
    if (set === 'fxemoji') return HEX_BY_NAME.get(squeeze(id));
    return own.get(id) ?? sharedHexById().get(id) ?? HEX_BY_NAME.get(squeeze(id));
  };
  const seen = new Set<string>();
  const drawings: Drawing[] = [];
  for (const [id, icon] of Object.entries(file.icons)) {
    if (icon.hidden === true || ABORTS_RESVG.has(`${set}:${id}`)) continue;
    if (NATIONAL_FLAG_OR_TONE_ID.test(id) || NOT_AN_EMOJI_ID.test(id)) continue;
    const found = hexOfIcon(id);
    if (found === undefined) continue;
    const facing = dropVariation(found);
    if (SKIN_TONE.test(facing) || NATIONAL_FLAG.test(facing)) continue;
    const hex = facing.replace(/-200d-27a1$/, ''); // "facing right" is drawn as the mirror image
    const info = EMOJI_INFO.get(hex);
    if (info === undefined || seen.has(hex)) continue;
    seen.add(hex);
    drawings.push({ set, id, hex, ...info, concept: conceptOf(hex), svg: svgOf(icon, file) });
  }
  return drawings;
}

/**
 * Renders a drawing by resvg, without any system font.
 *
 * @param size - Longest side in pixels.
 * @returns Premultiplied RGBA; the shorter side keeps the drawing's proportions.
 */
export function renderDrawing(drawing: Pick<Drawing, 'svg'>, size: number): Rgba {
  const box = /width="([\d.]+)" height="([\d.]+)"/.exec(drawing.svg);
  const wide = box === null || Number(box[1]) >= Number(box[2]);
  const fitTo = wide ? { mode: 'width' as const, value: size } : { mode: 'height' as const, value: size };
  const image = new Resvg(drawing.svg, { fitTo, font: { loadSystemFonts: false } }).render();
  return { data: image.pixels, width: image.width, height: image.height };
}
