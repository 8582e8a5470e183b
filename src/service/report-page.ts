import { Hono, type MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { RequestError } from './errors.ts';
import type { OpenedIndex } from './opened-index.ts';

export const REPORT_FILE = 'release/report.html';

/** The address of the report of the release. */
export const REPORT_PAGE = '/report';

/**
 * What the report may do: it has styles on its elements and pictures within it, and no script. These alone are allowed,
 * whoever wrote it, and its origin is its own, so that it reaches nothing of the service.
 */
export function reportSecurity(): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      styleSrc: ["'unsafe-inline'"],
      imgSrc: ['data:'],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
      sandbox: ['allow-popups', 'allow-popups-to-escape-sandbox'],
    },
    xFrameOptions: 'DENY',
    referrerPolicy: 'no-referrer',
    strictTransportSecurity: false,
  });
}

/** The report of the release, with a way to the other pages before it; the file stays as it is. */
export function reportPageRoutes(index: OpenedIndex): Hono {
  const app = new Hono();
  app.get(REPORT_PAGE, async (c) => {
    const { map, storage } = index;
    if ((await storage.size(REPORT_FILE)) === undefined)
      throw new RequestError(404, 'this release has no report');
    c.header('Content-Type', 'text/html; charset=utf-8');
    // A takedown writes it anew.
    c.header('Cache-Control', 'no-cache');
    const report = new TextDecoder().decode(await storage.read(REPORT_FILE));
    // Before its content, if it is as we write it; a browser finds the way at its end too.
    const at = report.indexOf('<main>');
    const way = wayBack(map !== undefined);
    return c.body(at < 0 ? report + way : report.slice(0, at) + way + report.slice(at));
  });
  return app;
}

/** Links to the other pages, in the report's own colours. */
function wayBack(hasMap: boolean): string {
  return `<style>
.way-back { position: sticky; top: 0; z-index: 2; display: flex; gap: 8px; padding: 8px 24px; border-bottom: 1px solid var(--line); background: var(--paper); }
.way-back a { padding: 8px; text-decoration: none; }
.way-back a:hover { text-decoration: underline; }
.way-back a[aria-current] { color: var(--ink); font-weight: 600; }
@media print { .way-back { display: none; } }
</style>
<nav class="way-back" aria-label="Pages"><a href="/">Search</a>${hasMap ? '<a href="/map">Map</a>' : ''}<a href="/report" aria-current="page">Report</a></nav>
`;
}
