// Controls, and the marks that turn the direction of text (Unicode Standard Annex 9): in a plain file nothing ends
// what they begin, so they are shown as U+FFFD.
const UNSEEN = /[\p{Cc}\u{200e}\u{200f}\u{061c}\u{2028}-\u{202e}\u{2066}-\u{2069}]/gu;

function plain(text: string): string {
  return text.toWellFormed().replace(/\s+/g, ' ').replace(UNSEEN, '\u{fffd}').trim();
}

/**
 * Text as running text, for CommonMark with GitHub's extensions: what could begin markup, HTML, a link (of brackets,
 * by scheme or www), a formula or a list is escaped; the rest reads as it is. A mail address stays one: GitHub's
 * renderer makes it a link however it is escaped.
 */
export function escapeMarkdown(text: string): string {
  return plain(text)
    .replace(/[\\`*_[\]<>#&|~!$^]/g, '\\$&')
    .replace(/:(?=\/\/)/g, '\\:')
    .replace(/(?<=www)\./gi, '\\.')
    .replace(/^[-+=:]|(?<=^\d+)[.)]/, '\\$&');
}

/** Text as a code span, in which nothing is markup: good in a table too. */
export function codeSpan(text: string): string {
  const content = plain(text);
  if (content === '') return '–';
  const longest = Math.max(0, ...[...content.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const pad = content.startsWith('`') || content.endsWith('`') ? ' ' : '';
  return `${fence}${pad}${content.replaceAll('|', '\\|')}${pad}${fence}`;
}

/** A table of GitHub's kind. Cells are Markdown already. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
