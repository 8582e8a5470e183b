import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Database } from '../../executors/fleet/database.ts';
import { Desk, type DeskEvent } from '../../executors/fleet/volunteer/desk.ts';
import { grantsFor, OwnGrants } from '../../executors/fleet/volunteer/grants.ts';
import { leaderboard, volunteerOf } from '../../executors/fleet/volunteer/volunteers.ts';
import { GleanerError } from '../../schema/index.ts';
import { type Listening, listenOn } from '../listen.ts';
import { createCoordinatorApp } from './coordinator-app.ts';

/** Names on the leaderboard. */
const LEADERS = 1_000;
/** How often loans are looked after, in milliseconds: tasks that nobody touches are given to others after 20 s. */
const TEND_MS = 5_000;
/** A file of a shard may take so long to be sent, in milliseconds: 1.3 GB at 12 Mbit/s. */
const UPLOAD_MS = 900_000;

export interface CoordinatorOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** @default '127.0.0.1' */
  readonly host?: string | undefined;
  /** Files with the certificate chain and the key, PEM. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Where volunteers reach it, as https://HOST: behind a proxy that ends TLS. @default where it listens */
  readonly publicUrl?: string | undefined;
  /** Ids of runs whose tasks are lent. @default all that can be */
  readonly runs?: readonly string[] | undefined;
  /** Proxies of the operator's before it, whose X-Forwarded-For is believed. @default 0 */
  readonly trustedProxies?: number | undefined;
  readonly onEvent?: (event: DeskEvent) => void;
  readonly onError: (error: unknown) => void;
  /** How often loans are looked after, in milliseconds. @default 5000 */
  readonly tendMs?: number;
}

/**
 * Lends tasks of a fleet's runs to volunteers over HTTPS, until it is closed.
 *
 * @throws GleanerError USAGE where it would speak plain HTTP to others than this machine; PORT_IN_USE
 */
export async function coordinate(database: Database, options: CoordinatorOptions): Promise<Listening> {
  const { port, host = '127.0.0.1', publicUrl, tls, onError } = options;
  const told = publicUrl === undefined ? undefined : parsePublic(publicUrl);
  if (!tls && !isLoopback(host) && told === undefined)
    throw new GleanerError('USAGE', {
      problem: `--host ${host}: tokens do not go over plain HTTP. Give --tls-cert and --tls-key; or --public-url https://… where a proxy before it speaks TLS.`,
    });
  let base = told ?? '';
  const own = new OwnGrants(randomBytes(32), () => base);
  const desk = new Desk(database, {
    grants: grantsFor(own),
    runs: options.runs,
    onEvent: options.onEvent,
  });
  const app = createCoordinatorApp({
    ...{ desk, own, onError },
    trustedProxies: options.trustedProxies,
    whose: (token) => volunteerOf(database, token),
    leaderboard: () => leaderboard(database, LEADERS),
  });
  const listening = await listenOn(app.fetch, port, host, {
    server: { requestTimeout: UPLOAD_MS },
    tls: tls && { cert: await readFile(tls.cert), key: await readFile(tls.key) },
  });
  base ||= listening.url.replace(/\/$/, '');
  let tending: Promise<void> = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    tending = desk
      .tend()
      .catch(onError)
      .finally(() => {
        busy = false;
      });
  }, options.tendMs ?? TEND_MS);
  return {
    url: listening.url,
    port: listening.port,
    async close() {
      clearInterval(timer);
      await listening.close();
      await tending;
    },
  };
}

/** @throws GleanerError USAGE */
function parsePublic(publicUrl: string): string {
  const url = URL.parse(publicUrl);
  const isPlain = url?.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
  if (!url || (url.protocol !== 'https:' && !isPlain) || url.pathname !== '/' || url.search !== '')
    throw new GleanerError('USAGE', {
      problem: `--public-url ${publicUrl}: give https://HOST, without a path.`,
    });
  return url.origin;
}

/** Whether an address is this machine's own. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
