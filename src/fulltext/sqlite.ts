import type { DatabaseSync } from 'node:sqlite';

/** What Node 22 and 24 say when it is loaded; later ones say nothing. */
const EXPERIMENTAL = 'SQLite is an experimental feature';

let loaded: typeof import('node:sqlite') | undefined;

/** Opens a database with the SQLite that is built into Node, without the warning that it is. */
export function openSqlite(path: string | URL, options: { readonly readOnly?: boolean } = {}): DatabaseSync {
  loaded ??= load();
  return new loaded.DatabaseSync(path, options);
}

function load(): typeof import('node:sqlite') {
  const emit = process.emitWarning;
  process.emitWarning = (warning: string | Error, ...rest: readonly unknown[]) => {
    if (!String(warning).startsWith(EXPERIMENTAL)) Reflect.apply(emit, process, [warning, ...rest]);
  };
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emit;
  }
}
