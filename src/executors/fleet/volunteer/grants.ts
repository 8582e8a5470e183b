import { createHmac, timingSafeEqual } from 'node:crypto';
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

/**
 * URLs of a coordinator's own, for runs that lie in a folder: what is granted stands in the URL, sealed with a key that only
 * the coordinator has.
 */
export class OwnGrants implements FileGrants {
  readonly #key: Uint8Array;
  readonly #base: () => string;

  /** @param base where volunteers reach the coordinator, as https://HOST */
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
    const [payload = '', seal = ''] = sealed.split('.');
    const expected = this.#seal(payload);
    const given = Buffer.from(seal, 'base64url');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const grant = grantSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
    return grant.method === method && grant.until >= secondsNow() ? grant : undefined;
  }

  #url(grant: SignedGrant): string {
    const payload = Buffer.from(JSON.stringify(grant)).toString('base64url');
    return `${this.#base()}${API}/files/${payload}.${this.#seal(payload).toString('base64url')}`;
  }

  #seal(payload: string): Buffer {
    return createHmac('sha256', this.#key).update(payload).digest();
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
