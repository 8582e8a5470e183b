import type { FetchOutcome } from '../schema/index.ts';

/** Where images come from: the web or an archive. */
export interface ImageSource {
  /**
   * Fetches the image at `url`. Whatever a server or an archive does ends as an outcome, never as an exception.
   * Outcomes of the web carry `facts`, kept and dropped ones; those of an archive have none. The bytes are whoever asked's:
   * they may be handed over to a thread, or freed.
   * @param url absolute; its fragment is ignored
   * @param signal gives this one up
   * @param uid of the pair that it is for: pairs with other texts may have the same URL, and a source that knows what
   *   became of each tells them apart. The web and archives do not ask
   * @throws the reason of `signal` where it is aborted; an Error where the source was closed: neither says
   *   anything about the image
   */
  get(url: string, signal?: AbortSignal, uid?: string): Promise<FetchOutcome>;
  /** Gives up what is under way and frees all connections and files. May be called twice. */
  close(): Promise<void>;
}
