import { Command, CommanderError } from 'commander';
import { GLEANER_VERSION } from '../config/version.ts';
import { refusedBySystem } from '../schema/index.ts';
import type { CommandContext } from './command.ts';
import { cardCommand } from './commands/card.ts';
import { coordinatorCommand } from './commands/coordinator.ts';
import { dedupCommand } from './commands/dedup.ts';
import { diffCommand } from './commands/diff.ts';
import { downloadCommand } from './commands/download.ts';
import { embedCommand } from './commands/embed.ts';
import { explainCommand } from './commands/explain.ts';
import { extractCommand } from './commands/extract.ts';
import { indexCommand } from './commands/index-release.ts';
import { modelsCommand } from './commands/models.ts';
import { removeCommand } from './commands/remove.ts';
import { reportsCommand } from './commands/reports.ts';
import { retryCommand } from './commands/retry.ts';
import { reviewCommand } from './commands/review.ts';
import { runCommand } from './commands/run.ts';
import { serveCommand } from './commands/serve.ts';
import { splitCommand } from './commands/split.ts';
import { statsCommand } from './commands/stats.ts';
import { statusCommand } from './commands/status.ts';
import { submitCommand } from './commands/submit.ts';
import { subsetCommand } from './commands/subset.ts';
import { verifyCommand } from './commands/verify.ts';
import { workerCommand } from './commands/worker.ts';

/** In the order of the work, which is the order of the help. */
const COMMANDS = [
  runCommand,
  extractCommand,
  dedupCommand,
  downloadCommand,
  embedCommand,
  retryCommand,
  indexCommand,
  serveCommand,
  statsCommand,
  cardCommand,
  reviewCommand,
  explainCommand,
  verifyCommand,
  splitCommand,
  subsetCommand,
  diffCommand,
  reportsCommand,
  removeCommand,
  modelsCommand,
  submitCommand,
  workerCommand,
  statusCommand,
  coordinatorCommand,
];

/** The whole command line. Exported for tests that hold documents and manifests against it. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('gleaner')
    .description(
      'From Common Crawl to a filtered, deduplicated, CLIP-scored and searchable image-text dataset.',
    )
    .version(GLEANER_VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .addHelpText('after', '\nEvery command has a help of its own: gleaner run --help\n');
  for (const create of COMMANDS) program.addCommand(create(context));
  for (const command of withSubcommands(program))
    command.exitOverride().configureOutput({
      writeOut: context.print,
      outputError: () => undefined, // Said once, below, in our own form.
    });
  return program;
}

/** A command with all below it. */
function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/**
 * Runs one command line.
 *
 * @param args without node and script
 * @returns exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C
 */
export async function main(args: readonly string[], context: CommandContext): Promise<number> {
  const program = createProgram(context);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return usageError(error, args, program);
    if (context.signal.aborted) {
      process.stderr.write('gleaner: stopped. The same command goes on from here.\n');
      return 130;
    }
    const told = refusedBySystem(error);
    if (!told) throw error;
    process.stderr.write(`gleaner: ${told.message}\n`);
    return told.exitCode;
  }
}

/** Commander's own errors are of usage; help and version come as errors too, with status 0. */
function usageError(error: CommanderError, args: readonly string[], program: Command): number {
  if (error.exitCode === 0) return 0;
  const command = args.find((arg) => !arg.startsWith('-'));
  const known = program.commands.some((candidate) => candidate.name() === command);
  const help = known ? `gleaner ${command} --help` : 'gleaner --help';
  if (error.code === 'commander.help') process.stderr.write(`gleaner: no command given. See '${help}'.\n`);
  else {
    const [problem = ''] = error.message
      .replace(/^error: /, '')
      .replace(/\n\(Did you mean (.*)\?\)$/s, '; did you mean $1?')
      .split('\n');
    process.stderr.write(`gleaner: ${problem}${/[.?]$/.test(problem) ? '' : '.'} See '${help}'.\n`);
  }
  return 2;
}
