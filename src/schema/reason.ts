import { GleanerError } from './errors.ts';

/** The step of the funnel at which a reason is given. The order is the order of the funnel. */
export const FUNNEL_STEPS = [
  'record',
  'link',
  'pair',
  'unique',
  'fetched',
  'image',
  'matched',
  'safe',
  'distinct',
  'selected',
] as const;
export type FunnelStep = (typeof FUNNEL_STEPS)[number];

/** Steps that only some runs have: where the recipe asks for them, and a subset its selection. */
export type OptionalStep = 'distinct' | 'selected';

/**
 * Every reason for which something is dropped: a closed list, so that counts of two runs can be compared and no
 * pair disappears without one. `step` is the step of the funnel that it fails to reach.
 */
export const REASONS = {
  // Records of a WAT file.
  record_corrupt: { step: 'record', title: 'container damaged: gzip member, WARC header or length' },
  record_json: { step: 'record', title: 'metadata is not legal JSON' },
  record_too_large: { step: 'record', title: 'record above the size limit' },
  // Links of a record: an <img src>.
  no_text: { step: 'link', title: 'no alternative text' },
  no_url: { step: 'link', title: 'no URL, or none that can be resolved' },
  url_scheme: { step: 'link', title: 'scheme is not http or https' },
  // Pairs: a link with a text.
  known_url: { step: 'pair', title: 'URL or domain on a list of known content' },
  text_short: { step: 'pair', title: 'text too short' },
  text_long: { step: 'pair', title: 'text too long' },
  url_long: { step: 'pair', title: 'URL too long' },
  url_extension: { step: 'pair', title: 'URL ends in a refused extension' },
  blocked_host: { step: 'pair', title: 'host is on a blocklist' },
  blocked_url: { step: 'pair', title: 'URL is on a blocklist' },
  language: { step: 'pair', title: 'text in another language' },
  // The exchange.
  duplicate: { step: 'unique', title: 'URL and text seen before' },
  seen: { step: 'unique', title: 'URL and text in an earlier run' },
  // Fetching, from the web or from an archive.
  // Found by a redirect, by bytes or by the decoded picture: which of these is not told.
  known_content: { step: 'fetched', title: 'on a list of known content' },
  // By URL, domain or uid before fetching, by bytes after it: see tombstones.
  removed: { step: 'fetched', title: 'taken down' },
  opt_out: { step: 'fetched', title: 'host or URL is on an opt-out list' },
  robots: { step: 'fetched', title: 'closed by robots.txt' },
  robots_header: { step: 'fetched', title: 'closed by X-Robots-Tag or TDM-Reservation' },
  address: { step: 'fetched', title: 'address is not public' },
  dns: { step: 'fetched', title: 'host name does not resolve' },
  connection: { step: 'fetched', title: 'connection refused, reset or broken' },
  tls: { step: 'fetched', title: 'TLS failed' },
  timeout: { step: 'fetched', title: 'took too long' },
  host_down: { step: 'fetched', title: 'host kept failing, or asked to be left alone' },
  http_status: { step: 'fetched', title: 'HTTP status is not 200' },
  redirects: { step: 'fetched', title: 'too many redirects, or to nowhere' },
  body_large: { step: 'fetched', title: 'body above the size limit' },
  body_broken: { step: 'fetched', title: 'body does not match its headers' },
  not_archived: { step: 'fetched', title: 'not in the archive' },
  // Decoding.
  body_small: { step: 'image', title: 'body too small' },
  format: { step: 'image', title: 'format not accepted' },
  pixels: { step: 'image', title: 'too many pixels' },
  undecodable: { step: 'image', title: 'cannot be decoded' },
  size_small: { step: 'image', title: 'shorter side too small' },
  aspect: { step: 'image', title: 'too elongated' },
  // Scoring.
  similarity: { step: 'matched', title: 'text does not match the image' },
  // Safety.
  minor: { step: 'safe', title: 'possible minor beside possible sexual content' },
  classifier: { step: 'safe', title: 'refused by an image classifier' },
  animal: { step: 'safe', title: 'animal beside possible sexual content' },
  // Duplicates beyond exact: the detail begins with the uid of the one that is kept.
  same_bytes: { step: 'distinct', title: 'same bytes as an image that is kept' },
  same_picture: { step: 'distinct', title: 'same picture as one that is kept' },
  same_meaning: { step: 'distinct', title: 'same meaning as an image that is kept' },
  // Of a release of which another was made.
  not_in_subset: { step: 'selected', title: 'left out of the subset' },
} as const satisfies Record<string, { step: FunnelStep; title: string }>;

export type Reason = keyof typeof REASONS;

/** All reasons, in the order of the funnel. */
export const REASON_NAMES = Object.keys(REASONS) as readonly Reason[];

/**
 * Those that fetching again may help: of the web and of what it sent, not of texts, scores and what was seen before. What is
 * on a list of known content, or was taken down, is never asked for again.
 */
export const RETRYABLE_REASONS: readonly Reason[] = REASON_NAMES.filter(
  (name) =>
    ['fetched', 'image'].includes(REASONS[name].step) && name !== 'known_content' && name !== 'removed',
);

/** Whether `name` is one of the closed list: for what is read back from files. */
export function isReason(name: string): name is Reason {
  return Object.hasOwn(REASONS, name);
}

/** Names of reasons, as a user gives them. @throws GleanerError USAGE for one that fetching again cannot help */
export function retryableReasons(names: readonly string[]): readonly Reason[] {
  return names.map((name) => {
    if (isReason(name) && RETRYABLE_REASONS.includes(name)) return name;
    const problem = isReason(name) ? 'is nothing that fetching again could change' : 'is no reason';
    throw new GleanerError('USAGE', {
      problem: `'${name}' ${problem}. Give some of ${RETRYABLE_REASONS.join(', ')}.`,
    });
  });
}
