import { z } from 'zod';
import { PROVIDER_CHOICES, VARIANTS } from '../clip/choices.ts';

const count = z.int().positive();
const milliseconds = z.int().positive();

const knownContentSchema = z
  .strictObject({
    /** What matches are reported under. */
    name: z.string().min(1).max(100),
    /** One entry a line with '#' comments, or .csv or .tsv with a header; plain or gzip. */
    path: z.string().min(1),
    /** Hashes of the bytes as fetched; of the picture, gleaner's 64-bit dHash; URLs; domains with all below them. */
    kind: z.enum(['md5', 'sha1', 'sha256', 'phash', 'url', 'domain']),
    /** Bits of 64 that a phash may differ in. */
    maxDistance: z.int().min(0).max(15).default(0),
    /** Column of a CSV or TSV file; null: the one with the name of the kind. */
    column: z.string().min(1).nullable().default(null),
  })
  .refine(({ kind, maxDistance }) => kind === 'phash' || maxDistance === 0, {
    path: ['maxDistance'],
    message: 'is for the kind phash alone',
  });

/**
 * What a run does to its pairs, in the order in which it does it. Every number that decides about a pair stands
 * here, with its unit in its name; a limit of `null` means: no such limit.
 */
export const recipeSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/i),
  description: z.string().default(''),
  extract: z
    .strictObject({
      /** Texts with fewer Unicode characters are dropped. LAION-400M: 5. */
      minTextChars: z.int().min(1).default(1),
      maxTextChars: count.nullable().default(null),
      /** Texts with fewer words, parted by white space, are dropped. DataComp's basic filter: 3. */
      minTextWords: z.int().min(1).default(1),
      /** URLs with more characters are dropped. */
      maxUrlChars: count.nullable().default(null),
      /** URLs whose path ends in one of these, as svg, are dropped. */
      refusedExtensions: z.array(z.string().min(1)).default([]),
      /** Files with hosts, plain or gzip, one a line, '#' comments; subdomains are meant too. */
      hostBlocklists: z.array(z.string().min(1)).default([]),
      /** Files with image URLs, in the same form. */
      urlBlocklists: z.array(z.string().min(1)).default([]),
      /** Where images are looked for: element and attribute as in WAT files, or og:image. */
      links: z
        .array(
          z
            .string()
            .regex(/^(?:[A-Z][A-Z0-9]*@\/[a-z][a-z0-9-]*|og:image)$/, 'is neither as IMG@/src nor og:image'),
        )
        .nonempty()
        .default(['IMG@/src']),
      /** Mend texts whose UTF-8 was read as Windows-1252, as 'cafÃ©'. LAION-400M kept them as they were. */
      repairMojibake: z.boolean().default(false),
      /** Where false, no language is told: the column holds 'und'. */
      detectLanguage: z.boolean().default(true),
      /** ISO 639-1 codes that are kept; null keeps every language. */
      languages: z.array(z.string()).nonempty().nullable().default(null),
      /** A WAT record above this is dropped. Common Crawl cuts pages at 1 MiB; their records stay below 10 MB. */
      maxRecordBytes: count.default(64 << 20),
    })
    .refine(({ detectLanguage, languages }) => detectLanguage || languages === null, {
      path: ['languages'],
      message: 'needs detectLanguage',
    })
    .prefault({}),
  fetch: z
    .strictObject({
      /**
       * Whom the owners of sites can write to: a mail address or the URL of a page. The open web is not crawled without
       * one, here or in userAgent.
       */
      contact: z.string().min(1).nullable().default(null),
      /** In place of 'gleaner/0.1 (+CONTACT)'; the product token before the first '/' is what robots.txt addresses. */
      userAgent: z.string().min(1).nullable().default(null),
      /** Requests under way at once, over all hosts. */
      concurrency: count.default(128),
      /** Requests besides that have taken more than a second: each holds a socket and little else. */
      maxStalled: z.int().min(0).default(1_024),
      /**
       * Requests under way at once to one registrable domain, at most: one that answers 429 or 503, or takes too long,
       * gets fewer for a while.
       */
      perDomainConcurrency: count.default(4),
      /** Least time from the start of one request to a domain to the next one's. */
      perDomainIntervalMs: z.int().min(0).default(0),
      dns: z
        .strictObject({
          /** Servers to ask, as 9.9.9.9 or 127.0.0.1:5353; none: those of the system. */
          servers: z.array(z.string().min(1)).default([]),
          /** Names asked for at once. */
          concurrency: count.default(256),
          /** For a server's first answer; it is asked twice, the second time for twice as long. */
          timeoutMs: milliseconds.default(2_000),
          /** How long an address is used: its time to live, but at least and at most this. */
          minTtlMs: z.int().min(0).default(60_000),
          maxTtlMs: milliseconds.default(3_600_000),
          /** How long it is believed that there is no such name. */
          negativeTtlMs: z.int().min(0).default(300_000),
          /** Names remembered. */
          cacheEntries: count.default(100_000),
        })
        .prefault({}),
      /** Until a connection stands: its name, TCP and TLS together. */
      connectTimeoutMs: milliseconds.default(10_000),
      firstByteTimeoutMs: milliseconds.default(10_000),
      /** From the start of the request to its last byte: a trickle ends here. */
      totalTimeoutMs: milliseconds.default(30_000),
      /** What one image may spend on waiting for others, within the deadline that follows from all of these. */
      queueTimeoutMs: milliseconds.default(60_000),
      maxBodyBytes: count.default(32 << 20),
      /** Bytes of bodies that are being read, all together; no request begins while they are used up. */
      maxBytesInFlight: count.default(128 << 20),
      /** Head of a response. */
      maxHeaderBytes: count.default(16 << 10),
      maxRedirects: z.int().min(0).default(5),
      /** Further tries, only for what can change: timeouts, resets, DNS servers that fail, 429 and 5xx. */
      retries: z.int().min(0).default(1),
      /** Retries of a worker, as a share of its requests; the first hundred are free. */
      maxRetryShare: z.number().min(0).max(1).default(0.2),
      /** Mean wait before the first retry; it doubles with each. */
      retryBackoffMs: milliseconds.default(500),
      /** Longest Retry-After that is waited for; a domain that asks for more is refused until it is over. */
      maxRetryAfterMs: z.int().min(0).default(5_000),
      /** A host that gives no answer to so many requests in a row is refused, but for a probe now and then. */
      deadAfterFailures: count.default(5),
      /** Time to the first probe; it doubles with each. */
      deadProbeMs: milliseconds.default(60_000),
      /** Refuse servers whose certificate is not valid. False is warned of at every start. */
      verifyTls: z.boolean().default(true),
      /**
       * Ask through this HTTP proxy: its URL, or 'environment' for HTTPS_PROXY, HTTP_PROXY and NO_PROXY. A password in it is
       * not written down: 'gleaner retry' then takes the URL from GLEANER_PROXY.
       */
      proxy: z.string().min(1).nullable().default(null),
      /** Speak HTTP/2 where a server offers it; docs/decisions.md says why not by default. */
      http2: z.boolean().default(false),
      respectRobots: z.boolean().default(true),
      /** X-Robots-Tag noai, noimageai, noindex; TDM-Reservation. */
      respectHeaders: z.boolean().default(true),
      /** Never asked for: hosts with their subdomains, prefixes of URLs, SHA-256 of URLs. */
      optOut: z.array(z.string().min(1)).default([]),
      /** Files with such entries, plain or gzip, one a line, '#' comments. */
      optOutLists: z.array(z.string().min(1)).default([]),
    })
    .prefault({}),
  image: z
    .strictObject({
      /** Bodies with fewer bytes are dropped. LAION-400M: 5,000. */
      minBytes: z.int().min(0).default(0),
      /** Pillow's limit for decompression bombs, which LAION-400M ran under: 89,478,485. */
      maxPixels: count.default(89_478_485),
      /** Images with a shorter side below this, in pixels, are dropped. DataComp's basic filter: 200. */
      minShortestSide: count.nullable().default(null),
      /** Images more elongated than this, longer side by shorter side, are dropped. DataComp's basic filter: 3. */
      maxAspectRatio: z.number().min(1).nullable().default(null),
      formats: z
        .array(z.enum(['jpeg', 'png', 'webp', 'gif', 'avif']))
        .nonempty()
        .default(['jpeg', 'png', 'webp']),
      /** Stored images have at most this shorter side, in pixels; smaller ones keep their size. */
      storeShortestSide: count.default(256),
      /** JPEG quality of stored images, 1 to 100. */
      storeQuality: z.int().min(1).max(100).default(95),
    })
    .prefault({}),
  score: z
    .strictObject({
      /** Pairs with a cosine of image and text below this are dropped. LAION-400M: 0.3. */
      minSimilarity: z.number().min(-1).max(1).nullable().default(null),
      /** Numbers of the model's weights; null takes the first of fp32, fp16 and int8 that its folder has. */
      variant: z.enum(VARIANTS).nullable().default(null),
      /**
       * What the networks are run on; 'auto' takes the best that works. A matter of the machine, not of the recipe: it does not
       * count for recipeHash, but a run keeps to the one that it began with.
       */
      provider: z.enum(PROVIDER_CHOICES).default('cpu'),
      /** Images and texts a call of the model. */
      batchSize: count.default(32),
    })
    .prefault({}),
  safety: z
    .strictObject({
      /** The category set that gives the NSFW classes: a built-in name, or the path of a YAML file. */
      categories: z.string().default('stand-in'),
      dropMinors: z.boolean().default(true),
      dropAnimals: z.boolean().default(true),
      /** Hold UNLIKELY pairs against both too, which LAION-400M did not. */
      dropUnlikely: z.boolean().default(false),
      /**
       * Lists of known content: what is on one is never fetched (url, domain), decoded (md5, sha1, sha256) or embedded
       * (phash), and named nowhere but in a restricted report.
       */
      knownContent: z.array(knownContentSchema).default([]),
      /** Networks that have a say besides the prompts: folders as docs/formats.md describes them. */
      classifiers: z
        .array(
          z.strictObject({
            path: z.string().min(1),
            /** In place of the folder's own, by label: this score or more. */
            thresholds: z.record(z.string(), z.number().min(0).max(1)).default({}),
          }),
        )
        .default([]),
    })
    .prefault({}),
  harvest: z
    .strictObject({
      /** Pairs a task of harvest takes. */
      pairsPerTask: count.default(10_000),
    })
    .prefault({}),
  dedup: z
    .strictObject({
      /** Compressed WAT bytes a hash bucket stands for; decides how many buckets there are. */
      watBytesPerBucket: count.default(256 << 20),
    })
    .prefault({}),
  release: z
    .strictObject({
      /** Parts that metadata, embeddings and images are divided into. LAION-400M: 32 metadata files. */
      parts: count.default(32),
      /** More parts are made where one would have more rows. LAION-400M: 1,000,000 embeddings a file. */
      maxRowsPerPart: count.default(1_000_000),
    })
    .prefault({}),
  /** For README.md and croissant.json alone: what those say who publish a release. `gleaner card` changes it later. */
  card: z
    .strictObject({
      /** Whom to write to about opt-out and takedown: a mail address or the URL of a page. */
      contact: z.string().min(1).nullable().default(null),
      /** Licence of the metadata: an SPDX identifier, as CC-BY-4.0, or a URL. */
      license: z.string().min(1).nullable().default(null),
      /** Day of publication, as 2026-11-21. */
      published: z.iso.date().nullable().default(null),
      /** Of the dataset, as 1.0.0. */
      version: z
        .string()
        .regex(/^\d+\.\d+\.\d+$/, 'is not as 1.0.0')
        .nullable()
        .default(null),
    })
    .prefault({}),
});

/** A recipe with every value filled in. */
export type Recipe = Readonly<z.infer<typeof recipeSchema>>;
/** A recipe as people write it: what is left out takes its default. */
export type RecipeInput = z.input<typeof recipeSchema>;
