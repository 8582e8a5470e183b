import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { isRemote, presignGet, presignPut } from '../../../storage/index.ts';
import { API } from './protocol.ts';

/** An upload that is allowed: this file, these bytes. */
export interface UploadGrant {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** How a file is sent: the URL, and the headers that have to go with it. */
export interface UploadAddress {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Gives out URLs that let whoever has them read or write one file of a run, for a while. */
export interface FileGrants {
  get(location: string, path: string, seconds: number): Promise<string>;
  put(location: string, grant: UploadGrant, seconds: number): Promise<UploadAddress>;
}

const grantSchema = z.strictObject({
  method: z.enum(['GET', 'PUT']),
  location: z.string(),
  path: z.string(),
  /** Seconds since 1970. */
  until: z.number(),
  bytes: z.number().optional(),
  sha256: z.string().optional(),
});
export type SignedGrant = Readonly<z.infer<typeof grantSchema>>;

/** Of AES-GCM (NIST SP 800-38D): a nonce that is drawn, and a whole tag. */
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * URLs of a coordinator's own, for runs that lie in a folder: what is granted stands in the URL, sealed with a key that only
 * the coordinator has, so that nobody makes one, or reads where the folder is.
 */
export class OwnGrants implements FileGrants {
  readonly #key: Uint8Array;
  readonly #base: () => string;

  /**
   * @param key 256 bits
   * @param base where volunteers reach the coordinator, as https://HOST
   */
  constructor(key: Uint8Array, base: () => string) {
    this.#key = key;
    this.#base = base;
  }

  async get(location: string, path: string, seconds: number): Promise<string> {
    return this.#url({ method: 'GET', location, path, until: secondsNow() + seconds });
  }

  async put(location: string, { path, bytes, sha256 }: UploadGrant, seconds: number): Promise<UploadAddress> {
    const until = secondsNow() + seconds;
    const url = this.#url({ method: 'PUT', location, path, until, bytes, sha256 });
    return { url, headers: {} };
  }

  /** What a URL grants, by its last part; undefined where it is forged, of another method, or its time is over. */
  open(sealed: string, method: SignedGrant['method']): SignedGrant | undefined {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length <= IV_BYTES + TAG_BYTES) return undefined;
    const cipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, IV_BYTES));
    cipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    let text: string;
    try {
      text = Buffer.concat([cipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), cipher.final()]).toString();
    } catch {
      return undefined;
    }
    const grant = grantSchema.parse(JSON.parse(text));
    return grant.method === method && grant.until >= secondsNow() ? grant : undefined;
  }

  #url(grant: SignedGrant): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv);
    const text = Buffer.concat([cipher.update(JSON.stringify(grant)), cipher.final()]);
    return `${this.#base()}${API}/files/${Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url')}`;
  }
}

/** Presigned URLs of the object store where a run lies in one, and the coordinator's own for runs in a folder. */
export function grantsFor(own: OwnGrants): FileGrants {
  const of = (location: string): FileGrants => (isRemote(location) ? objectGrants : own);
  return {
    get: (location, path, seconds) => of(location).get(location, path, seconds),
    put: (location, grant, seconds) => of(location).put(location, grant, seconds),
  };
}

const objectGrants: FileGrants = {
  get: presignGet,
  put: (location, { path, bytes, sha256 }, seconds) =>
    presignPut(location, path, seconds, { contentLength: bytes, sha256 }),
};

function secondsNow(): number {
  return Math.floor(Date.now() / 1000);
}
