import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { ROOT } from '../support/gleaner.ts';

export const DEPLOY = join(ROOT, 'deploy');

/** What stands in a file below deploy/. */
export const deployed = (path: string) => readFileSync(join(DEPLOY, path), 'utf8');

/** Paths below deploy/, in order. */
export const deployedFiles = (pattern: string) => globSync(pattern, { cwd: DEPLOY }).sort();

/** Files with objects of Kubernetes, or for kustomize; names.yaml is a configuration of kustomize's own. */
export const kubernetesFiles = () =>
  deployedFiles('kubernetes/**/*.yaml').filter((file) => basename(file) !== 'names.yaml');

/** An object of Kubernetes, and the file that it stands in. */
export interface Manifest {
  readonly file: string;
  readonly object: z.infer<typeof objectSchema>;
}

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string().optional() }).optional(),
});

/** Objects of one text of YAML. @throws of YAML that cannot be read, or holds something else */
export function manifestsOf(file: string, text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors;
    if (problem) throw problem;
    const value: unknown = document.toJS();
    return value === null ? [] : [{ file, object: objectSchema.parse(value) }];
  });
}

const environmentSchema = z.record(z.string(), z.coerce.string());
const serviceSchema = z.looseObject({
  image: z.string(),
  build: z.unknown().optional(),
  entrypoint: z.array(z.string()).optional(),
  command: z.array(z.string()).optional(),
  environment: environmentSchema.optional(),
  networks: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  profiles: z.array(z.string()).optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  stop_grace_period: z.string().optional(),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.looseObject({ condition: z.string() })).optional(),
  deploy: z
    .looseObject({ resources: z.looseObject({ limits: z.looseObject({ memory: z.string() }) }) })
    .optional(),
});
const composeSchema = z.looseObject({
  services: z.record(z.string(), serviceSchema),
  networks: z.record(z.string(), z.looseObject({ internal: z.boolean().optional() })),
  volumes: z.record(z.string(), z.unknown()),
});
export type ComposeService = z.infer<typeof serviceSchema>;

/** deploy/compose.yaml, its anchors resolved and its variables filled in. */
export function composeFile(variables: Readonly<Record<string, string>>): z.infer<typeof composeSchema> {
  return composeSchema.parse(parse(interpolate(deployed('compose.yaml'), variables), { merge: true }));
}

/**
 * `${NAME}`, `${NAME:-default}`, `${NAME-default}` and `${NAME:?message}` as the Compose Specification has them (12,
 * Interpolation); `$$` is a dollar sign.
 */
function interpolate(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$\$|\$\{(\w+)(?:(:?[-?])([^}]*))?\}/g,
    (all, name?: string, operator?: string, rest = '') => {
      if (all === '$$' || name === undefined) return '$';
      const value = variables[name];
      const given = operator?.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
      if (given) return value ?? '';
      if (operator?.endsWith('?')) throw new Error(`${name}: ${rest}`);
      return rest;
    },
  );
}

/** Names of variables that deploy/compose.yaml asks for. */
export function composeVariables(): ReadonlySet<string> {
  return new Set([...deployed('compose.yaml').matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name = '']) => name));
}

/** NAME=value lines of a file of variables. */
export function variablesIn(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
}

/** Bytes of a size as Kubernetes, Compose or --memory write it: 4Gi, 4GiB. @throws where it is none */
export function bytesOf(size: string): number {
  const [, number, prefix] = /^(\d+)([KMGT]i)B?$/.exec(size) ?? [];
  if (number === undefined || prefix === undefined) throw new Error(`${size}: no size in binary units`);
  return Number(number) * 1024 ** (1 + ['Ki', 'Mi', 'Gi', 'Ti'].indexOf(prefix));
}
