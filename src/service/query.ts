import { type FetchedImage, type Outcome, REASONS } from '../schema/index.ts';
import type { Embedder } from './embedder.ts';
import { badRequest } from './errors.ts';
import type { Metrics } from './metrics.ts';

/** What is searched for. */
export type Query =
  | { readonly text: string }
  /** An image file in base64, or base64url. */
  | { readonly image: string }
  | { readonly imageUrl: string }
  | { readonly embedding: readonly number[] };

/** Fetches an image from the web, with all the checks that a fetcher makes. */
export type FetchImage = (url: string, signal?: AbortSignal) => Promise<Outcome<FetchedImage>>;

/** Longest text of a query, in UTF-16 units. CLIP reads 77 tokens of it. */
export const MAX_QUERY_CHARS = 10_000;

/** What the parts of a query are called where a client gave them. */
export type QueryNames = Readonly<Record<'image' | 'imageUrl' | 'embedding', string>>;
/** As clip-retrieval calls them. */
const CLIP_NAMES: QueryNames = { image: 'image', imageUrl: 'image_url', embedding: 'embedding_input' };

/**
 * The vector of a query.
 *
 * @returns `embedder.dimension` numbers
 * @throws RequestError 400 where the query cannot be made into one
 */
export async function embedQuery(
  query: Query,
  embedder: Embedder,
  fetchImage: FetchImage | undefined,
  metrics: Metrics,
  names: QueryNames = CLIP_NAMES,
): Promise<Float32Array> {
  if ('text' in query) {
    const done = metrics.textSeconds.startTimer();
    const vector = await embedder.embedTexts([query.text]);
    done();
    return vector;
  }
  if ('image' in query)
    return embedImage(decodeBase64(query.image, names.image), names.image, embedder, metrics);
  if ('imageUrl' in query) {
    if (!fetchImage)
      throw badRequest(`${names.imageUrl}: this service fetches no images from the web; send the image`);
    const url = URL.canParse(query.imageUrl) ? new URL(query.imageUrl) : undefined;
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
      throw badRequest(`${names.imageUrl}: is no http or https address`);
    const done = metrics.downloadSeconds.startTimer();
    const fetched = await fetchImage(url.href);
    done();
    if (!fetched.kept)
      throw badRequest(
        `${names.imageUrl}: ${REASONS[fetched.reason].title} ${detail(fetched.detail)}`.trim(),
      );
    return embedImage(fetched.value.bytes, names.imageUrl, embedder, metrics);
  }
  const vector = Float32Array.from(query.embedding);
  if (vector.length !== embedder.dimension)
    throw badRequest(
      `${names.embedding}: has ${vector.length} numbers, the index has vectors of ${embedder.dimension}`,
    );
  if (!vector.every(Number.isFinite))
    throw badRequest(`${names.embedding}: holds a number that is too large`);
  if (vector.every((x) => x === 0)) throw badRequest(`${names.embedding}: is a vector of length zero`);
  return vector;
}

async function embedImage(
  bytes: Uint8Array,
  field: string,
  embedder: Embedder,
  metrics: Metrics,
): Promise<Float32Array> {
  const done = metrics.imageSeconds.startTimer();
  const embedded = await embedder.embedImage(bytes);
  done();
  if (!embedded.kept)
    throw badRequest(`${field}: ${REASONS[embedded.reason].title} ${detail(embedded.detail)}`.trim());
  return embedded.value;
}

function detail(text: string): string {
  return text === '' ? '' : `(${text})`;
}

function decodeBase64(text: string, name: string): Uint8Array {
  if (!/^[\w+/\s-]+={0,2}\s*$/.test(text)) throw badRequest(`${name}: is not base64`);
  return Buffer.from(text, 'base64');
}
