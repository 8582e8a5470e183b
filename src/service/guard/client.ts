import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';

/** Who asks, as far as an address tells. */
export interface Client {
  /** An IPv4 address, or the first 64 bits of an IPv6 one: the least that a household is given (RFC 6177). */
  readonly key: string;
  /** Whether the address is this machine's own, and nobody forwarded it. */
  readonly loopback: boolean;
}

/**
 * The client behind a request. Each trusted proxy appended to X-Forwarded-For the address that it saw, so that with `n` of
 * them the n-th from the end is the client's; what stands before is what the client says itself, and is not looked at.
 *
 * @param trustedProxies of the operator's; 0: the header is not looked at
 */
export function clientOf(
  {
    socket,
    headers,
  }: Pick<IncomingMessage, 'headers'> & {
    readonly socket: { readonly remoteAddress?: string | undefined };
  },
  trustedProxies: number,
): Client {
  const direct = socket.remoteAddress ?? '';
  if (trustedProxies > 0) {
    const seen = String(headers['x-forwarded-for'] ?? '')
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '');
    const named = seen.at(-Math.min(trustedProxies, seen.length));
    const address = named === undefined ? undefined : parseAddress(named);
    if (address) return { key: keyOf(address), loopback: false };
  }
  const address = parseAddress(direct);
  if (!address) return { key: direct, loopback: false };
  return { key: keyOf(address), loopback: address.range() === 'loopback' };
}

/** @param text an address, with a port perhaps, as some proxies write it */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, '$1');
  // IPv4 in IPv6 (::ffff:1.2.3.4), as sockets for both tell it, is IPv4.
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined;
}

function keyOf(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  if (address.kind() === 'ipv4') return address.toString();
  const bytes = address.toByteArray();
  return `${Buffer.from(bytes.slice(0, 8)).toString('hex')}/64`;
}
