import { describe, expect, it } from 'vitest';
import { Redraw } from '../../src/cli/redraw.ts';

const ESCAPE = '\x1b';
const PIECES = new RegExp(
  `${ESCAPE}\\[(\\d+)A|${ESCAPE}\\[2K|${ESCAPE}\\[J|\\r|\\n|[^${ESCAPE}\\r\\n]+`,
  'g',
);

/** As much of a terminal as is needed: rows of text, a cursor, and what ECMA-48 says of CUU, EL and ED. */
class Terminal {
  readonly isTTY = true;
  readonly rows: number;
  readonly columns: number;
  readonly lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(rows: number, columns: number) {
    this.rows = rows;
    this.columns = columns;
  }

  write(text: string): boolean {
    for (const [piece, up] of text.matchAll(PIECES)) {
      if (up !== undefined) {
        // The cursor stops at the upper edge: what has scrolled away is out of reach.
        this.#row = Math.max(this.lines.length - this.rows, this.#row - Number(up));
      } else if (piece === '\x1b[2K') this.lines[this.#row] = '';
      else if (piece === '\x1b[J') this.lines.splice(this.#row, Number.POSITIVE_INFINITY, '');
      else if (piece === '\r') this.#column = 0;
      else if (piece === '\n') {
        this.#row++;
        this.#column = 0;
        this.lines[this.#row] ??= '';
      } else {
        if (this.#column + piece.length > this.columns) throw new Error('a line wraps');
        const line = (this.lines[this.#row] ?? '').padEnd(this.#column);
        this.lines[this.#row] = line.slice(0, this.#column) + piece + line.slice(this.#column + piece.length);
        this.#column += piece.length;
      }
    }
    return true;
  }
}

const stream = (terminal: Terminal) => terminal as unknown as NodeJS.WriteStream;

describe('lines that are drawn in their place', () => {
  it('are the last ones, whatever stood there', () => {
    const terminal = new Terminal(24, 80);
    terminal.write('$ gleaner status\n');
    const redraw = new Redraw(stream(terminal));
    for (const frame of [['one'], ['a longer one', 'two', 'three'], ['four', 'x']]) {
      redraw.draw(frame);
      expect(terminal.lines).toEqual(['$ gleaner status', ...frame, '']);
    }
  });

  it('never leave the window, nor wrap', () => {
    const terminal = new Terminal(5, 20);
    const redraw = new Redraw(stream(terminal));
    const frame = (n: number) => Array.from({ length: n }, (_, i) => `line ${i} ${'x'.repeat(40)}`);
    redraw.draw(frame(30));
    redraw.draw(frame(30));
    expect(terminal.lines).toEqual([
      'line 0 xxxxxxxxxxxx',
      'line 1 xxxxxxxxxxxx',
      'line 2 xxxxxxxxxxxx',
      '… 27 lines more',
      '',
    ]);
    redraw.draw(['short']);
    expect(terminal.lines).toEqual(['short', '']);
  });
});
