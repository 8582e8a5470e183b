import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A path in the folder of shared test data beside the checkout; undefined, with a message, where it is absent. */
export function sharedData(path: string): string | undefined {
  const full = fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
  if (existsSync(full)) return full;
  console.warn(`skipped: no ../shared/${path}`);
  return undefined;
}
