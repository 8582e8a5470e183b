import { getDomain } from 'tldts';

/**
 * Whom a URL asks, for the purpose of being polite: the registrable domain of its host by the Public Suffix List, its
 * private part included, so that the customers of a host of many (github.io, cloudfront.net) count apart. Hosts
 * without one, as addresses, are themselves, with their port.
 */
export function domainOf(url: URL): string {
  return getDomain(url.hostname, { allowPrivateDomains: true }) ?? url.host;
}
