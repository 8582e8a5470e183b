import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress } from './address.ts';
import { ConnectFailure } from './connect-failure.ts';
import { usage, type WebSettings } from './options.ts';
import { DnsFailure, type Resolve, type ResolvedAddress } from './resolve.ts';

export interface GateSettings extends Pick<WebSettings, 'allowHosts'> {
  readonly resolve: Resolve;
  /** Whether any host but the allowed ones may be asked at all. */
  readonly identified: boolean;
}

/** Decides which addresses a socket may connect to. */
export interface AddressGate {
  /** Whether the operator has opened this host and port, whatever its address. */
  isOpen(host: string, port: number): boolean;
  /** For sockets: finds the addresses of a name that may be connected to. */
  lookup(open: boolean): LookupFunction;
  /** What is known without asking anybody. undefined: nothing against it. */
  refusal(host: string, open: boolean): ConnectFailure | undefined;
  /** For what somebody else connects to. Rejects with a ConnectFailure. */
  check(host: string, port: number): Promise<void>;
}

/** @throws GleanerError USAGE for an allowed host that is not HOST:PORT */
export function createAddressGate({ allowHosts, resolve, identified }: GateSettings): AddressGate {
  const allowed = new Set(allowHosts.map(parseHostPort));

  const find = async (host: string, open: boolean): Promise<readonly ResolvedAddress[]> => {
    const found = await resolve(host).catch((error: unknown) => {
      const { message, passing } = error instanceof DnsFailure ? error : new DnsFailure('failed', false);
      throw new ConnectFailure('dns', `${message} ${host}`, passing, { cause: error });
    });
    const accepted = open ? found : found.filter(({ address }) => isPublicAddress(address));
    if (accepted.length > 0) return accepted;
    const [refused] = found;
    throw refused
      ? new ConnectFailure('address', refused.address, false)
      : new ConnectFailure('dns', `no address ${host}`, false);
  };

  const refusal = (host: string, open: boolean): ConnectFailure | undefined => {
    if (open) return undefined;
    if (isIP(host) !== 0 && !isPublicAddress(host)) return new ConnectFailure('address', host, false);
    return identified
      ? undefined
      : new ConnectFailure('address', `${host} is not allowed without fetch.contact`, false);
  };

  const isOpen = (host: string, port: number) => allowed.has(`${host}:${port}`);

  return {
    isOpen,
    refusal,
    lookup: (open) => (host, options, callback) => {
      find(host, open).then(
        (found) => {
          if (options.all) callback(null, [...found]);
          else callback(null, found[0]?.address ?? '', found[0]?.family ?? 0);
        },
        (error: ConnectFailure) => callback(error, '', 0),
      );
    },
    check: async (host, port) => {
      const open = isOpen(host, port);
      const refused = refusal(host, open);
      if (refused) throw refused;
      if (isIP(host) === 0) await find(host, open);
    },
  };
}

/** 'HOST:PORT' as undici names it to the connector: host in its canonical form, without brackets. */
function parseHostPort(pair: string): string {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(pair) ?? [];
  const url = host && Number(port) <= 0xffff ? URL.parse(`http://${host}:${port}/`) : null;
  if (url?.pathname !== '/' || url.search || url.hash || url.username || url.password)
    throw usage(`allowHosts: ${pair} is not HOST:PORT, as 127.0.0.1:8080 or [::1]:80.`);
  return `${url.hostname.replace(/^\[|\]$/g, '')}:${Number(port)}`;
}
