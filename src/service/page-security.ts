import type { MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';

/**
 * What a browser may do with our pages: show what comes from here, nothing inline, in no frame of others.
 * @param crossOrigin whether pages of others may show our pictures. @default false
 */
export function pageSecurity({ crossOrigin = false } = {}): MiddlewareHandler {
  return secureHeaders({
    crossOriginResourcePolicy: crossOrigin ? 'cross-origin' : 'same-origin',
    // Styles that scripts set on elements are no inline styles to the policy; nothing else of the page is inline.
    contentSecurityPolicy: {
      defaultSrc: ["'self'"],
      imgSrc: ["'self'", 'blob:'],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
    xFrameOptions: 'DENY',
    referrerPolicy: 'no-referrer',
    // Nothing but HTTPS for ever is not this service's to decide: the operator's proxy may say so.
    strictTransportSecurity: false,
  });
}
