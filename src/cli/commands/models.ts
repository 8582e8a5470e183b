import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { type ModelVariant, VARIANTS } from '../../clip/choices.ts';
import { formatCount } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { ProgressLines } from '../progress.ts';
import { formatBytes } from '../terminal.ts';

interface PullFlags {
  readonly hub?: string;
  readonly to?: string;
  readonly modelVariant?: ModelVariant;
  readonly json?: true;
}

export function modelsCommand(context: CommandContext): Command {
  return newCommand('models', 'List the models that are known by name, or download one.', [
    'gleaner models',
    'gleaner models pull clip-vit-base-patch32',
    'gleaner models pull clip-vit-base-patch32 --hub https://mirror.example --to ./clip --model-variant int8',
  ])
    .option('--json', 'print the list as JSON')
    .action(async (flags: { json?: true }) => {
      const { listModels } = await import('../../clip/index.ts');
      const models = listModels();
      if (flags.json) context.print(asJson(models));
      else
        for (const model of models) {
          const size = `${model.repository === null ? '' : 'about '}${formatBytes(model.bytes)}`;
          const here = model.here === null ? 'not here' : `here: ${model.here}`;
          const facts = [size, `${model.dimension} wide`, model.licence, model.variants.join(' ')];
          context.print(`${model.name}\n  ${model.what}\n  ${facts.join(', ')}; ${here}\n`);
          if (model.repository !== null) context.print(`  ${model.repository}\n`);
        }
    })
    .addCommand(pullCommand(context));
}

function pullCommand(context: CommandContext): Command {
  return (
    newCommand('pull', 'Download a model; what is there already stays, what broke off goes on.', [
      'gleaner models pull clip-vit-base-patch32',
      'gleaner models pull laion2b-vit-b-32 --hub https://mirror.example --to ./laion2b-vit-b-32',
    ])
      .argument('<name>', "as 'gleaner models' lists it")
      .option('--hub <url>', 'hub or its mirror (default: $HF_ENDPOINT, or https://huggingface.co)')
      .option(
        '--to <dir>',
        'folder of the model (default: NAME in $GLEANER_MODELS, or in ~/.cache/gleaner/models)',
      )
      .addOption(
        new Option('--model-variant <variant>', 'numbers of its weights').choices(VARIANTS).default('fp32'),
      )
      .option('--json', 'print the files as JSON')
      // --json is an option of both, and commander gives it to the outer one.
      .action(async (name: string, _flags: PullFlags, command: Command) => {
        const { hub, to, modelVariant, json } = command.optsWithGlobals<PullFlags>();
        const { knownModel, modelsHome, pullModel } = await import('../../clip/index.ts');
        const model = knownModel(name);
        const dir = to ?? join(modelsHome(), model.name);
        const lines = new ProgressLines();
        try {
          const files = await pullModel({
            model,
            dir,
            hub: hub ?? (process.env.HF_ENDPOINT || undefined),
            variant: modelVariant,
            signal: context.signal,
            onProgress(path, bytes, total) {
              const share = total ? bytes / total : 0;
              lines.update({
                name: path,
                unit: 'kB',
                done: Math.round(bytes / 1000),
                share,
                finished: bytes === total,
              });
            },
          });
          lines.end();
          if (json) context.print(asJson({ dir, files }));
          else {
            for (const { path, bytes, sha256, checked, downloaded } of files)
              context.print(
                `${sha256}  ${path}  ${formatCount(bytes)} bytes, ${HASHES[checked]}${downloaded ? '' : ', was there'}\n`,
              );
            context.print(`${name} is in ${dir}\n`);
          }
        } finally {
          lines.end();
        }
      })
  );
}

const HASHES = {
  pinned: 'as gleaner knows it',
  recorded: 'as recorded',
  new: 'not pinned: recorded now',
};
