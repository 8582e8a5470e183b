/**
 * Every error that a user can cause or mend: a code that scripts can rely on, and a template that says what is
 * wrong, where, and what to do. `exit` is the exit status of the command line: 2 for wrong usage, 1 for the rest.
 */
export const ERRORS = {
  USAGE: { exit: 2, template: '{problem}' },
  FILE_NOT_FOUND: { exit: 1, template: '{path}: no such file. {hint}' },
  FILE_UNREADABLE: { exit: 1, template: '{path}: cannot be read ({problem}).' },
  NOT_WARC: {
    exit: 1,
    template:
      '{path}: is not a {kind} file (it begins with {found}). Give Common Crawl files, plain or gzip.',
  },
  RECIPE_UNKNOWN: {
    exit: 2,
    template: '{name}: no such recipe. Built in: {known}; or give the path of a YAML file.',
  },
  RECIPE_INVALID: { exit: 2, template: '{name}: {where}: {problem}' },
  RUN_MISMATCH: {
    exit: 1,
    template: '{path}: holds a run with another {what}. Use another --out, or remove that folder.',
  },
  RUN_NOT_FOUND: { exit: 1, template: '{path}: holds no finished {what}. {hint}' },
  RUN_NOT_UNDER_WAY: {
    exit: 1,
    template: "{path}: no run is under way there. 'gleaner status' lists those that are.",
  },
  RUN_NOT_SUBMITTED: {
    exit: 1,
    template: "{path}: no such run was submitted to this fleet. 'gleaner status' lists those that were.",
  },
  RUN_STUCK: { exit: 1, template: '{path}: cannot go on: {problem}' },
  RUN_UNFINISHED: {
    exit: 1,
    template:
      "{path}: {stage} is not done ({done} of {tasks} tasks). Go on with 'gleaner run' as it was begun, then give this again.",
  },
  RUN_UNSEEN: {
    exit: 1,
    template:
      '{path}: this machine sees no run there. Mount the folder under this name on every worker, or submit to s3://BUCKET/PREFIX.',
  },
  RELEASE_UNFINISHED: {
    exit: 1,
    template:
      "{path}: a release was begun and is not whole. Go on with 'gleaner run' as it was begun, then give this again.",
  },
  SUBSET_EMPTY: { exit: 1, template: '{path}: {problem}. Nothing was written.' },
  DATASET_EMPTY: { exit: 1, template: '{path}: there is nothing to train on: {problem}.' },
  SPLIT_EMPTY: { exit: 1, template: "{path}: split '{split}' is empty: {problem}." },
  RUN_LOCKED: { exit: 1, template: '{path}: another gleaner (process {pid}) is working in this folder.' },
  MODEL_INVALID: {
    exit: 1,
    template:
      '{path}: {problem}. A model is a folder as the hub lays it out, with config.json, preprocessor_config.json, tokenizer.json and ONNX files.',
  },
  PROVIDER_FAILED: {
    exit: 1,
    template:
      "--provider {provider}: does not work here: {problem}. 'auto' takes what does, 'cpu' always does.",
  },
  NO_GPU: {
    exit: 1,
    template: '--gpu: no GPU works here: {problem}. Leave it out, and this worker takes what needs none.',
  },
  TRAINING_FAILED: { exit: 1, template: '{what}: {problem}. {hint}' },
  MODEL_NOT_PULLED: { exit: 1, template: '{name}: could not be downloaded: {problem} {hint}' },
  CLASSIFIER_INVALID: {
    exit: 1,
    template:
      '{path}: {problem}. A classifier is a folder with config.json, preprocessor_config.json and model.onnx (docs/formats.md).',
  },
  PORT_IN_USE: {
    exit: 1,
    template: 'port {port} on {host} is in use. Choose another with {option}, or 0 for any that is free.',
  },
  DISK_FULL: {
    exit: 1,
    template:
      '{path}: there is no room left for it ({problem}). Make room and run the same command again: it goes on from here.',
  },
  DATABASE_UNREACHABLE: {
    exit: 1,
    template:
      '{where}: no answer from the database ({problem}). Look whether it is up, and reachable from here.',
  },
  DATABASE_REFUSED: { exit: 1, template: '{where}: the database refuses: {problem}.' },
  SCHEMA_MISMATCH: {
    exit: 1,
    template:
      '{where}: holds the tables of another gleaner (version {found}, this one has {mine}). Use that gleaner, or another database; runs go on in a new one from what lies in their storage.',
  },
  STORAGE_REFUSED: { exit: 1, template: '{path}: {problem}. {hint}' },
  TOKEN_REFUSED: {
    exit: 1,
    template:
      '{where}: the token is not accepted ({problem}). Ask whoever runs this coordinator for another.',
  },
  WORKER_BLOCKED: {
    exit: 1,
    template: '{where}: this token is blocked ({problem}). Write to whoever runs this coordinator.',
  },
  COORDINATOR_REFUSED: { exit: 1, template: '{where}: {problem}.' },
  FILE_FAILED: { exit: 1, template: '{path}: {problem}.' },
  DAMAGED: { exit: 1, template: '{path}: {problem}' },
  TASK_FAILED: { exit: 1, template: '{task}: {problem}' },
} as const satisfies Record<string, { exit: 1 | 2; template: string }>;

export type ErrorCode = keyof typeof ERRORS;

type Placeholders<S extends string> = S extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;
/** The values that the template of an error needs. */
export type ErrorValues<C extends ErrorCode> = {
  readonly [K in Placeholders<(typeof ERRORS)[C]['template']>]: string | number;
};

/** An error as data. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly values: Readonly<Record<string, string | number>>;
}

/** An error for the eyes of a user: one line, no stack trace. Anything else that is thrown is a defect of ours. */
export class GleanerError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'GleanerError';
  readonly code: C;
  readonly #values: ErrorValues<C>;

  constructor(code: C, values: ErrorValues<C>, options?: ErrorOptions) {
    const lookup: Readonly<Record<string, string | number>> = values;
    super(
      ERRORS[code].template.replace(/\{(\w+)\}/g, (_, name: string) => String(lookup[name])).trim(),
      options,
    );
    this.code = code;
    this.#values = values;
  }

  /** As plain data, for another process: `GleanerError.from` gives the same error there. */
  toPlain(): PlainError {
    return { code: this.code, values: this.#values };
  }

  static from({ code, values }: PlainError): GleanerError {
    return new GleanerError(code, values as ErrorValues<ErrorCode>);
  }

  get exitCode(): 1 | 2 {
    return ERRORS[this.code].exit;
  }
}

/**
 * What the operating system refused, as an error for the user: a full disk, a missing permission, a file where a
 * folder should be. Undefined for any other error, which is then a defect of ours.
 */
export function refusedBySystem(error: unknown): GleanerError | undefined {
  if (error instanceof GleanerError) return error;
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return undefined;
  // As "EACCES: permission denied, open '/x/y'": the path is said first, and once.
  const path = 'path' in error && typeof error.path === 'string' ? error.path : String(error.syscall);
  const problem = error.message.replace(/, \w+(?: '.*')?$/s, '').replace(/^(\w+): (.*)$/s, '$2 ($1)');
  return new GleanerError('FILE_FAILED', { path, problem }, { cause: error });
}
