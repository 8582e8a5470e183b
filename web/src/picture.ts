/** A picture to search by. It never leaves for anywhere but the service, and stays with this tab. */
export interface Picture {
  readonly base64: string;
  /** For showing it: lives as long as the page. */
  readonly address: string;
}

/** Largest file that is sent, in bytes: with base64 it stays below the service's limit. */
const MAX_BYTES = 14_000_000;
/** Largest base64 text that is kept for a reload, in characters; browsers give a site 5 million or so. */
const MAX_KEPT = 3_000_000;
const STORE_PREFIX = 'picture:';

const pictures = new Map<string, Picture>();

/** Takes a picture in. @returns its key @throws Error with a sentence for the reader */
export async function addPicture(file: Blob): Promise<string> {
  if (file.size > MAX_BYTES) throw new Error(`The picture is above ${MAX_BYTES / 1_000_000} MB.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const base64 = toBase64(bytes);
  const key = await nameOf(bytes);
  pictures.set(key, { base64, address: URL.createObjectURL(file) });
  try {
    if (base64.length <= MAX_KEPT) sessionStorage.setItem(STORE_PREFIX + key, base64);
  } catch {
    // Full, or forbidden: then a reload asks for the picture again.
  }
  return key;
}

export function findPicture(key: string): Picture | undefined {
  const known = pictures.get(key);
  if (known) return known;
  const base64 = readKept(key);
  if (!base64) return undefined;
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const picture = { base64, address: URL.createObjectURL(new Blob([bytes])) };
  pictures.set(key, picture);
  return picture;
}

function readKept(key: string): string | null {
  try {
    return sessionStorage.getItem(STORE_PREFIX + key);
  } catch {
    return null;
  }
}

/** FNV-1a over the bytes, 32 bits: tells the pictures of one tab apart. (Web Crypto is not there on plain HTTP.) */
async function nameOf(bytes: Uint8Array): Promise<string> {
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
