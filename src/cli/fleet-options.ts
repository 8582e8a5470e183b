import type { Command } from 'commander';
import { GleanerError } from '../schema/index.ts';

/** Which database a fleet has. */
export interface DatabaseFlags {
  readonly database?: string;
}

export function withDatabase(command: Command): Command {
  return command.option(
    '--database <url>',
    "the fleet's PostgreSQL: postgres://USER:PASSWORD@HOST/DATABASE (default: GLEANER_DATABASE)",
  );
}

/** The database by option or environment: a password on a command line can be read by all of a machine. @throws GleanerError USAGE */
export function databaseUrl({ database = process.env.GLEANER_DATABASE }: DatabaseFlags): string {
  if (database) return database;
  throw new GleanerError('USAGE', { problem: "give '--database <url>', or set GLEANER_DATABASE." });
}
