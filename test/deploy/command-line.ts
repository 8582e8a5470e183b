import type { Command } from 'commander';
import { createProgram } from '../../src/cli/main.ts';

/**
 * Parses a command line by gleaner's own parser, without doing what it says.
 *
 * @param args without `gleaner`
 * @throws CommanderError of what is wrong with it: unknown commands, options and values, missing ones
 */
export async function parseCommandLine(args: readonly string[]): Promise<void> {
  const program = createProgram({ signal: new AbortController().signal, print: () => undefined });
  for (const command of allOf(program))
    command
      .exitOverride()
      .configureOutput({ writeOut: () => undefined, writeErr: () => undefined, outputError: () => undefined })
      .action(() => undefined);
  await program.parseAsync(args, { from: 'user' });
}

function allOf(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...allOf(child)]);
}

/** Command lines of gleaner in the examples of a document: lines of its blocks that begin with it, continued ones joined. */
export function commandLinesIn(markdown: string): readonly (readonly string[])[] {
  return [...markdown.matchAll(/^```sh\n(.*?)^```/gms)]
    .flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n'))
    .map((line) => line.trim().replace(/\s+#\s.*$/, ''))
    .flatMap((line) => /^(?:npx )?gleaner (.*)$/.exec(line)?.[1] ?? [])
    .map((line) => [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? ''));
}
