import {
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { GleanerError } from '../schema/index.ts';
import { type AskOptions, askAgain } from './remote.ts';
import { reasonOf } from './s3.ts';
import type { Client } from './s3-client.ts';
import { s3Failure, s3Status } from './s3-errors.ts';

/** Failures in a row of a server that has not answered once: somebody waits for the first answer. */
const FIRST_ATTEMPTS = 4;

/** Asks one bucket of S3, again where that may help. */
export class S3Calls {
  readonly bucket: string;
  readonly #from: Client;
  readonly #options: AskOptions;
  #bucketIsThere: Promise<void> | undefined;

  constructor(from: Client, bucket: string, options: AskOptions) {
    this.#from = from;
    this.bucket = bucket;
    this.#options = options;
  }

  get client(): Client {
    return this.#from;
  }

  /** How patient it is now. */
  get patience(): AskOptions {
    const { retry, ...rest } = this.#options;
    return this.#from.answered ? this.#options : { ...rest, retry: { attempts: FIRST_ATTEMPTS, ...retry } };
  }

  nameOf(key: string): string {
    return `s3://${this.bucket}/${key}`;
  }

  /**
   * @param key of the object it is about, or the beginning of several
   * @param send one request; errors of the client that it throws are told apart here
   * @throws GleanerError
   */
  async ask<T>(
    key: string,
    send: (client: S3Client, options: { readonly abortSignal: AbortSignal }, before: number) => Promise<T>,
    options: AskOptions = {},
  ): Promise<T> {
    const name = this.nameOf(key);
    return askAgain(
      name,
      async (abortSignal, before) => {
        try {
          const answer = await send(this.#from.client, { abortSignal }, before);
          this.#from.answered = true;
          return answer;
        } catch (error) {
          throw error instanceof GleanerError ? error : s3Failure(name, this.#from.endpoint, error);
        }
      },
      { ...this.patience, ...options },
    );
  }

  /** What is known of an object; undefined where there is none. */
  async head(key: string): Promise<HeadObjectCommandOutput | undefined> {
    const found = await this.ask(key, async (client, options) => {
      const object = { Bucket: this.bucket, Key: key };
      try {
        return await client.send(new HeadObjectCommand(object), options);
      } catch (error) {
        if (s3Status(error) === 404) return undefined;
        throw await reasonOf(error, client, object, options.abortSignal);
      }
    });
    if (!found) await this.#assertBucket();
    return found;
  }

  /** "No such object" does not say that there is no such bucket; a second question does. */
  async #assertBucket(): Promise<void> {
    this.#bucketIsThere ??= this.ask('', async (client, options) => {
      try {
        await client.send(new HeadBucketCommand({ Bucket: this.bucket }), options);
      } catch (error) {
        // Who may read objects may not be allowed to ask for the bucket.
        if (s3Status(error) === 403) return;
        if (s3Status(error) !== 404) throw error;
        const hint = 'Make it first, or check its name.';
        throw new GleanerError('STORAGE_REFUSED', {
          path: this.nameOf(''),
          problem: 'there is no such bucket (NoSuchBucket)',
          hint,
        });
      }
    });
    await this.#bucketIsThere;
  }
}
