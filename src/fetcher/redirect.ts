import { failure, headerText, type Interceptor, isRedirect } from './exchange.ts';
import { parseRedirect } from './target.ts';

/**
 * Follows redirects. What stands below it in the chain sees each of them as a request of its own, so that address,
 * robots.txt and limits hold for every host on the way.
 */
export function followRedirects(maxRedirects: number): Interceptor {
  return (next) => async (request) => {
    const seen = new Set<string>();
    let url = request.url;
    for (;;) {
      seen.add(url.href);
      const result = await next({ ...request, url });
      if (!result.kept || !isRedirect(result.value.status)) return result;
      const target = parseRedirect(headerText(result.value.headers, 'location'), url);
      if (!target.kept) return failure(target.reason, target.detail);
      // There are no cookies, so a second visit would end no other way than the first.
      if (seen.has(target.value.href)) return failure('redirects', 'in a circle');
      if (seen.size > maxRedirects) return failure('redirects', `more than ${maxRedirects}`);
      url = target.value;
    }
  };
}
