import { draftPictures } from './drafts.ts';
import { FATES } from './fates.ts';
import { layOut } from './layout.ts';
import type { Host, SmallWeb } from './model.ts';
import { makeResources } from './studio.ts';
import { loadSubjects } from './subjects.ts';

export interface WebOptions {
  /** Fixes everything: the same seed makes the same web, byte for byte. */
  readonly seed: number;
  /** Image URLs that pages show, whatever is behind them. At least one for each fate. @default 3000 */
  readonly pictures?: number;
  /** @default 600 */
  readonly pages?: number;
  /** At least 4: one that is slow, one that says noai, one that robots.txt closes, one that is none of these. @default 40 */
  readonly hosts?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

const POLITE_ROBOTS = 'User-agent: *\nDisallow: /private/\n';
const CLOSED_ROBOTS = 'User-agent: *\nDisallow: /\n';

/** The hosts of a web: open ones, then one of each other role. */
export function makeHosts(count: number): Host[] {
  const open = Array.from(
    { length: count - 3 },
    // Every other site has no robots.txt at all.
    (_, index): Host => ({ role: 'open', robots: index % 2 === 0 ? POLITE_ROBOTS : undefined, headers: {} }),
  );
  return [
    ...open,
    { role: 'slow', robots: POLITE_ROBOTS, headers: {} },
    { role: 'noai', robots: POLITE_ROBOTS, headers: { 'X-Robots-Tag': 'noai, noimageai' } },
    { role: 'closed', robots: CLOSED_ROBOTS, headers: {} },
  ];
}

/**
 * Makes a small web: hosts, pages, pictures and all that is wrong with them. Takes about 40 CPU-seconds for
 * 3,000 pictures.
 *
 * @throws RangeError for a web too small to hold every kind of thing
 */
export async function makeWeb(options: WebOptions): Promise<SmallWeb> {
  const { seed, pictures = 3000, pages = 600, hosts: hostCount = 40, onProgress } = options;
  if (hostCount < 4 || pages < 1 || pages > pictures || pictures < FATES.length)
    throw new RangeError(`a small web needs 4 hosts, ${FATES.length} pictures and a picture a page`);
  const hosts = makeHosts(hostCount);
  const drafts = draftPictures(seed, pictures, loadSubjects(), hosts);
  const resources = await makeResources(drafts, hosts, seed, (done) => onProgress?.(done, pictures));
  return {
    seed,
    hosts,
    pages: layOut(drafts, pages, hosts, seed),
    pictures: drafts.map(({ picture }) => picture),
    resources,
  };
}
