export interface ResolvedAddress {
  /** In text form, without brackets. */
  readonly address: string;
  readonly family: 4 | 6;
}

/** All addresses of a host name, best first. Rejects where there is none, with a `DnsFailure` where it knows why. */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>;

/** A name has no address. The message is the cause: NXDOMAIN, SERVFAIL, REFUSED, 'no address' or 'timeout'. */
export class DnsFailure extends Error {
  override readonly name = 'DnsFailure';
  /** Whether another try may well find one. */
  readonly passing: boolean;

  constructor(cause: string, passing: boolean) {
    super(cause);
    this.passing = passing;
  }
}
