import type { z } from 'zod';

/** A request that cannot be answered, for a reason that is the client's or the load's: a status and one line. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: 400 | 403 | 404 | 408 | 413 | 415 | 429 | 503;
  /** Seconds after which it is worth asking again, as the Retry-After of the answer says them. */
  readonly retryAfter: number | undefined;

  constructor(status: RequestError['status'], message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter === undefined ? undefined : Math.max(1, Math.ceil(retryAfter));
  }
}

export function badRequest(message: string): RequestError {
  return new RequestError(400, message);
}

/**
 * The body of a request as `schema` has it. Its Content-Type is not looked at: clip-retrieval's client sends none.
 *
 * @throws RequestError 400, which names the field
 */
export async function parseBody<T extends z.ZodType>(request: Request, schema: T): Promise<z.infer<T>> {
  let body: unknown;
  try {
    body = JSON.parse(await request.text());
  } catch {
    throw badRequest('the body is not JSON');
  }
  return parse(body, schema);
}

/** @throws RequestError 400, which names the field */
export function parse<T extends z.ZodType>(value: unknown, schema: T): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw badRequest(where === '' ? (issue?.message ?? 'not understood') : `${where}: ${issue?.message}`);
}
