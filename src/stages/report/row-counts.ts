import type { ColumnGroup, StringColumn } from './column-groups.ts';
import { ASPECT_SCALE, DistributionCounter, INTEGER_SCALE, SIMILARITY_SCALE } from './distribution.ts';
import { hostOf } from './host.ts';
import { clampCosine, shareOf } from './numbers.ts';
import type { SizeCount } from './statistics.ts';
import type { SweepCounter } from './sweep.ts';
import { ValueCounter } from './tally.ts';

/** Columns of few values, each with its counter. */
const TALLIED = ['language', 'LICENSE', 'NSFW', 'format'] as const;
type Tallied = (typeof TALLIED)[number];

/** All that is counted of the released rows, a row group at a time. */
export class RowCounts {
  n = 0;
  readonly similarity = new DistributionCounter(SIMILARITY_SCALE);
  readonly width = new DistributionCounter(INTEGER_SCALE);
  readonly height = new DistributionCounter(INTEGER_SCALE);
  readonly aspect = new DistributionCounter(ASPECT_SCALE);
  readonly textLength = new DistributionCounter(INTEGER_SCALE);
  readonly host = new ValueCounter();
  readonly tallied: Readonly<Record<Tallied, ValueCounter>> = {
    language: new ValueCounter(),
    LICENSE: new ValueCounter(),
    NSFW: new ValueCounter(),
    format: new ValueCounter(),
  };
  readonly #sweep: SweepCounter;
  /** The table of https://laion.ai/blog/laion-400-open-dataset/, largest first. */
  readonly #sizes = [1024, 512, 256].flatMap((minSide) => [
    { minSide, sides: 'either' as const, title: `height or width ≥ ${minSide}`, count: 0 },
    { minSide, sides: 'both' as const, title: `height and width ≥ ${minSide}`, count: 0 },
  ]);

  constructor(sweep: SweepCounter) {
    this.#sweep = sweep;
  }

  /** @throws GleanerError DAMAGED */
  async add(group: ColumnGroup): Promise<void> {
    this.n += group.rows;
    this.#addSizes(await group.numbers('WIDTH'), await group.numbers('HEIGHT'));
    const texts = await group.strings('TEXT');
    for (let row = 0; row < group.rows; row++) this.textLength.add(countUtf8Chars(texts.bytes(row)));
    texts.done();
    await this.#addUrls(group, (host) => this.host.add(host));
    const codes = await this.#codes(group, TALLIED);
    for (const name of TALLIED) codes[name].tally((value, times) => this.tallied[name].add(value, times));
    const similarity = await group.numbers('similarity');
    for (let row = 0; row < group.rows; row++) {
      const cosine = clampCosine(similarity[row] ?? 0);
      this.similarity.add(cosine);
      this.#sweep.add(cosine, codes.language.at(row), codes.NSFW.at(row));
    }
  }

  /** Whether some column has more different values than are counted at once: see `ValueCounter`. */
  get overflowed(): boolean {
    return this.#counters().some((counter) => counter.overflowed);
  }

  beginRecount(): void {
    for (const counter of this.#counters()) if (counter.overflowed) counter.beginRecount();
  }

  async recount(group: ColumnGroup): Promise<void> {
    if (this.host.overflowed) await this.#addUrls(group, (host) => this.host.recount(host));
    const names = TALLIED.filter((name) => this.tallied[name].overflowed);
    const codes = await this.#codes(group, names);
    for (const name of names) codes[name].tally((value, times) => this.tallied[name].recount(value, times));
  }

  sizes(): readonly SizeCount[] {
    return this.#sizes.map((size) => ({ ...size, share: shareOf(size.count, this.n) }));
  }

  #addSizes(widths: Float64Array, heights: Float64Array): void {
    for (let row = 0; row < widths.length; row++) {
      const [width, height] = [widths[row] ?? 0, heights[row] ?? 0];
      this.width.add(width);
      this.height.add(height);
      this.aspect.add(width / height);
      for (const size of this.#sizes) {
        const side = size.sides === 'both' ? Math.min(width, height) : Math.max(width, height);
        if (side >= size.minSide) size.count++;
      }
    }
  }

  async #addUrls(group: ColumnGroup, count: (host: string) => void): Promise<void> {
    const urls = await group.strings('URL');
    for (let row = 0; row < group.rows; row++) count(hostOf(urls.bytes(row)));
    urls.done();
  }

  async #codes<N extends Tallied>(group: ColumnGroup, names: readonly N[]): Promise<Record<N, Codes>> {
    const codes: Partial<Record<N, Codes>> = {};
    for (const name of names) {
      const column = await group.strings(name);
      codes[name] = new Codes(column);
      column.done();
    }
    return codes as Record<N, Codes>;
  }

  #counters(): readonly ValueCounter[] {
    return [this.host, ...Object.values(this.tallied)];
  }
}

/** A column of few values, counted. */
class Codes {
  readonly #values: readonly string[];
  readonly #codes: Uint32Array;

  constructor(column: StringColumn) {
    const { values, codes } = column.codes();
    this.#values = values;
    this.#codes = codes;
  }

  at(row: number): string {
    return this.#values[this.#codes[row] ?? 0] ?? '';
  }

  tally(count: (value: string, times: number) => void): void {
    const times = new Float64Array(this.#values.length);
    for (const code of this.#codes) times[code] = (times[code] ?? 0) + 1;
    for (const [code, value] of this.#values.entries()) count(value, times[code] ?? 0);
  }
}

/** Number of Unicode characters in UTF-8: of bytes that begin one. */
function countUtf8Chars(bytes: Uint8Array): number {
  let n = 0;
  for (let i = 0; i < bytes.length; i++) if (((bytes[i] ?? 0) & 0xc0) !== 0x80) n++;
  return n;
}
