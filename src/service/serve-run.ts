import {
  chooseProvider,
  loadClip,
  type ModelVariant,
  type ProviderChoice,
  readModelFolder,
  resolveModel,
} from '../clip/index.ts';
import { createWebSource } from '../fetcher/index.ts';
import { readRunFile } from '../pipeline/index.ts';
import { fileStorage } from '../storage/index.ts';
import { clipEmbedder } from './clip-embedder.ts';
import type { GuardLimits } from './guard/index.ts';
import { PictureDecoder } from './pictures/picture-decoder.ts';
import type { FetchImage } from './query.ts';
import { type Service, startService } from './server.ts';

export interface ServeRunOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** A built-in model or a folder. @default the one that the run was made with */
  readonly model?: string;
  /** @default the one that the run was made with, for its model */
  readonly variant?: ModelVariant | undefined;
  /** What the networks run on. @default 'cpu' */
  readonly provider?: ProviderChoice | undefined;
  /** Called with a line that a user should read. */
  readonly onNotice?: (line: string) => void;
  /** HOST:PORT pairs that a query's `image_url` may name although their address is not public. @default [] */
  readonly allowHosts?: readonly string[];
  /** What clients may ask for; see `GuardLimits`. */
  readonly limits?: Partial<GuardLimits>;
  /** Origins of other web pages that may ask; '*': all. @default [] */
  readonly corsOrigins?: readonly string[];
  /** How long it goes on while /readyz says that it ends, in milliseconds. @default 0 */
  readonly drainMs?: number;
  /** Whether rows that somebody has reported are not shown until the report is handled. @default false */
  readonly hideReported?: boolean;
}

/**
 * Serves the release in a run's folder with its own model, until it is closed.
 *
 * @throws GleanerError as `startService` and `loadClip`
 */
export async function serveRun(dir: string, options: ServeRunOptions): Promise<Service> {
  const { port, host, allowHosts = [], limits, corsOrigins, drainMs, hideReported, onNotice } = options;
  const run = await readRunFile(fileStorage(dir));
  const model = options.model ?? run?.modelDir ?? 'gleaner-mini';
  const { provider, said } = await chooseProvider(options.provider ?? 'cpu');
  if (said !== undefined) onNotice?.(said);
  const folder = resolveModel(model);
  const clip = await loadClip(folder, {
    ...{ threads: 1, steady: false, provider },
    variant: options.variant ?? (options.model === undefined ? run?.recipe.score.variant : null) ?? undefined,
  });
  const { preprocessing } = await readModelFolder(folder);
  const decoder = new PictureDecoder({ preprocessing });
  const embedder = clipEmbedder(clip, (bytes, signal) => decoder.decode(bytes, signal));
  const web = createWebSource({ allowHosts, anonymous: true });
  try {
    const fetchImage: FetchImage = (url, signal) => web.get(url, signal);
    const service = await startService({
      dir,
      port,
      embedder,
      fetchImage,
      ...(host !== undefined && { host }),
      ...(limits && { limits }),
      ...(corsOrigins && { corsOrigins }),
      ...(drainMs !== undefined && { drainMs }),
      ...(hideReported !== undefined && { hideReported }),
      ...(onNotice && { onNotice }),
    });
    return {
      ...service,
      async close() {
        await service.close();
        await web.close();
        await decoder.close();
        await embedder.close();
      },
    };
  } catch (error) {
    await web.close();
    await embedder.close();
    throw error;
  }
}
