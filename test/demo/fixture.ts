import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Page, Picture, SmallWeb } from '../../demo/model.ts';
import { openHosts, type ServedWeb } from '../../demo/server.ts';
import type { Subject } from '../../demo/subjects.ts';

/** A web that is made in about a second and still holds one of everything. */
export const SMALL = { pictures: 60, pages: 12, hosts: 6 } as const;

export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'gleaner-demo-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Serves a web at ports that are free. */
export async function serveWeb(web: SmallWeb): Promise<ServedWeb> {
  const served = await openHosts(web.hosts.length, { port: 0 });
  served.show(web);
  return served;
}

export interface WarcText {
  readonly head: ReadonlyMap<string, string>;
  readonly body: string;
}

/** A reader of gzip-by-member WARC files as small as can be, independent of gleaner's own. */
export function readWarcFile(bytes: Uint8Array): WarcText[] {
  let left = gunzipSync(bytes);
  const records: WarcText[] = [];
  while (left.length > 0) {
    const end = left.indexOf('\r\n\r\n');
    const lines = left.subarray(0, end).toString('utf8').split('\r\n');
    if (lines[0] !== 'WARC/1.0') throw new Error(`not a record: ${lines[0]}`);
    const head = new Map(lines.slice(1).map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]));
    const length = Number(head.get('Content-Length'));
    const body = left.subarray(end + 4, end + 4 + length).toString('utf8');
    if (left.subarray(end + 4 + length, end + 8 + length).toString() !== '\r\n\r\n')
      throw new Error('no end');
    records.push({ head, body });
    left = left.subarray(end + 8 + length);
  }
  return records;
}

/** What the tests look at in a WAT's JSON. */
export interface Envelope {
  readonly Container: {
    readonly Filename: string;
    readonly Offset: string;
    readonly 'Gzip-Metadata': Readonly<Record<string, string>>;
  };
  readonly Envelope: {
    readonly 'WARC-Header-Length': string;
    readonly 'WARC-Header-Metadata': Readonly<Record<string, string>>;
    readonly 'Payload-Metadata': {
      readonly 'Actual-Content-Length': string;
      readonly 'HTTP-Response-Metadata'?: {
        readonly 'Headers-Length': string;
        readonly 'Entity-Length': string;
        readonly 'HTML-Metadata': {
          readonly Head: {
            readonly Title: string;
            readonly Base?: string;
            readonly Link?: readonly { readonly path: string; readonly url: string; readonly rel: string }[];
          };
          readonly Links: readonly {
            readonly path: string;
            readonly url: string;
            readonly alt?: string;
            readonly rel?: string;
            readonly text?: string;
          }[];
        };
      };
    };
  };
}

/** The envelopes of a WAT, without its warcinfo record. */
export function readWat(bytes: Uint8Array): Envelope[] {
  return readWarcFile(bytes)
    .filter(({ head }) => head.get('WARC-Type') === 'metadata')
    .map(({ body }) => JSON.parse(body) as Envelope);
}

/** A subject for webs that are made by hand. */
export function subject(name: string, group: string, keywords: readonly string[] = []): Subject {
  const drawing = {
    set: 'fluent-emoji',
    id: name,
    hex: '1f600',
    name,
    cldrName: name,
    keywords,
    group,
    concept: name,
    svg: '',
  } as const;
  const translations = { de: name, fr: name, es: name, pt: name, ru: name, ja: name, zh: name, ar: name };
  return { drawing, name, noun: `a ${name}`, keywords, group, translations };
}

/** A web of two open hosts with these pages. */
export function handMadeWeb(pages: readonly Page[], pictures: readonly Picture[]): SmallWeb {
  const host = { role: 'open', robots: undefined, headers: {} } as const;
  return { seed: 0, hosts: [host, host], pages, pictures, resources: [] };
}
