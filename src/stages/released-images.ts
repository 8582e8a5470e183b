import { type ColumnValues, createTarWriter, stringsOf } from '../formats/index.ts';
import type { ByteSink } from '../storage/index.ts';
import type { StretchReader } from './checked-stream.ts';
import { KEY_DIGITS } from './released.ts';
import { type ColumnsByName, type SampleColumn, SampleJson } from './sample-json.ts';

/** Columns of a harvested shard that the tars are made of. */
type ImageColumn = SampleColumn | 'text' | 'image_offset' | 'image_bytes';

/** Writes the webdataset tar of a part: KEY.jpg, KEY.json and KEY.txt of each row. */
export class ReleasedImages {
  readonly #tar: ReturnType<typeof createTarWriter>;
  readonly #json = new SampleJson();

  constructor(sink: ByteSink) {
    this.#tar = createTarWriter(sink);
  }

  /**
   * @param sampleIds of the rows, one for each
   * @param images the shard's tar, from which each row's image is taken in turn
   */
  async add(
    columns: ColumnsByName<ImageColumn>,
    sampleIds: BigInt64Array,
    images: StretchReader,
  ): Promise<void> {
    this.#json.use(columns);
    const offsets = view(columns.image_offset);
    const sizes = view(columns.image_bytes);
    const { strings, indices } = stringsOf(columns.text);
    for (let row = 0; row < sampleIds.length; row++) {
      const sampleId = Number(sampleIds[row]);
      const key = String(sampleId).padStart(KEY_DIGITS, '0');
      const [start, size] = [Number(offsets.getBigInt64(8 * row, true)), sizes.getInt32(4 * row, true)];
      await this.#tar.add(`${key}.jpg`, images.here(start, size) ?? (await images.take(start, size)));
      await this.#tar.add(`${key}.json`, this.#json.write(row, sampleId, key));
      const text = indices ? (indices[row] ?? 0) : row;
      await this.#tar.add(
        `${key}.txt`,
        strings.bytes.subarray((strings.offsets[text] ?? 0) + 4, strings.offsets[text + 1]),
      );
    }
  }

  async finish(): Promise<void> {
    await this.#tar.finish();
  }
}

function view(values: ColumnValues): DataView {
  if (values.kind !== 'fixed') throw new Error(`numbers were expected, not ${values.kind} values`);
  return new DataView(values.bytes.buffer, values.bytes.byteOffset, values.bytes.length);
}
