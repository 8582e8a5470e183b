import type { SampleRecord } from './columns.ts';

/** img2dataset's `NNNNN_stats.json`: names and meaning of its logger.py. Times are seconds since 1970. */
export interface ShardStatistics {
  readonly count: number;
  readonly successes: number;
  readonly failed_to_download: number;
  readonly failed_to_resize: number;
  readonly duration: number;
  readonly start_time: number;
  readonly end_time: number;
  /** How many samples ended with each message, the successful ones as 'success'. */
  readonly status_dict: Readonly<Record<string, number>>;
}

/** Counts the samples of a shard as they come. */
export class ShardCounter {
  #count = 0;
  readonly #statuses = { success: 0, failed_to_download: 0, failed_to_resize: 0 };
  readonly #messages = new Map<string, number>();

  add({ status, error_message }: SampleRecord): void {
    this.#count++;
    if (status === 'success' || status === 'failed_to_download' || status === 'failed_to_resize')
      this.#statuses[status]++;
    const message = typeof error_message === 'string' ? error_message : 'success';
    this.#messages.set(message, (this.#messages.get(message) ?? 0) + 1);
  }

  /** @param start, end seconds since 1970 */
  statistics(start: number, end: number): ShardStatistics {
    return {
      count: this.#count,
      successes: this.#statuses.success,
      failed_to_download: this.#statuses.failed_to_download,
      failed_to_resize: this.#statuses.failed_to_resize,
      duration: end - start,
      start_time: start,
      end_time: end,
      status_dict: Object.fromEntries(this.#messages),
    };
  }
}
