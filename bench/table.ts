/** A line of a Markdown table, as docs/benchmarks.md has them. */
export function row(...cells: readonly (string | number)[]): void {
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

/** The names of a table's columns, after a blank line. */
export function head(...cells: readonly string[]): void {
  process.stdout.write('\n');
  row(...cells);
  row(...cells.map(() => '---'));
}
