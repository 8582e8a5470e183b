/** Why there is no answer: nobody answers, not now, not to this, or the service broke. */
export type Trouble = 'away' | 'busy' | 'refused' | 'broken';

interface ApiErrorOptions extends ErrorOptions {
  /** @default 'broken' */
  readonly trouble?: Trouble;
  /** @default 0 */
  readonly retrySeconds?: number;
  /** @default '' */
  readonly answer?: string;
}

/** A failure with a sentence for the reader. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly trouble: Trouble;
  /** When to ask again, in seconds, where the service is busy. */
  readonly retrySeconds: number;
  /** What the service said, in a line; '' where nothing. */
  readonly answer: string;

  constructor(message: string, options: ApiErrorOptions = {}) {
    super(message, options);
    this.trouble = options.trouble ?? 'broken';
    this.retrySeconds = options.retrySeconds ?? 0;
    this.answer = options.answer ?? '';
  }
}

/** Where a busy service does not say when to come again, and the longest that is waited, in seconds. */
const [USUAL_WAIT, LONGEST_WAIT] = [5, 3600];

/** What the service answers. @throws ApiError where it cannot be reached, or refuses */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const response = await answer(path, init);
  return (await response.json()) as T;
}

/** The same, where the answer is bytes. */
export async function askForBytes(path: string, init: RequestInit = {}): Promise<ArrayBuffer> {
  return (await answer(path, init)).arrayBuffer();
}

/** Asks with a body of JSON. @throws ApiError */
export function askWith<T>(path: string, body: object, signal?: AbortSignal): Promise<T> {
  return ask(path, post(body, signal));
}

/** The same, where the answer is a file. @throws ApiError */
export async function askForFile(path: string, body: object): Promise<Blob> {
  return (await answer(path, post(body))).blob();
}

function post(body: object, signal?: AbortSignal): RequestInit {
  return {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  };
}

async function answer(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError(
      navigator.onLine ? 'The service cannot be reached.' : 'This device is not connected to a network.',
      { trouble: 'away', cause },
    );
  }
  if (response.ok) return response;
  const { status } = response;
  const body: unknown = await response.json().catch(() => null);
  const error = typeof body === 'object' && body && 'error' in body ? String(body.error) : `status ${status}`;
  const said = `The service answered: ${error.replace(/\.$/, '')}.`;
  if (status === 429 || status === 503) {
    const retrySeconds = readWait(response.headers.get('Retry-After'));
    throw new ApiError(
      status === 429 ? 'That was more than the service takes at once.' : 'The service is busy.',
      { trouble: 'busy', retrySeconds, answer: error },
    );
  }
  throw new ApiError(said, { trouble: status < 500 ? 'refused' : 'broken', answer: error });
}

/** Seconds that a Retry-After names, by number or by date (RFC 9110, 10.2.3). */
function readWait(header: string | null): number {
  const text = header?.trim() ?? '';
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - Date.now()) / 1000);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), LONGEST_WAIT) : USUAL_WAIT;
}
