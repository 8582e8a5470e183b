import { type Place, placeAddress } from './search.ts';

/** A picture to search by. It never leaves for anywhere but the service, and stays with this tab and its address. */
export interface Picture {
  readonly base64: string;
  /** For showing it: lives as long as the page. */
  readonly address: string;
  /** A small copy in base64url, for addresses; '' where the browser cannot make one. */
  readonly small: string;
}

/** Largest file that is sent, in bytes: with base64 it stays below the service's limit. */
const MAX_BYTES = 14_000_000;
/** Largest base64 text that is kept for a reload, in characters; browsers give a site 5 million or so. */
const MAX_KEPT = 3_000_000;
/** Longest side of the small copy, in pixels, and its quality: some 5,000 characters; see docs/decisions.md. */
const [SMALL_SIDE, SMALL_QUALITY] = [160, 0.7];
/** Longest small copy that is taken from an address, in characters. */
const MAX_SMALL = 40_000;
const STORE_PREFIX = 'picture:';

const pictures = new Map<string, Picture>();

/** Takes a picture in. @returns its key @throws Error with a sentence for the reader */
export async function addPicture(file: Blob): Promise<string> {
  if (file.size > MAX_BYTES) throw new Error(`The picture is above ${MAX_BYTES / 1_000_000} MB.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const base64 = toBase64(bytes);
  const key = nameOf(bytes);
  const small = await smallCopy(file);
  pictures.set(key, { base64, address: URL.createObjectURL(file), small });
  try {
    if (base64.length <= MAX_KEPT) sessionStorage.setItem(STORE_PREFIX + key, `${small} ${base64}`);
  } catch {
    // Full, or forbidden: then a reload has the small copy.
  }
  return key;
}

export function findPicture(key: string): Picture | undefined {
  const known = pictures.get(key);
  if (known) return known;
  const [small = '', base64 = ''] = readKept(key)?.split(' ') ?? [];
  return base64 === '' ? undefined : remember(key, base64, small);
}

/**
 * The address of a place with small copies of its pictures. They stand behind the '#', which is sent to nobody:
 * whoever gets the address has the picture, and no one else.
 */
export function fullAddress(place: Place): string {
  const keys = place.search.parts.flatMap((part) => (part.kind === 'picture' ? [part.key] : []));
  const copies = keys.flatMap((key) => {
    const small = findPicture(key)?.small;
    return small ? [`${key}=${small}`] : [];
  });
  return placeAddress(place) + (copies.length > 0 ? `#${copies.join('&')}` : '');
}

/** Takes in the small copies of an address that somebody shared. @param hash with its '#' */
export function keepShared(hash: string): void {
  for (const entry of hash.slice(1).split('&')) {
    const [key = '', small = ''] = entry.split('=', 2);
    if (!/^[0-9a-f]{8}-\d{1,9}$/.test(key) || !/^[\w-]+$/.test(small) || small.length > MAX_SMALL) continue;
    if (!findPicture(key)) remember(key, small.replaceAll('-', '+').replaceAll('_', '/'), small);
  }
}

function remember(key: string, base64: string, small: string): Picture | undefined {
  try {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const picture = { base64, address: URL.createObjectURL(new Blob([bytes])), small };
    pictures.set(key, picture);
    return picture;
  } catch {
    return undefined;
  }
}

function readKept(key: string): string | null {
  try {
    return sessionStorage.getItem(STORE_PREFIX + key);
  } catch {
    return null;
  }
}

/** A picture of few pixels in base64url. '' where it cannot be decoded: the service will say so. */
async function smallCopy(file: Blob): Promise<string> {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, SMALL_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext('2d');
    if (!context) return '';
    // JPEG has nothing transparent: without this it would become black.
    context.fillStyle = '#fff';
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const base64 = canvas.toDataURL('image/jpeg', SMALL_QUALITY).split(',')[1] ?? '';
    return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  } catch {
    return '';
  }
}

/** FNV-1a over the bytes, 32 bits: tells the pictures of one tab apart. (Web Crypto is not there on plain HTTP.) */
function nameOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return `${hash.toString(16).padStart(8, '0')}-${bytes.length}`;
}

function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000)
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

/** The first picture among what was dropped or pasted. */
export function pictureIn(data: DataTransfer | null): File | undefined {
  return [...(data?.files ?? [])].find((file) => file.type.startsWith('image/'));
}
