import { HashSet, listEntries } from '../../formats/index.ts';
import { dropped, GleanerError } from '../../schema/index.ts';
import type { PairFilter } from './filter.ts';

/** Opens a file that the recipe names. @throws GleanerError FILE_NOT_FOUND */
export type OpenFile = (path: string) => AsyncIterable<Uint8Array>;

/** Drops pairs whose image lies at a host of these lists, or below one: 'example.com' is 'www.example.com' too. */
export async function hostBlocklist(paths: readonly string[], open: OpenFile): Promise<PairFilter> {
  const hosts = await readList(paths, open, (line) => hostOf(`http://${line.replace(/^\*?\./, '')}/`));
  return ({ url }) => {
    let host = hostOf(url) ?? '';
    for (;;) {
      if (hosts.has(host)) return dropped('blocked_host', host);
      const dot = host.indexOf('.');
      if (dot < 0) return undefined;
      host = host.slice(dot + 1);
    }
  };
}

/** Drops pairs whose image URL stands in these lists; both are compared as browsers write them, without fragment. */
export async function urlBlocklist(paths: readonly string[], open: OpenFile): Promise<PairFilter> {
  const urls = await readList(paths, open, (line) => {
    const url = URL.parse(line);
    if (url) url.hash = '';
    return url?.href;
  });
  return ({ url }) => (urls.has(url) ? dropped('blocked_url', '') : undefined);
}

function hostOf(url: string): string | undefined {
  return URL.parse(url)?.hostname.replace(/\.$/, '');
}

/** Reads lists with one entry a line. @throws GleanerError FILE_UNREADABLE at a line that is none */
async function readList(
  paths: readonly string[],
  open: OpenFile,
  parse: (line: string) => string | undefined,
): Promise<HashSet> {
  const set = new HashSet();
  for (const path of paths)
    for await (const { text, line } of listEntries(path, open(path))) {
      const parsed = parse(text);
      if (parsed === undefined)
        throw new GleanerError('FILE_UNREADABLE', {
          path,
          problem: `line ${line} is no entry of this list: ${JSON.stringify(text.slice(0, 80))}`,
        });
      set.add(parsed);
    }
  return set;
}
