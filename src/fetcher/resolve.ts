import { lookup } from 'node:dns/promises';

export interface ResolvedAddress {
  /** In text form, without brackets. */
  readonly address: string;
  readonly family: 4 | 6;
}

/** All addresses of a host name, best first. Rejects where there is none. */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>;

/** Asks the operating system, hosts file and all. */
export const systemResolve: Resolve = async (host) => {
  const found = await lookup(host, { all: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
};
