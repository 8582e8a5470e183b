import { GleanerError } from '../schema/index.ts';
import type { OpenSource } from './bytes.ts';
import { openFile, type StreamOptions, streamFile } from './file.ts';
import {
  type AskOptions,
  type ObjectFacts,
  type RemoteObject,
  type RemoteOptions,
  remoteFacts,
  streamRemote,
} from './remote.ts';
import { openObject } from './remote-source.ts';

/** Whether a location is that of a server, not a path of this machine. */
export function isRemote(location: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(location);
}

/** Last part of a path or URL, as it is written there. */
export function locationName(location: string): string {
  const path = isHttp(location) ? (location.split(/[?#]/, 1)[0] ?? '') : location;
  return path.split(isRemote(location) ? '/' : /[\\/]/).findLast((part) => part !== '') ?? location;
}

/**
 * The bytes of a file on this machine, of `http://` or `https://`, or of `s3://BUCKET/KEY`, in order. Nothing is
 * downloaded ahead of the reader; see streamRemote for what becomes of broken connections.
 *
 * @param options.start offset of the first byte: of what is remote its facts are then asked for first
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE, USAGE for a URL that is none of these
 */
export async function* streamLocation(
  location: string,
  { passing = false, start = 0, ...options }: RemoteOptions & StreamOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!isRemote(location)) yield* streamFile(location, { passing, start });
  else {
    const object = await remoteObject(location);
    const from = start > 0 && {
      from: { position: start, facts: await remoteFacts(object, options), checksum: 0 },
    };
    yield* streamRemote(object, { ...options, ...from });
  }
}

/** Size and version of a remote file. @throws as streamLocation */
export async function locationFacts(location: string, options?: RemoteOptions): Promise<ObjectFacts> {
  return remoteFacts(await remoteObject(location), options);
}

/** A file by its path or URL, for reading in ranges. @throws as streamLocation */
export async function openLocation(location: string, options?: AskOptions): Promise<OpenSource> {
  return isRemote(location) ? openObject(await remoteObject(location), options) : openFile(location);
}

/** Clients are loaded with the first location that needs them: a run on local files does not wait for them. */
async function remoteObject(location: string): Promise<RemoteObject> {
  if (isHttp(location)) {
    const url = URL.parse(location);
    if (!url) throw usage(location, 'is no URL');
    if (url.username !== '' || url.password !== '') throw usage(url.host, 'put no password into a URL');
    const { httpObject } = await import('./http.ts');
    return httpObject(location);
  }
  const [, bucket, key] = /^s3:\/\/([a-z0-9][a-z0-9.-]+)\/(.+)$/s.exec(location) ?? [];
  if (bucket !== undefined && key !== undefined) {
    const { s3Object } = await import('./s3.ts');
    return s3Object(bucket, key);
  }
  if (/^s3:/i.test(location)) throw usage(location, 'is not of the form s3://BUCKET/KEY');
  throw usage(location, 'give a path, http://, https:// or s3://');
}

function isHttp(location: string): boolean {
  return /^https?:\/\//i.test(location);
}

function usage(what: string, problem: string): GleanerError {
  return new GleanerError('USAGE', { problem: `${what}: ${problem}.` });
}
