import { readFileSync } from 'node:fs';

/** The version of this package, from its package.json. */
export const GLEANER_VERSION: string = readVersion(new URL('../../package.json', import.meta.url));

// Without a schema library: `--version` and `--help` load none.
function readVersion(file: URL): string {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (
    typeof parsed === 'object' &&
    parsed !== null &&
    'version' in parsed &&
    typeof parsed.version === 'string'
  )
    return parsed.version;
  throw new Error(`${file} has no version`);
}
