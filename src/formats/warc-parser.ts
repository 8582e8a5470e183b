import { StreamWindow } from './stream-window.ts';
import { parseHeader } from './warc-header.ts';
import type { WarcDamage, WarcRecord } from './warc-record.ts';
import { onlyRecord } from './warc-whole.ts';

/** Longest header of a record, in bytes: real ones have a few hundred, long URLs a few thousand. */
const MAX_HEADER_BYTES = 64 << 10;
const LF = 0x0a;
const CR = 0x0d;
const MARK = new TextEncoder().encode('WARC/');

export interface ParserOptions {
  readonly maxRecordBytes: number;
  /** A gzip file gives its records member by member; in a plain one a record's offset is its own. */
  readonly plain: boolean;
}

/** Where a record begins. */
interface Place {
  readonly offset: number;
  readonly skip: number;
}

/** A record that is complete but is not believed before something fitting follows it. */
interface Held {
  readonly record: WarcRecord;
  /** Position of its first payload byte. */
  readonly payloadStart: number;
}

/**
 * Cuts a stream of bytes, pushed in any portions, into WARC records. Synchronous: the caller empties `out` after
 * each push.
 *
 * A record is given out when what follows it fits: the next `WARC/` line, or a good end. If something else follows,
 * its length was wrong; it is reported, and reading goes on at the next `WARC/` line after its header.
 */
export class WarcParser {
  readonly out: (WarcRecord | WarcDamage)[] = [];
  /** Whether the stream has begun with something that is no WARC record: the file is none. */
  foreign = false;
  #started = false;
  readonly #options: ParserOptions;

  readonly #window = new StreamWindow();
  /** Position of what is parsed next. */
  #cursor = 0;

  /** Offset of the member, or of the file in a plain one, and the position at which it begins. */
  #member = 0;
  #memberStart = 0;

  #state: 'between' | 'record' | 'skip' | 'resync' = 'between';
  #place: Place = { offset: 0, skip: 0 };
  #held: Held | undefined;
  #skipLeft = 0;
  /** No use in parsing before the window reaches to here. */
  #need = 0;
  #fresh = false;
  /** Reading goes on at a guess since the last damage: what fails of it is no damage of its own. */
  #guessing = false;
  /** The current member is reported already. */
  #reported = false;

  constructor(options: ParserOptions) {
    this.#options = options;
  }

  /**
   * Lets go of what was pushed, unless a record that is not whole yet has its beginning there.
   * @returns whether nothing of it will be looked at again, but for what `out` has
   */
  release(): boolean {
    if (!this.#idle) return false;
    this.#window.clear();
    return true;
  }

  get #idle(): boolean {
    return this.#state === 'between' && this.#cursor === this.#window.end && !this.#held;
  }

  /** A member begins, or the file does. */
  begin(offset: number): void {
    this.#member = offset;
    this.#memberStart = this.#window.end;
    this.#fresh = true;
    this.#reported = false;
  }

  /** A whole, good member. */
  member(offset: number, bytes: Uint8Array): void {
    const record = this.#idle ? onlyRecord(offset, bytes, this.#options.maxRecordBytes) : undefined;
    if (record) {
      this.#started = true;
      this.#guessing = false;
      this.out.push(record);
      return;
    }
    this.begin(offset);
    this.push(bytes);
    this.end();
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#fresh) {
      this.#fresh = false;
      // A member that begins with a record ends whatever was still open, even if its length says otherwise.
      if (this.#state !== 'between' && startsWithMark(bytes, 0)) this.#abandon('length');
    }
    this.#window.append(bytes);
    if (this.#window.end >= this.#need) this.#parse(false);
  }

  /** The member or the file ends. If it is damaged, what is still open of it is lost. */
  end(problem?: string): void {
    if (problem === undefined) {
      this.#parse(true);
      return;
    }
    if (this.#open && !this.#guessing) this.#damage(this.#open, problem);
    else if (!this.#reported) this.#damage({ offset: this.#member, skip: 0 }, problem);
    this.#forget();
    this.#state = 'resync';
  }

  /** The last good end was that of the file. */
  close(): void {
    if (this.#state === 'between' && this.#cursor < this.#window.end) {
      this.#release();
      this.#damage(this.#here(), 'cut off');
    }
    while (this.#state === 'record') {
      if (!this.#guessing) this.#damage(this.#place, 'cut off');
      this.#resyncFrom(this.#cursor + MARK.length);
      this.#parse(true);
    }
  }

  /** The record that is open, if one is. */
  get #open(): Place | undefined {
    return this.#held || this.#state === 'record' ? this.#place : undefined;
  }

  /** The place of the next byte to be parsed. */
  #here(): Place {
    const at = this.#cursor - this.#memberStart;
    return this.#options.plain ? { offset: this.#member + at, skip: 0 } : { offset: this.#member, skip: at };
  }

  #damage(place: Place, detail: string): void {
    this.out.push({ kind: 'damage', offset: place.offset, reason: 'record_corrupt', detail });
    this.#reported = true;
  }

  #abandon(problem: string): void {
    if (this.#open) this.#damage(this.#open, problem);
    this.#forget();
    this.#state = 'between';
  }

  #forget(): void {
    this.#held = undefined;
    this.#goOnAt(this.#window.end);
    this.#need = 0;
  }

  /** Parses as far as the bytes go. `final`: no more will come of this member or file. */
  #parse(final: boolean): void {
    for (;;) {
      const more =
        this.#state === 'between'
          ? this.#between(final)
          : this.#state === 'record'
            ? this.#record()
            : this.#state === 'skip'
              ? this.#skip()
              : this.#resync();
      if (!more) return;
    }
  }

  /** Before a record: line ends, then `WARC/`. */
  #between(final: boolean): boolean {
    const bytes = this.#window.view(this.#cursor);
    let lineEnds = 0;
    while (lineEnds < bytes.length && isLineEnd(bytes[lineEnds])) lineEnds++;
    this.#cursor += lineEnds;
    if (!this.#held) this.#window.keepFrom(this.#cursor);
    const ahead = bytes.subarray(lineEnds);
    if (ahead.length === 0) {
      if (final) this.#release();
      return false;
    }
    if (ahead.length < MARK.length && startsLikeMark(ahead)) {
      this.#need = this.#cursor + MARK.length;
      return false;
    }
    if (startsWithMark(ahead, 0)) {
      this.#release();
      this.#started = true;
      this.#place = this.#here();
      this.#state = 'record';
      return true;
    }
    if (!this.#started) this.foreign = true;
    if (this.#held) {
      const { payloadStart } = this.#held;
      this.#damage(this.#place, 'length');
      this.#resyncFrom(payloadStart);
    } else {
      this.#damage(this.#here(), 'no record');
      this.#resyncFrom(this.#cursor);
    }
    return true;
  }

  /** Gives out the record whose end has proved good. */
  #release(): void {
    if (this.#held) this.out.push(this.#held.record);
    this.#held = undefined;
    this.#window.keepFrom(this.#cursor);
  }

  /** At a `WARC/` line: the header, then the payload. */
  #record(): boolean {
    const { end } = this.#window;
    const limit = Math.min(end, this.#cursor + MAX_HEADER_BYTES);
    const header = parseHeader(this.#window.view(this.#cursor, limit));
    if (header === 'incomplete') {
      this.#need = end + 1;
      if (limit === end) return false;
    }
    if (header === 'incomplete' || header === 'illegal') {
      if (!this.#guessing) this.#damage(this.#place, 'header');
      this.#resyncFrom(this.#cursor + MARK.length);
      return true;
    }
    this.#guessing = false;
    const payloadStart = this.#cursor + header.length;
    const { contentLength } = header;
    if (contentLength > this.#options.maxRecordBytes) {
      const { offset } = this.#place;
      this.out.push({ kind: 'damage', offset, reason: 'record_too_large', detail: `${contentLength} bytes` });
      this.#goOnAt(payloadStart);
      this.#reported = true;
      this.#skipLeft = contentLength;
      this.#state = 'skip';
      return true;
    }
    const payloadEnd = payloadStart + contentLength;
    if (payloadEnd > end) {
      this.#need = payloadEnd;
      return false;
    }
    this.#held = {
      record: {
        kind: 'record',
        ...this.#place,
        type: (header.fields.get('warc-type') ?? '').toLowerCase(),
        headers: header.fields,
        payload: this.#window.view(payloadStart, payloadEnd),
      },
      payloadStart,
    };
    this.#cursor = payloadEnd;
    this.#state = 'between';
    return true;
  }

  #skip(): boolean {
    const n = Math.min(this.#skipLeft, this.#window.end - this.#cursor);
    this.#skipLeft -= n;
    this.#goOnAt(this.#cursor + n);
    if (this.#skipLeft > 0) return false;
    this.#state = 'between';
    return true;
  }

  /** Looks for the next `WARC/` that begins a line. */
  #resync(): boolean {
    const bytes = this.#window.view(this.#cursor);
    for (let at = 0; ; at++) {
      at = bytes.indexOf(MARK[0] ?? 0, at);
      if (at < 0) break;
      if (at + MARK.length > bytes.length && startsLikeMark(bytes.subarray(at))) {
        this.#goOnAt(this.#cursor + at);
        this.#need = this.#cursor + MARK.length;
        return false;
      }
      const lineStart = at === 0 || bytes[at - 1] === LF;
      if (lineStart && startsWithMark(bytes, at)) {
        this.#goOnAt(this.#cursor + at);
        this.#state = 'between';
        return true;
      }
    }
    this.#goOnAt(this.#window.end);
    return false;
  }

  /** Parses from a position on; nothing before it is wanted. */
  #goOnAt(position: number): void {
    this.#cursor = position;
    this.#window.keepFrom(position);
  }

  #resyncFrom(position: number): void {
    this.#held = undefined;
    this.#goOnAt(position);
    this.#need = 0;
    this.#state = 'resync';
    this.#guessing = true;
  }
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === LF || byte === CR;
}

function startsWithMark(bytes: Uint8Array, at: number): boolean {
  if (bytes.length - at < MARK.length) return false;
  for (let i = 0; i < MARK.length; i++) if (bytes[at + i] !== MARK[i]) return false;
  return true;
}

/** Whether these few bytes can become the mark. */
function startsLikeMark(bytes: Uint8Array): boolean {
  return bytes.every((byte, i) => byte === MARK[i]);
}
