/**
 * English names, keywords and groups of emoji, by code points: unicode-emoji-json (MIT; names and groups) and
 * cldr-annotations-full (Unicode-3.0; names and keywords).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { FXEMOJI_NAMES } from './fxemoji-names.ts';

const require = createRequire(import.meta.url);

/** Reads a JSON file out of an installed package. The packages are pinned by the lock file, so their shape is known. */
export function readPackageJson<T>(path: string): T {
  return JSON.parse(readFileSync(require.resolve(path), 'utf8')) as T;
}

/** What is known of one emoji, its code points being the key it is stored under. */
export interface EmojiInfo {
  readonly name: string;
  readonly cldrName: string | null;
  readonly keywords: readonly string[];
  readonly group: string | null;
}

interface UnicodeEmoji {
  readonly name: string;
  readonly group: string;
}
interface CldrFile {
  readonly annotations: { readonly annotations: Record<string, { default?: string[]; tts?: string[] }> };
}

/** Code points of a string as lower-case hex joined by '-', without U+FE0F (which only picks the colour form). */
export function hexOf(text: string): string {
  return dropVariation([...text].map((c) => (c.codePointAt(0) ?? 0).toString(16)).join('-'));
}

/** The same hex key without U+FE0F. */
export function dropVariation(hex: string): string {
  return hex
    .split('-')
    .filter((c) => c !== 'fe0f')
    .join('-');
}

/** Letters and digits only, for looking up a name written in any style. */
export function squeeze(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function loadEmojiInfo(): Map<string, EmojiInfo> {
  const unicode = readPackageJson<Record<string, UnicodeEmoji>>('unicode-emoji-json/data-by-emoji.json');
  const cldr = readPackageJson<CldrFile>('cldr-annotations-full/annotations/en/annotations.json');
  const info = new Map<string, EmojiInfo>();
  for (const [emoji, { name, group }] of Object.entries(unicode)) {
    info.set(hexOf(emoji), { name: name.toLowerCase(), cldrName: null, keywords: [], group });
  }
  for (const [emoji, { default: keywords = [], tts }] of Object.entries(cldr.annotations.annotations)) {
    const hex = hexOf(emoji);
    const cldrName = tts?.[0]?.toLowerCase() ?? null;
    const name = info.get(hex)?.name ?? cldrName;
    if (name === null) continue;
    const group = info.get(hex)?.group ?? null;
    info.set(hex, { name, cldrName, keywords: keywords.map((k) => k.toLowerCase()), group });
  }
  return info;
}

/** By untoned hex key: every emoji with an English name. */
export const EMOJI_INFO: ReadonlyMap<string, EmojiInfo> = loadEmojiInfo();

function loadHexBySqueezedName(): Map<string, string> {
  const found = new Map<string, string>(FXEMOJI_NAMES);
  for (const [hex, { name }] of EMOJI_INFO) if (!found.has(squeeze(name))) found.set(squeeze(name), hex);
  return found;
}

/** By squeezed name: its hex key. */
export const HEX_BY_NAME: ReadonlyMap<string, string> = loadHexBySqueezedName();
