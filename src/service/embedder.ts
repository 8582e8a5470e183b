import type { Outcome } from '../schema/index.ts';

/** Turns queries into vectors of the space that a release was embedded in. */
export interface Embedder {
  /** Of the model, for people. */
  readonly name: string;
  readonly dimension: number;
  /** SHA-256 of the model's files by their path in its folder: what tells two models apart. */
  readonly files: Readonly<Record<string, string>>;
  /** @returns `texts.length` × dimension, L2-normalised, row after row */
  embedTexts(texts: readonly string[]): Promise<Float32Array>;
  /**
   * @param bytes of an image file, as somebody sent it
   * @param signal gives it up
   * @returns 1 × dimension, or why it is no image
   * @throws the reason of `signal`
   */
  embedImage(bytes: Uint8Array, signal?: AbortSignal): Promise<Outcome<Float32Array>>;
  close(): Promise<void>;
}
