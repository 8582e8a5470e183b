import type { ComponentChildren } from 'preact';

interface Props {
  readonly label: string;
  readonly head: readonly ComponentChildren[];
  /** Of few columns: not as wide as the page. @default false */
  readonly slim?: boolean;
  /** How many columns, from the first, are text: the others are figures. @default 1 */
  readonly texts?: number;
  readonly rows: readonly (readonly ComponentChildren[])[];
}

/** A table that scrolls in its own frame where the page is narrow; its first column names the rows. */
export function Table({ label, head, rows, slim = false, texts = 1 }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard.
    <section class={slim ? 'scroll slim' : 'scroll'} tabIndex={0} aria-label={label}>
      <table>
        <thead>
          <tr>
            {head.map((cell, c) => (
              <th key={c} scope="col" class={c < texts ? 'text' : undefined}>
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, r) => (
            <tr key={r}>
              {cells.map((cell, c) =>
                c === 0 ? (
                  <th key={c} scope="row">
                    {cell}
                  </th>
                ) : (
                  <td key={c} class={c < texts ? 'text' : undefined}>
                    {cell}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
