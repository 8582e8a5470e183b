import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../support/gleaner.ts';
import type { Manifest } from './manifests.ts';

const run = promisify(execFile);
const installed = (path: string) => join(ROOT, 'node_modules', path);

/** Whether npm has brought what holds manifests against the types of Kubernetes' API. */
export const hasKubernetesTypes = existsSync(installed('kubernetes-types/package.json'));
/** Whether npm has brought the linter that holds Compose files against the Compose Specification's schema. */
export const hasComposeLinter = existsSync(installed('dclint/package.json'));

/** Whether a program of this machine can be started. */
export async function canRun(command: string, ...args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

/** Files of kubernetes-types by the group of an apiVersion; kinds of other groups are no part of Kubernetes itself. */
const TYPES: Readonly<Record<string, string>> = {
  v1: 'core/v1',
  'apps/v1': 'apps/v1',
  'batch/v1': 'batch/v1',
  'autoscaling/v2': 'autoscaling/v2',
  'networking.k8s.io/v1': 'networking/v1',
  'policy/v1': 'policy/v1',
};

/** Whether Kubernetes itself has such objects. */
export const isOfKubernetes = ({ object }: Manifest) => object.apiVersion in TYPES;

/**
 * Holds objects against the types that are made of Kubernetes' own OpenAPI description: each is written down as a
 * TypeScript literal of its kind, which may have no field that the kind has not, lack none, and have none of another type.
 *
 * @returns what the compiler says; nothing where all is well
 */
export async function kubernetesProblems(manifests: readonly Manifest[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-manifests-'));
  try {
    const literals = manifests.map(({ file, object }, i) => {
      const from = installed(`kubernetes-types/${TYPES[object.apiVersion]}`);
      const type = `import(${JSON.stringify(from)}).${object.kind}`;
      return `// ${file}\nexport const object${i}: ${type} = ${JSON.stringify(object, null, 1)};\n`;
    });
    const source = join(folder, 'manifests.ts');
    await writeFile(source, literals.join('\n'));
    const args = ['--noEmit', '--strict', '--module', 'nodenext', '--skipLibCheck', '--pretty', 'false'];
    return await run(process.execPath, [installed('typescript/bin/tsc'), ...args, source], {
      cwd: folder,
    }).then(
      () => '',
      ({ stdout }: { readonly stdout: string }) => stdout,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What the Compose Specification allows is asked; how somebody likes a file to be ordered is not. */
const LINTER = {
  rules: {
    'no-build-and-image': 0,
    'require-quotes-in-ports': 0,
    'service-keys-order': 0,
    'services-alphabetical-order': 0,
    'service-ports-alphabetical-order': 0,
    'service-dependencies-alphabetical-order': 0,
    'top-level-properties-order': 0,
    'no-unbound-port-interfaces': 2,
    'service-image-require-explicit-tag': 2,
  },
};

/** Holds a Compose file against the specification's schema. @returns the linter's findings; nothing where all is well */
export async function composeProblems(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-compose-'));
  try {
    await writeFile(join(folder, 'compose.yaml'), text);
    await writeFile(join(folder, 'rules.json'), JSON.stringify(LINTER));
    const args = [
      installed('dclint/bin/dclint.cjs'),
      '-c',
      'rules.json',
      '--max-warnings',
      '0',
      'compose.yaml',
    ];
    return await run(process.execPath, args, { cwd: folder }).then(
      () => '',
      ({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }) => `${stdout}${stderr}`,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What `kubectl kustomize` makes of a folder, with secrets from its example. @param change of the folder's kustomization */
export async function kustomize(
  deploy: string,
  folder: string,
  change: (kustomization: string) => string = (text) => text,
): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'gleaner-kustomize-'));
  try {
    await cp(join(deploy, 'kubernetes'), copy, { recursive: true });
    const inCopy = join(copy, folder);
    await cp(join(inCopy, 'secret.env.example'), join(inCopy, 'secret.env'));
    const file = join(inCopy, 'kustomization.yaml');
    await writeFile(file, change(await readFile(file, 'utf8')));
    const { stdout } = await run('kubectl', ['kustomize', inCopy], { maxBuffer: 2 ** 24 });
    return stdout;
  } finally {
    await rm(copy, { recursive: true });
  }
}
