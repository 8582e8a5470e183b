import { Command } from 'commander';

/** What a command prints its results with, and what stops it. */
export interface CommandContext {
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

/** A command with examples under its help. */
export function newCommand(name: string, summary: string, examples: readonly string[]): Command {
  return new Command(name)
    .description(summary)
    .helpOption('-h, --help', 'show this help')
    .showHelpAfterError(false)
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}\n`);
}

/** One line of JSON: for machines. */
export function asJson(value: unknown): string {
  return `${JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? Number(item) : item))}\n`;
}
