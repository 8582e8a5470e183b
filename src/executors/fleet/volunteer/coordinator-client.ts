import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { type ErrorCode, GleanerError } from '../../../schema/index.ts';
import type { Outside } from './outside.ts';
import {
  API,
  type Claim,
  completeAnswer,
  heartbeatAnswer,
  type LeaseAnswer,
  leaseAnswer,
  refusalAnswer,
  type Uploaded,
  uploadsAnswer,
} from './protocol.ts';

/** An answer of a coordinator's names six URLs, or a recipe with its categories. */
const MAX_ANSWER_BYTES = 8 << 20;
/** First wait after a failure, and the longest, in milliseconds. */
const BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 30_000;
/** A coordinator that is away is asked again for so long, in milliseconds. */
const PATIENCE_MS = 600_000;

/** A request that a coordinator does not grant now, and would not if it were asked again. */
export class NotGranted extends Error {
  override readonly name = 'NotGranted';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface CoordinatorClientOptions {
  readonly url: URL;
  readonly token: string;
  readonly outside: Outside;
  /** @default 600_000 */
  readonly patienceMs?: number | undefined;
}

/** What a volunteer says to a coordinator. Answers are looked at before they are believed. */
export class CoordinatorClient {
  readonly #options: CoordinatorClientOptions;

  constructor(options: CoordinatorClientOptions) {
    this.#options = options;
  }

  /** @throws GleanerError TOKEN_REFUSED, WORKER_BLOCKED, COORDINATOR_REFUSED */
  lease(
    request: { readonly machine: string; readonly version: string; readonly slots: number },
    signal: AbortSignal,
  ): Promise<LeaseAnswer> {
    return this.#post('lease', { ...request, provider: 'cpu' }, leaseAnswer, signal);
  }

  async heartbeat(
    machine: string,
    leases: readonly { readonly lease: string; readonly done: number }[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    return (await this.#post('heartbeat', { machine, leases }, heartbeatAnswer, signal)).lost;
  }

  /** @throws NotGranted */
  async uploads(
    lease: string,
    files: readonly Uploaded[],
    signal: AbortSignal,
  ): Promise<z.infer<typeof uploadsAnswer>['files']> {
    return (await this.#post('uploads', { lease, files }, uploadsAnswer, signal)).files;
  }

  /** @throws NotGranted */
  async complete(lease: string, manifest: Claim, signal: AbortSignal): Promise<void> {
    await this.#post('complete', { lease, manifest }, completeAnswer, signal);
  }

  async giveBack(leases: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#post('giveback', { leases }, refusalAnswer.partial(), signal);
  }

  /** Asks until there is an answer, or patience ends. */
  async #post<T extends z.ZodType>(
    path: string,
    request: object,
    schema: T,
    signal: AbortSignal,
  ): Promise<z.infer<T>> {
    const { url, patienceMs = PATIENCE_MS } = this.#options;
    const began = performance.now();
    for (let waitMs = BACKOFF_MS; ; waitMs = Math.min(MAX_BACKOFF_MS, waitMs * 2)) {
      const answer = await this.#once(path, request, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        if (error instanceof GleanerError) throw error;
        return { status: 503, body: { error: error instanceof Error ? error.message : String(error) } };
      });
      if (answer.status === 200) {
        const parsed = schema.safeParse(answer.body);
        if (parsed.success) return parsed.data;
        throw new GleanerError('COORDINATOR_REFUSED', {
          where: url.origin,
          problem: `its answer to ${path} is not understood (${parsed.error.issues[0]?.path.join('.') ?? ''}): is it a coordinator of this version?`,
        });
      }
      const said = refusalAnswer.safeParse(answer.body);
      const problem = said.success ? said.data.error.slice(0, 300) : `it answers ${answer.status}`;
      if (answer.status !== 429 && answer.status < 500)
        throw refusal(url.origin, path, answer.status, problem, said.data?.code);
      if (performance.now() - began + waitMs > patienceMs)
        throw new GleanerError('COORDINATOR_REFUSED', { where: url.origin, problem });
      await sleep(waitMs * (0.5 + Math.random()), undefined, { signal });
    }
  }

  async #once(
    path: string,
    request: object,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const { url, token, outside } = this.#options;
    const answer = await outside.ask(`${url.origin}${API}/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify(request),
      signal,
    });
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES)
        throw new GleanerError('COORDINATOR_REFUSED', {
          where: url.origin,
          problem: 'its answer has no end',
        });
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString();
    try {
      return { status: answer.status, body: JSON.parse(text) };
    } catch {
      return { status: answer.status === 200 ? 502 : answer.status, body: {} };
    }
  }
}

function refusal(
  where: string,
  path: string,
  status: number,
  problem: string,
  code: string | undefined,
): Error {
  const codes: Readonly<Record<string, ErrorCode>> = {
    TOKEN_REFUSED: 'TOKEN_REFUSED',
    WORKER_BLOCKED: 'WORKER_BLOCKED',
  };
  const known = code === undefined ? undefined : codes[code];
  if (known === 'TOKEN_REFUSED' || known === 'WORKER_BLOCKED')
    return new GleanerError(known, { where, problem });
  // Of a task: the others may well be granted.
  if (path === 'uploads' || path === 'complete') return new NotGranted(status, problem);
  return new GleanerError('COORDINATOR_REFUSED', { where, problem });
}
