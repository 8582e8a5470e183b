import type { IncomingMessage } from 'node:http';
import { RequestError } from '../errors.ts';

/** Bytes of all bodies that are held. */
export class BodyBudget {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** @returns false where there is no room for so many more */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#limit) return false;
    this.#held += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#held -= bytes;
  }
}

/**
 * The whole body of a request. It is read before the request takes any place, so that a client that sends slowly keeps its
 * connection busy and nothing else; bytes count from when they are there, not from when they are announced.
 *
 * @param budget to be given back `length` bytes of when the body is done with
 * @throws RequestError 413, 503 where all bodies together are too much, 400 where it broke off
 */
export function receiveBody(
  incoming: IncomingMessage,
  maxBytes: number,
  budget: BodyBudget,
): Promise<Buffer> {
  const announced = Number(incoming.headers['content-length'] ?? 0);
  if (announced > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const end = () => {
      incoming.off('data', take);
      incoming.off('end', finish);
      incoming.off('close', breakOff);
      incoming.off('error', breakOff);
    };
    const refuse = (error: RequestError) => {
      end();
      // An error that comes later is of nobody's interest, and must not end the process.
      incoming.on('error', () => undefined);
      incoming.pause();
      budget.giveBack(length);
      reject(error);
    };
    const take = (chunk: Buffer) => {
      if (length + chunk.length > maxBytes) return refuse(tooLarge(maxBytes));
      if (!budget.take(chunk.length))
        return refuse(
          new RequestError(503, 'too many large requests at once: try again in a few seconds', 5),
        );
      length += chunk.length;
      chunks.push(chunk);
    };
    const finish = () => {
      end();
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length));
    };
    const breakOff = () => refuse(new RequestError(400, 'the body broke off'));
    incoming.on('data', take);
    incoming.once('end', finish);
    incoming.once('close', breakOff);
    incoming.once('error', breakOff);
  });
}

function tooLarge(maxBytes: number): RequestError {
  return new RequestError(413, `the body is above ${maxBytes} bytes`);
}
