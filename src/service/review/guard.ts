import type { MiddlewareHandler } from 'hono';
import ipaddr from 'ipaddr.js';

/**
 * Keeps other web pages out of a service on this machine.
 *
 * A page whose own name was turned to our address (DNS rebinding) still sends that name as Host: every name is refused but
 * `localhost` and the one that the operator listens at. An address needs no check, since nobody can turn it. A request that
 * changes something has to come from a page of ours: browsers tell by Origin, which no script can set.
 *
 * @param host what the operator listens at
 */
export function ownPagesOnly(host: string): MiddlewareHandler {
  return async (c, next) => {
    const asked = c.req.header('Host') ?? '';
    if (!isOwnHost(asked, host))
      return c.json({ error: 'this name is not the name of this service: use its address' }, 421);
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
      const origin = URL.parse(c.req.header('Origin') ?? '');
      if (origin?.host !== asked.toLowerCase())
        return c.json({ error: 'only the review page itself may change judgements' }, 403);
    }
    return next();
  };
}

function isOwnHost(asked: string, host: string): boolean {
  const url = URL.parse(`http://${asked}`);
  if (!url || url.host !== asked.toLowerCase().replace(/:80$/, '')) return false;
  const name = url.hostname.replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === host.toLowerCase() || ipaddr.isValid(name);
}
