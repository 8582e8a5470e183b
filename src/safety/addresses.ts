/** a.b.c: a.b.c, b.c and c. */
export function domainsOf(url: URL): string[] {
  const labels = url.hostname.replace(/\.$/, '').split('.');
  return labels.map((_, at) => labels.slice(at).join('.'));
}

/** A URL as browsers write it, without fragment. */
export function withoutFragment(url: URL): string {
  return url.hash === '' ? url.href : url.href.slice(0, -url.hash.length);
}

/** An entry of a list of URLs, as it is compared; undefined where it is no http or https URL. */
export function listedUrl(text: string): string | undefined {
  const url = /^https?:\/\//i.test(text) ? URL.parse(text) : undefined;
  return url ? withoutFragment(url) : undefined;
}

/** An entry of a list of domains (example.com, .example.com, *.example.com), as it is compared; undefined where it is none. */
export function listedDomain(text: string): string | undefined {
  if (/[/?#@:\s]/.test(text)) return undefined;
  return URL.parse(`http://${text.replace(/^\*?\./, '')}`)?.hostname.replace(/\.$/, '') || undefined;
}
