import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hono } from 'hono';

/** The built page: beside `src` in a checkout, and beside `dist` where gleaner is installed. */
const PAGE_FOLDER = fileURLToPath(new URL('../../web/dist', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

const NOT_BUILT = 'The page is not built. Build it with: npm run build:web\nThe API is here all the same.\n';

/** The pages of the search service, by their addresses. */
const SEARCH_PAGES: Readonly<Record<string, string>> = { '/': 'index.html', '/map': 'map.html' };

/**
 * The files of pages, held in memory: they are few, and no path of a request ever reaches the disk.
 *
 * @param pages by their addresses; those of other services are not served. @default those of the search
 */
export async function pageFileRoutes(folder = PAGE_FOLDER, pages = SEARCH_PAGES): Promise<Hono> {
  const files = await readFolder(folder);
  const app = new Hono();
  app.get('*', async (c, next) => {
    const page = Object.hasOwn(pages, c.req.path) ? pages[c.req.path] : undefined;
    const path = page === undefined ? c.req.path : `/${page}`;
    const file = page === undefined && path.endsWith('.html') ? undefined : files.get(path);
    if (!file) return page === undefined ? next() : c.text(NOT_BUILT, 503);
    // vite names everything below assets/ by its content.
    c.header(
      'Cache-Control',
      path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    );
    c.header('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
    return c.body(file);
  });
  return app;
}

async function readFolder(folder: string): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(`/${relative(folder, path).split(sep).join('/')}`, new Uint8Array(await readFile(path)));
  }
  return files;
}
