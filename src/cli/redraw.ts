/** Some lines at the foot of a terminal that are drawn again and again in their place. */
export class Redraw {
  readonly #out: NodeJS.WriteStream;
  #height = 0;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
  }

  draw(lines: readonly string[]): void {
    const { rows = 24, columns = 80 } = this.#out;
    // What has left the upper edge, and lines that wrap, could not be drawn anew.
    const room = Math.max(2, rows - 1);
    const shown =
      lines.length > room ? [...lines.slice(0, room - 1), `… ${lines.length - room + 1} lines more`] : lines;
    const up = this.#height > 0 ? `\x1b[${this.#height}A` : '';
    const text = shown.map((line) => `\x1b[2K${line.slice(0, Math.max(1, columns - 1))}\n`).join('');
    this.#out.write(`${up}\r${text}\x1b[J`);
    this.#height = shown.length;
  }
}
