import { carriesEntities, parseWat, readWarcBatches, type WarcRecord } from '../formats/index.ts';
import type { KnownContent } from '../safety/index.ts';
import {
  type Dropped,
  dropped,
  LedgerCounter,
  type Outcome,
  type Pair,
  pairUid,
  type Reason,
} from '../schema/index.ts';
import { type FilterOptions, pairFilters } from './filters/index.ts';
import { type KnownEntry, UNNAMED, writeKnownContent } from './known-content.ts';
import { loadLanguageDetector, UNDETERMINED } from './language.ts';
import { pageLicense } from './license.ts';
import { normalizeText, type PageBase, pageBase, resolveImage } from './link.ts';
import { createPairWriter, type PairWriter } from './pair-writer.ts';
import { IMAGE_SOURCE, type ImageLink, linkRules } from './rules/index.ts';
import type { StageContext, StageResult } from './stage.ts';
import { knownContentReport, shardPath } from './tables.ts';
import { createTrailWriter, type TrailWriter } from './trail.ts';
import { writeFiles } from './write-file.ts';

export interface ExtractTask {
  /** Path or URL of the WAT file, as the user gave it. */
  readonly wat: string;
  readonly index: number;
  /** Hash buckets that the pairs are parted into: the same number for all tasks of a run. */
  readonly buckets: number;
}

export interface ExtractOptions extends FilterOptions {
  /** ISO 639-1 codes that are kept; null: every language. */
  readonly languages: readonly string[] | null;
  /** Whether the language of texts is told. Where not, it is 'und', and `languages` has to be null. @default true */
  readonly detectLanguage?: boolean;
  /** Where images are looked for: element and attribute, as 'IMG@/src', or 'og:image'. @default ['IMG@/src'] */
  readonly links?: readonly string[];
  /** Mend texts whose UTF-8 was read as Windows-1252: `cafÃ©`. @default false */
  readonly repairMojibake?: boolean;
  /** Lists of URLs and domains of which nothing is said, but in a restricted report. */
  readonly known?: Pick<KnownContent, 'refuseUrl'> | undefined;
  /** WAT records with a larger payload are dropped, in bytes. */
  readonly maxRecordBytes: number;
}

/** What all pairs of a page share. */
interface PageFacts extends Pick<Pair, 'pageUrl' | 'wat' | 'license'> {
  readonly base: PageBase | undefined;
}

interface Outputs {
  readonly kept: PairWriter;
  readonly trail: TrailWriter;
}

/** Links that are told of as progress at once: a message for each page would cost more than the page. */
const PROGRESS_LINKS = 2000;

/**
 * Reads one WAT file and writes its pairs: `pairs/NNNNN.parquet`, where each row group is of one hash bucket, in the
 * order of the buckets, rows in the order of the WAT (of a very large WAT, several times over); and
 * `dropped/extract/NNNNN.parquet`, each dropped link that has a text. Links without a text are counted only. Where URLs or
 * domains of known content were found, `known-content/NNNNN.jsonl`; the trail then has rows that say their reason alone.
 *
 * Ledgers: record (metadata records; a damaged stretch of the file counts as one), link (images), pair (images with
 * a text and a good URL). Facts: rows.
 *
 * Memory: 64 MB of pairs at most, whatever the WAT, and the largest record.
 * @param open gives the bytes of a file; with `passing`, each chunk need be good only until the next is asked for
 * @throws GleanerError FILE_NOT_FOUND, NOT_WARC, FILE_UNREADABLE at a blocklist
 */
export async function extract(
  task: ExtractTask,
  options: ExtractOptions,
  open: (path: string, options?: { readonly passing?: boolean }) => AsyncIterable<Uint8Array>,
  ctx: StageContext,
): Promise<StageResult> {
  const filters = await pairFilters(options, open);
  const detect = options.detectLanguage === false ? undefined : await loadLanguageDetector();
  const languages = options.languages && new Set(options.languages);
  const { links: rules = [IMAGE_SOURCE] } = options;
  const findImages = linkRules(rules);
  const imagesOnly = rules.every((rule) => rule === IMAGE_SOURCE);
  const name = baseName(task.wat);
  const records = new LedgerCounter();
  const links = new LedgerCounter();
  const pairs = new LedgerCounter();
  const known: KnownEntry[] = [];
  const unnamed = new Map<Reason, number>();
  let rows = 0;
  let untold = 0;

  const files = await writeFiles(
    ctx.storage,
    [shardPath('pairs', task.index), shardPath('dropped/extract', task.index)],
    async ([pairSink, trailSink]) => {
      if (!pairSink || !trailSink) throw new Error('a sink for each file');
      const out = { kept: createPairWriter(pairSink, task.buckets), trail: createTrailWriter(trailSink) };
      const source = readWarcBatches(open(task.wat, { passing: true }), {
        path: task.wat,
        fileKind: 'WAT',
        maxRecordBytes: options.maxRecordBytes,
        passing: true,
      });
      let decodeEntities = false;
      for await (const batch of source) {
        ctx.signal.throwIfAborted();
        for (const entry of batch)
          if (entry.kind === 'damage') {
            records.in();
            records.drop(entry.reason);
          } else if (entry.type === 'warcinfo') decodeEntities = carriesEntities(entry);
          else if (entry.type === 'metadata') readPage(entry, decodeEntities, out);
        if (out.kept.full) await out.kept.flush();
        if (out.trail.full) await out.trail.flush();
      }
      tell();
      // At the end, so that their place does not say which links they were.
      for (const [reason, count] of unnamed)
        for (let n = 0; n < count; n++) {
          out.trail.add({ ...UNNAMED, reason });
          if (out.trail.full) await out.trail.flush();
        }
      await out.trail.finish();
      await out.kept.finish();
    },
  );
  const report = knownContentReport(task.index);
  if (known.length > 0) files.push(await writeKnownContent(ctx.storage, report, known));
  const ledgers = { record: records.ledger(), link: links.ledger(), pair: pairs.ledger() };
  return { files, ledgers, facts: { rows } };

  function readPage(record: WarcRecord, decodeEntities: boolean, out: Outputs): void {
    records.in();
    const parsed = parseWat(record.payload, { decodeEntities, imagesOnly });
    if (!parsed.kept) {
      records.drop(parsed.reason);
      return;
    }
    records.out();
    const page = parsed.value;
    const images = findImages(page);
    if (images.length === 0) return;
    const from: PageFacts = {
      base: pageBase(page),
      pageUrl: page.url.toWellFormed(),
      wat: `${name}#${record.offset}`,
      license: pageLicense(page),
    };
    for (const image of images) readImage(image, from, out);
    untold += images.length;
    if (untold >= PROGRESS_LINKS) tell();
  }

  function readImage({ url: written, alt = '' }: ImageLink, from: PageFacts, { kept, trail }: Outputs): void {
    links.in();
    const text = normalizeText(alt, options.repairMojibake);
    if (text === '') {
      links.drop('no_text');
      return;
    }
    const resolved = resolveImage(written, from.base);
    const url = resolved.kept ? resolved.value : (written ?? '').toWellFormed();
    const listed = options.known?.refuseUrl(url, from.pageUrl);
    if (listed) {
      dropUnnamed(listed, resolved, pairUid(url, text));
      return;
    }
    let outcome = resolved.kept ? refuse(url, text) : resolved;
    // Told last: what another filter refuses need not be told.
    const { language, confidence } = (!outcome && detect?.(text)) || UNDETERMINED;
    if (!outcome && languages && !languages.has(language)) outcome = dropped('language', language);
    const { pageUrl, wat, license } = from;
    const uid = pairUid(url, text);
    const pair: Pair = { uid, url, text, pageUrl, wat, license, language, languageConfidence: confidence };
    if (resolved.kept) {
      links.out();
      pairs.in();
    }
    if (outcome) {
      (resolved.kept ? pairs : links).drop(outcome.reason);
      trail.add({ ...pair, reason: outcome.reason, detail: outcome.detail, similarity: null });
      return;
    }
    pairs.out();
    rows++;
    kept.add(pair);
  }

  /** A link whose URL, page or domain is on a list: nothing is written of it, here or later. */
  function dropUnnamed({ detail }: Dropped, resolved: Outcome<string>, uid: string): void {
    const reason = resolved.kept ? 'known_url' : resolved.reason;
    unnamed.set(reason, (unnamed.get(reason) ?? 0) + 1);
    if (!resolved.kept) {
      links.drop(reason);
      return;
    }
    links.out();
    pairs.in();
    pairs.drop(reason);
    known.push({ id: uid, detail });
  }

  function tell(): void {
    ctx.progress(untold);
    untold = 0;
  }

  function refuse(url: string, text: string): Dropped | undefined {
    for (const filter of filters) {
      const outcome = filter({ url, text });
      if (outcome) return outcome;
    }
    return undefined;
  }
}

/** Last part of a path or URL. */
function baseName(path: string): string {
  return (
    path
      .split(/[?#]/, 1)[0]
      ?.split(/[\\/]/)
      .findLast((part) => part !== '') ?? path
  );
}
