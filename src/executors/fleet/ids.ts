import { createHash } from 'node:crypto';

/**
 * The id of a job, made of what it is: sent twice it is there once.
 * @returns a UUID of version 8 (RFC 9562, 5.8): 122 bits of a SHA-256
 */
export function jobId(...parts: readonly (string | number)[]): string {
  const bytes = createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** What a database calls a run: 64 bits of what it makes and where. */
export function runId(fingerprint: string, location: string): string {
  return createHash('sha256')
    .update(JSON.stringify([fingerprint, location]))
    .digest('hex')
    .slice(0, 16);
}
