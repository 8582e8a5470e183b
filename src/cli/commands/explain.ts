import type { Command } from 'commander';
import type { Fate, Removed, StepOfFate } from '../../pipeline/index.ts';
import { REASONS, type Reason } from '../../schema/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { printable } from '../terminal.ts';

export function explainCommand(context: CommandContext): Command {
  return newCommand(
    'explain',
    'Say what became of an image URL: each step that it went through, with its numbers; kept where, or dropped why.',
    [
      'gleaner explain out https://example.org/cat.jpg',
      'gleaner explain out 5d41402abc4b2a76b9719d911017c592',
    ],
  )
    .argument('<dir>', 'folder of a finished run')
    .argument('<url>', 'image URL, or the uid of a pair')
    .option('--json', 'print all that is known as JSON')
    .action(async (dir: string, url: string, flags: { json?: true }) => {
      const [{ explainPair, explainRemoved, readRunFile, stepsOfFate }, { openStorage }] = await Promise.all([
        import('../../pipeline/index.ts'),
        import('../../storage/index.ts'),
      ]);
      const run = await readRunFile(openStorage(dir));
      const fates = (await explainPair(openStorage(dir), url)).map((fate) => ({
        ...fate,
        steps: run ? stepsOfFate(fate, run.recipe, run.subset !== undefined) : [],
      }));
      const removed = await explainRemoved(openStorage(dir), url);
      if (flags.json) {
        context.print(asJson([...fates, ...removedFates(removed)]));
        return;
      }
      context.print(describeRemoved(removed));
      if (fates.length === 0 && removedFates(removed).length === 0)
        context.print(
          `${printable(url)}: no pair of this run has it. (Links without a text and known content are counted, not listed.)\n`,
        );
      else for (const fate of fates) context.print(describe(fate));
    });
}

/** As fates are told to machines. */
function removedFates({ pairs, takedowns }: Removed) {
  return [...pairs, ...takedowns].map((tombstone) => ({ kept: false, reason: 'removed', tombstone }));
}

function describeRemoved({ pairs, takedowns }: Removed): string {
  const told = pairs.map((pair): [string, string][] => [
    ['removed', `taken down on ${pair.at} by ${pair.by}: ${pair.reason}`],
    ['uid', pair.uid],
  ]);
  // A page's URL, or one that no pair had: what is told is that none of it may come.
  if (pairs.length === 0)
    for (const { kind, at, reason } of takedowns)
      told.push([['removed', `taken down on ${at} by ${kind}: ${reason}`]]);
  return told.map(formatLines).join('');
}

function describe(fate: Fate & { readonly steps: readonly StepOfFate[] }): string {
  const lines: [string, string][] = fate.kept
    ? describeKept(fate.row)
    : describeDropped(fate.row, fate.reason);
  if (fate.fetched) lines.splice(2, 0, ['fetched', fetchedIn(fate.fetched)]);
  const steps = fate.steps.map(({ step, passed, facts }): [string, string] => [
    `  ${step}`,
    `${passed ? 'passed' : 'DROPPED'}${facts && `: ${facts}`}`,
  ]);
  return formatLines([...lines, ...(steps.length > 0 ? [['steps', ''] as const] : []), ...steps]);
}

function formatLines(lines: readonly (readonly [string, string])[]): string {
  return `${lines.map(([name, value]) => `${name.padEnd(11)} ${printable(value)}`).join('\n')}\n\n`;
}

function describeKept(row: (Fate & { kept: true })['row']): [string, string][] {
  return [
    ['kept', `SAMPLE_ID ${row.SAMPLE_ID}, image ${row.key} of its part`],
    ['URL', row.URL],
    ['text', row.TEXT],
    ['similarity', row.similarity.toFixed(4)],
    [
      'size',
      `${row.WIDTH} × ${row.HEIGHT} ${row.format}, stored at ${row.stored_width} × ${row.stored_height}`,
    ],
    ['NSFW', row.NSFW],
    ['licence', row.LICENSE],
    ['language', languageOf(row)],
    ['page', row.page_url],
    ['read from', row.wat],
    ['uid', row.uid],
  ];
}

function describeDropped(row: (Fate & { kept: false })['row'], reason: Reason): [string, string][] {
  const lines: [string, string][] = [
    ['dropped', `${reason}: ${REASONS[reason].title}${row.detail && ` (${row.detail})`}`],
    ['URL', row.url],
    ['text', row.text],
    ['page', row.page_url],
    ['read from', row.wat],
    ['uid', row.uid],
  ];
  // Of what was dropped before languages are told, nothing is known.
  if (row.language !== 'und') lines.splice(3, 0, ['language', languageOf(row)]);
  if (row.similarity !== null) lines.splice(3, 0, ['similarity', row.similarity.toFixed(4)]);
  return lines;
}

function fetchedIn(fetched: NonNullable<Fate['fetched']>): string {
  const { http_status: status, tries, total_ms: ms, final_url: finalUrl } = fetched;
  const from = finalUrl === null ? '' : `, from ${finalUrl}`;
  const answer = status === null ? 'no answer' : `status ${status}`;
  return `${answer}, ${tries} ${tries === 1 ? 'request' : 'requests'}, ${ms} ms${from}`;
}

function languageOf(row: { readonly language: string; readonly language_confidence: number }): string {
  return row.language === 'und'
    ? 'und'
    : `${row.language} (confidence ${row.language_confidence.toFixed(2)})`;
}
