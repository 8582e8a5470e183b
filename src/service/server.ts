import type { Server } from 'node:http';
import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { GleanerError } from '../schema/index.ts';
import { type AppOptions, createApp } from './app.ts';
import type { Embedder } from './embedder.ts';
import { Guard, type GuardLimits, guardLimits } from './guard/index.ts';
import { listenOn } from './listen.ts';
import { LiveIndex } from './live-index.ts';
import { shownCount } from './opened-index.ts';

export interface ServiceOptions extends Omit<AppOptions, 'index' | 'guard' | 'dir' | 'hold'> {
  /** The folder of a run with a release and its index. */
  readonly dir: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Address to listen at. @default '127.0.0.1': nobody but this machine */
  readonly host?: string;
  /** How long `close` waits for requests under way, in milliseconds. @default 8_000 */
  readonly closeTimeoutMs?: number;
  /**
   * How long `close` goes on taking requests while /readyz says that no more should be sent, in milliseconds: for a balancer
   * to notice. @default 0
   */
  readonly drainMs?: number;
  /** What clients may ask for; see `GuardLimits`. */
  readonly limits?: Partial<GuardLimits>;
  /** Whether rows that somebody has reported are not shown until the report is handled. @default false */
  readonly hideReported?: boolean;
  /** Threads that search embeddings. @default one for each core but one, one at least */
  readonly searchThreads?: number;
  /** Told what the operator should set otherwise. */
  readonly onNotice?: (line: string) => void;
}

export interface Service {
  /** Where the page is, as 'http://127.0.0.1:1234/'. */
  readonly url: string;
  readonly port: number;
  /** Rows that can be searched. */
  readonly rows: number;
  /** Ends the requests under way, then lets go of everything. The embedder is its owner's. May be called twice. */
  close(): Promise<void>;
}

/**
 * Serves the search page and the API of a release.
 *
 * @throws GleanerError PORT_IN_USE; RUN_NOT_FOUND without an index; USAGE where the model is not the release's
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const {
    dir,
    port,
    host = '127.0.0.1',
    closeTimeoutMs,
    drainMs = 0,
    limits,
    onNotice,
    hideReported,
    searchThreads = Math.max(1, availableParallelism() - 1),
    ...rest
  } = options;
  const { embedder } = rest;
  const guard = new Guard(guardLimits(limits), onNotice);
  const live = await LiveIndex.open(dir, {
    onError: rest.onError,
    ...{ hideReported, searchThreads },
    check: ({ summary }) => checkModel(summary.model, embedder),
  });
  const { index } = live;
  try {
    const app = await createApp({ ...rest, dir, guard, index, hold: (work) => live.hold(work) });
    const watch = (server: Server) => guard.connections.watch(server);
    const listening = await listenOn(app.fetch, port, host, { closeTimeoutMs, watch });
    const end = async () => {
      guard.drain();
      if (drainMs > 0) await setTimeout(drainMs);
      await listening.close();
      await live.close();
    };
    let closing: Promise<void> | undefined;
    return {
      url: listening.url,
      port: listening.port,
      rows: shownCount(index),
      close() {
        closing ??= end();
        return closing;
      },
    };
  } catch (error) {
    await live.close();
    throw error;
  }
}

/** Vectors of two models mean nothing to each other. */
function checkModel(
  released: { name: string; files: Readonly<Record<string, string>> },
  embedder: Embedder,
): void {
  const names = new Set([...Object.keys(released.files), ...Object.keys(embedder.files)]);
  const differs = [...names].sort().find((name) => released.files[name] !== embedder.files[name]);
  if (differs === undefined) return;
  const problem = `The model '${embedder.name}' is not the one that made the release, '${released.name}' (${differs} differs). Give that one with --model.`;
  throw new GleanerError('USAGE', { problem });
}
