import type { Reason } from '../schema/index.ts';

/** No connection came about, and why. */
export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure';
  readonly reason: Reason;
  readonly detail: string;
  /** Whether another try may well come through. */
  readonly passing: boolean;

  constructor(reason: Reason, detail: string, passing: boolean, options?: ErrorOptions) {
    super(`${reason}: ${detail}`, options);
    this.reason = reason;
    this.detail = detail;
    this.passing = passing;
  }
}
