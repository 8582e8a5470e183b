import type { ErrorCode } from '../../../schema/index.ts';

/** A volunteer's request that is not granted: a status of HTTP, one line, and a code where its end can act on it. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  readonly status: 400 | 401 | 403 | 404 | 409 | 410 | 413 | 429;
  readonly code: ErrorCode | undefined;

  constructor(status: RequestRefused['status'], message: string, code?: ErrorCode) {
    super(message);
    this.status = status;
    this.code = code;
  }
}
