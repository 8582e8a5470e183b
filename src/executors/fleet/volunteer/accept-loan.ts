import type { Recipe } from '../../../config/index.ts';
import { GleanerError } from '../../../schema/index.ts';
import type { Loan } from './protocol.ts';

/** The most that a coordinator may ask of a volunteer's machine and connection. */
const MOST = {
  rows: 100_000,
  pairsBytes: 256 << 20,
  modelBytes: 8 * 2 ** 30,
  listBytes: 2 ** 30,
  concurrency: 512,
  maxStalled: 4_096,
  /** Of a registrable domain: what a coordinator decides about others' servers through a volunteer's address. */
  perDomainConcurrency: 16,
  retries: 3,
  maxRedirects: 10,
  totalTimeoutMs: 300_000,
  maxBodyBytes: 128 << 20,
  maxBytesInFlight: 2 ** 30,
  maxPixels: 250_000_000,
  storeShortestSide: 2_048,
  batchSize: 256,
} as const;

/**
 * Looks at what a coordinator asks for before anything of it is done: a volunteer's machine honours robots.txt, checks
 * certificates and stays within bounds whatever a recipe says.
 *
 * @throws GleanerError COORDINATOR_REFUSED
 */
export function acceptLoan(loan: Loan, where: string): void {
  const problem = problemOf(loan);
  if (problem !== undefined)
    throw new GleanerError('COORDINATOR_REFUSED', {
      where,
      problem: `asks for what a volunteer does not do: ${problem}`,
    });
}

function problemOf({ recipe, pairs, model, lists }: Loan): string | undefined {
  const { fetch, image, score, safety } = recipe;
  if (!fetch.respectRobots || !fetch.respectHeaders) return 'not to honour the wishes of site owners';
  if (!fetch.verifyTls) return 'not to check certificates';
  if (fetch.proxy !== null || fetch.dns.servers.length > 0) return 'to go through its proxy or DNS servers';
  if (safety.knownContent.length > 0 || safety.classifiers.length > 0)
    return 'to read lists or classifiers of this machine';
  if (score.provider !== 'cpu' && score.provider !== 'auto') return `to use ${score.provider}`;
  if (lists.length !== fetch.optOutLists.length) return 'to read opt-out lists that it does not send';
  const total = (files: readonly { readonly bytes: number }[]) =>
    files.reduce((n, { bytes }) => n + bytes, 0);
  const asked: Readonly<Record<keyof typeof MOST, number>> = {
    rows: pairs.rows,
    pairsBytes: pairs.bytes,
    modelBytes: total(model.files),
    listBytes: total(lists),
    ...limitsOf(fetch),
    maxPixels: image.maxPixels,
    storeShortestSide: image.storeShortestSide,
    batchSize: score.batchSize,
  };
  for (const [name, value] of Object.entries(asked)) {
    const most = MOST[name as keyof typeof MOST];
    if (value > most) return `${name} ${value} (${most} at most)`;
  }
  return undefined;
}

function limitsOf({
  concurrency,
  maxStalled,
  perDomainConcurrency,
  retries,
  maxRedirects,
  totalTimeoutMs,
  maxBodyBytes,
  maxBytesInFlight,
}: Recipe['fetch']) {
  return {
    ...{ concurrency, maxStalled, perDomainConcurrency, retries, maxRedirects },
    ...{ totalTimeoutMs, maxBodyBytes, maxBytesInFlight },
  };
}
