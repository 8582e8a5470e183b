/**
 * Whether a service of this container is well, for Docker's health checks: `node healthy.js URL [STATUS]` ends with 0
 * where the URL answers with success, or with STATUS (a page behind a password answers 401), and with 1 where it does
 * not within 4 seconds.
 */
const [url = '', status] = process.argv.slice(2);
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(4000) });
  const well = status === undefined ? response.ok : response.status === Number(status);
  if (!well) console.error(`${url} answered ${response.status}`);
  process.exitCode = well ? 0 : 1;
} catch (error) {
  console.error(`${url}: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
