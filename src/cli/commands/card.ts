import type { Command } from 'commander';
import { recipeSchema } from '../../config/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';

interface CardFlags {
  readonly contact?: string;
  readonly license?: string;
  readonly published?: string;
  readonly releaseVersion?: string;
  readonly json?: true;
}

export function cardCommand(context: CommandContext): Command {
  return newCommand('card', 'Write README.md and croissant.json of a release anew, with who publishes it.', [
    'gleaner card out --contact takedown@example.org --license CC-BY-4.0',
    'gleaner card out --published 2026-11-21 --release-version 1.0.0',
  ])
    .argument('<dir>', 'folder of a finished run')
    .option('--contact <who>', 'whom to write to about opt-out and takedown: a mail address or a URL')
    .option('--license <name>', 'licence of the metadata: an SPDX identifier or a URL')
    .option('--published <day>', 'day of publication, as 2026-11-21')
    .option('--release-version <version>', 'version of the dataset, as 1.0.0')
    .option('--json', 'print what the card now says as JSON')
    .addHelpText(
      'after',
      '\nWhat is not given stays as it was said last, here or under card: in the recipe.\n',
    )
    .action(async (dir: string, { json, ...flags }: CardFlags) => {
      const changes = parseCard(flags);
      const { remakeCard } = await import('../../pipeline/index.ts');
      const card = await remakeCard(dir, changes);
      if (json) return context.print(asJson(card));
      const said = Object.entries(card).map(([name, value]) => `${name.padEnd(10)} ${value ?? 'not said'}\n`);
      context.print(`${said.join('')}Written to ${dir}/release/README.md and croissant.json\n`);
    });
}

/** @throws GleanerError USAGE */
function parseCard({ releaseVersion: version, contact, license, published }: Omit<CardFlags, 'json'>) {
  const given = Object.entries({ contact, license, published, version }).filter(
    ([, value]) => value !== undefined,
  );
  const parsed = recipeSchema.shape.card.safeParse(Object.fromEntries(given));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const name = issue?.path.join('.') ?? '';
    const option = name === 'version' ? '--release-version' : `--${name}`;
    throw new GleanerError('USAGE', { problem: `${option}: ${issue?.message ?? 'is not valid'}.` });
  }
  const names = new Set(given.map(([name]) => name));
  return Object.fromEntries(Object.entries(parsed.data).filter(([name]) => names.has(name)));
}
