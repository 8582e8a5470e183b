/** A shard is not taken. */
export class ShardRefused extends Error {
  override readonly name = 'ShardRefused';
  /** Whether no honest machine can have made it. */
  readonly forged: boolean;

  constructor(problem: string, forged = false) {
    super(problem);
    this.forged = forged;
  }
}
