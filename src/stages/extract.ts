import { carriesEntities, parseWat, readWarcBatches, type WarcRecord } from '../formats/index.ts';
import { type Dropped, dropped, LedgerCounter, type Pair, pairUid } from '../schema/index.ts';
import { type FilterOptions, pairFilters } from './filters/index.ts';
import { loadLanguageDetector } from './language.ts';
import { pageLicense } from './license.ts';
import { normalizeText, pageBase, resolveImage } from './link.ts';
import { createPairWriter, type PairWriter } from './pair-writer.ts';
import { IMAGE_SOURCE, linkRules } from './rules/index.ts';
import type { StageContext, StageResult } from './stage.ts';
import { shardPath } from './tables.ts';
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
  /** WAT records with a larger payload are dropped, in bytes. */
  readonly maxRecordBytes: number;
}

interface Outputs {
  readonly kept: PairWriter;
  readonly trail: TrailWriter;
}

/** Links that are told of as progress at once: a message for each page would cost more than the page. */
const PROGRESS_LINKS = 2000;

/**
 * Reads one WAT file and writes its pairs: `pairs/NNNNN.parquet`, where each row group is of one hash bucket, in the
 * order of the buckets, rows in the order of the WAT (of a very large WAT, several times over); and `dropped/extract/NNNNN.parquet`, each dropped link that
 * has a text. Links without a text are counted only.
 *
 * Ledgers: record (metadata records; a damaged stretch of the file counts as one), link (images), pair (images with
 * a text and a good URL). Facts: rows.
 *
 * Memory: 64 MB of pairs at most, whatever the WAT, and the largest record.
 * @throws GleanerError FILE_NOT_FOUND, NOT_WARC, FILE_UNREADABLE at a blocklist
 */
export async function extract(
  task: ExtractTask,
  options: ExtractOptions,
  open: (path: string) => AsyncIterable<Uint8Array>,
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
  let rows = 0;
  let untold = 0;

  const files = await writeFiles(
    ctx.storage,
    [shardPath('pairs', task.index), shardPath('dropped/extract', task.index)],
    async ([pairSink, trailSink]) => {
      if (!pairSink || !trailSink) throw new Error('a sink for each file');
      const out = { kept: createPairWriter(pairSink, task.buckets), trail: createTrailWriter(trailSink) };
      const source = readWarcBatches(open(task.wat), {
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
      await out.trail.finish();
      await out.kept.finish();
    },
  );
  const ledgers = { record: records.ledger(), link: links.ledger(), pair: pairs.ledger() };
  return { files, ledgers, facts: { rows } };

  function readPage(record: WarcRecord, decodeEntities: boolean, { kept, trail }: Outputs): void {
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
    const base = pageBase(page);
    const license = pageLicense(page);
    const pageUrl = page.url.toWellFormed();
    const wat = `${name}#${record.offset}`;
    const drop = (pair: Pair, { reason, detail }: Dropped) =>
      trail.add({ ...pair, reason, detail, similarity: null });
    for (const image of images) {
      links.in();
      const text = normalizeText(image.alt ?? '', options.repairMojibake);
      if (text === '') {
        links.drop('no_text');
        continue;
      }
      const url = resolveImage(image.url, base);
      const address = url.kept ? url.value : (image.url ?? '').toWellFormed();
      const refused = url.kept ? refuse(address, text) : undefined;
      // Told last: what another filter refuses need not be told.
      const language = url.kept && !refused ? (detect?.(text).language ?? 'und') : 'und';
      const pair: Pair = {
        uid: pairUid(address, text),
        url: address,
        text,
        pageUrl,
        wat,
        license,
        language,
      };
      if (!url.kept) {
        links.drop(url.reason);
        drop(pair, url);
        continue;
      }
      links.out();
      pairs.in();
      const outcome =
        refused ?? (languages && !languages.has(language) ? dropped('language', language) : undefined);
      if (outcome) {
        pairs.drop(outcome.reason);
        drop(pair, outcome);
        continue;
      }
      pairs.out();
      rows++;
      kept.add(pair);
    }
    untold += images.length;
    if (untold >= PROGRESS_LINKS) tell();
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
