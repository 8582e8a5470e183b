import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * Whether a packet to `address` goes out to the public internet: not to this machine, its network, or a range set
 * aside (IANA's special-purpose registries, RFC 6890, as ipaddr.js knows them). Addresses that carry an IPv4
 * address are as public as that one.
 * @param address in text form, without brackets; anything else is not public
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return isPublicV4(ipaddr.IPv4.parse(address).toByteArray());
  // The URL parser writes every IPv6 address in one way; ipaddr.js reads ::8.8.8.8 as ::ffff:8.8.8.8.
  const host = isIPv6(address) ? URL.parse(`http://[${address}]/`)?.hostname : undefined;
  return host !== undefined && isPublicV6(ipaddr.IPv6.parse(host.slice(1, -1)));
}

function isPublicV4(bytes: number[]): boolean {
  return new ipaddr.IPv4(bytes).range() === 'unicast';
}

function isPublicV6(address: ipaddr.IPv6): boolean {
  const bytes = address.toByteArray();
  switch (address.range()) {
    case 'ipv4Mapped': // RFC 4291: ::ffff:a.b.c.d
      return isPublicV4(bytes.slice(12));
    case 'rfc6052': // NAT64; 64:ff9b:1::/48 (RFC 8215) is for use inside one network, whatever it carries
      return bytes[4] === 0 && bytes[5] === 0 && isPublicV4(bytes.slice(12));
    case '6to4': // RFC 3056: 2002:aabb:ccdd::
      return isPublicV4(bytes.slice(2, 6));
    case 'unicast':
      // Only 2000::/3 is handed out as global unicast; ipaddr.js calls every range it does not know unicast, so
      // the IPv4-compatible ::a.b.c.d too.
      return ((bytes[0] ?? 0) & 0xe0) === 0x20;
    default:
      return false;
  }
}
