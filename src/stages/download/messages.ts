import { STATUS_CODES } from 'node:http';
import { type Dropped, REASONS } from '../../schema/index.ts';
import type { DownloadStatus } from './columns.ts';

/** img2dataset 1.47's words (resizer.py, downloader.py), which scripts that count messages know. */
const MESSAGES: Readonly<Partial<Record<Dropped['reason'], string>>> = {
  robots_header: 'Use of image disallowed by X-Robots-Tag directive',
  timeout: 'timed out',
  undecodable: 'Image decoding error',
  format: 'Image decoding error',
  size_small: 'image too small',
  pixels: 'image area too large',
  aspect: 'aspect ratio too large',
};

/** img2dataset's status of a URL that has no image. */
export function failedStatus({ reason }: Dropped): DownloadStatus {
  return REASONS[reason].step === 'image' ? 'failed_to_resize' : 'failed_to_download';
}

/** What goes into `error_message`: few different ones, so that they can be counted; the detail has a column of its own. */
export function errorMessage({ reason, detail }: Dropped): string {
  if (reason === 'http_status') return `HTTP Error ${detail}: ${STATUS_CODES[detail] ?? ''}`.trimEnd();
  return MESSAGES[reason] ?? REASONS[reason].title;
}
