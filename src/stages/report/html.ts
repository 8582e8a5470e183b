/** Markup that is safe to put into a page. Only `html` makes it: anything else is text and is escaped. */
export class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
  toString(): string {
    return this.markup;
  }
}

export type Child = Html | string | number | readonly Child[];

/** A template of markup. Values are escaped, for text and for quoted attributes alike, unless they are `Html`. */
export function html(parts: TemplateStringsArray, ...values: readonly Child[]): Html {
  return new Html(String.raw({ raw: parts }, ...values.map(render)));
}

function render(child: Child): string {
  if (child instanceof Html) return child.markup;
  if (typeof child === 'string') return escapeHtml(child);
  if (typeof child === 'number') return String(child);
  return child.map(render).join('');
}

/** Text of strangers: its direction marks and unclosed embeddings end with it. */
export function foreign(text: string): Html {
  return html`<bdi dir="auto">${text}</bdi>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** For text and quoted attributes. Controls that HTML does not allow, and lone surrogates, become U+FFFD. */
function escapeHtml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}]/gu, (c) => (c === '\n' || c === '\t' ? c : '\u{fffd}'))
    .replace(/[&<>"'`]/g, (c) => ENTITIES[c] ?? c);
}
