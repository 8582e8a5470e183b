import type { ServerResponse } from 'node:http';

/**
 * What a server may do to a request: say 503 SlowDown; hang up before it has read it (`drop-before`), when it has done what it was
 * asked for, without an answer (`drop-after`), or in the middle of the answer (`cut`); `drop` is one of these three by
 * lot; `slow` gives an answer's body bit by bit; `silent` never answers; `conflict` says 409 ConditionalRequestConflict
 * to a put with a condition, as S3 does where two are under way at once.
 */
export type Fault =
  | 'slow-down'
  | 'drop'
  | 'drop-before'
  | 'drop-after'
  | 'cut'
  | 'slow'
  | 'silent'
  | 'conflict';

/** What was asked for is done, but nobody hears of it. */
export function swallow(response: ServerResponse): void {
  response.write = () => true;
  response.end = () => {
    response.socket?.destroy();
    return response;
  };
}

/** The connection breaks in the middle of the body, or before the head where there is none. */
export function cut(response: ServerResponse): void {
  const write = response.write.bind(response) as (chunk: Uint8Array | string, done?: () => void) => boolean;
  const half = (chunk: unknown) => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    if (bytes instanceof Uint8Array && bytes.length > 1)
      write(bytes.subarray(0, bytes.length >> 1), () => response.socket?.destroy());
    else response.socket?.destroy();
    response.write = () => true;
    response.end = () => response;
  };
  response.write = (chunk: unknown) => {
    half(chunk);
    return true;
  };
  response.end = (chunk?: unknown) => {
    half(chunk);
    return response;
  };
}

/** A sixteenth of each chunk at a time, with a moment between. */
export function slow(response: ServerResponse): void {
  const write = response.write.bind(response) as (chunk: Uint8Array | string) => boolean;
  const end = response.end.bind(response) as () => ServerResponse;
  let queue = Promise.resolve();
  const give = (chunk: unknown) => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    if (!(bytes instanceof Uint8Array)) return;
    queue = queue.then(async () => {
      const step = Math.max(1, bytes.length >> 4);
      for (let at = 0; at < bytes.length; at += step) {
        write(bytes.slice(at, at + step));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
  };
  response.write = (chunk: unknown) => {
    give(chunk);
    void queue.then(() => response.emit('drain'));
    return false;
  };
  response.end = (chunk?: unknown) => {
    give(chunk);
    void queue.then(end);
    return response;
  };
}
