import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { STAGES } from '../../src/pipeline/index.ts';
import { parseCommandLine } from './command-line.ts';
import {
  bytesOf,
  type ComposeService,
  composeFile,
  composeVariables,
  DEPLOY,
  deployed,
  variablesIn,
} from './manifests.ts';
import { canRun, composeProblems, hasComposeLinter } from './validators.ts';

const example = variablesIn(deployed('.env.example'));
/** The example, filled in. */
const filled = Object.fromEntries(
  Object.entries(example).map(([name, value]) => [name, value || 'filled0in']),
);
const { services, networks, volumes } = composeFile({ ...filled, AWS_ENDPOINT_URL_S3: '' });
const named = Object.entries(services);
/** Services whose image is gleaner's own. */
const ours = named.filter(([, { image }]) => image.startsWith('gleaner:'));
const hasDockerCompose = await canRun('docker', 'compose', 'version');

/** What follows `gleaner` on the command line of a service. */
function argumentsOf({ entrypoint, command = [] }: ComposeService): readonly string[] {
  const program = '/app/bin/gleaner.js';
  return entrypoint ? [...entrypoint.slice(entrypoint.indexOf(program) + 1), ...command] : command;
}

/** The value of `--name=value`. */
const optionOf = (args: readonly string[], name: string) =>
  args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);

describe('deploy/compose.yaml', () => {
  it.skipIf(!hasComposeLinter)(
    'is what the Compose Specification allows (skipped: npm has not brought dclint)',
    async () => {
      const text = deployed('compose.yaml');
      expect(await composeProblems(text)).toBe('');
      // And the linter would tell.
      expect(await composeProblems(text.replace('stop_grace_period:', 'stop_grace_time:'))).toContain(
        'must NOT have additional properties',
      );
    },
  );

  it.skipIf(!hasDockerCompose)('is read by docker compose (skipped: there is none here)', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gleaner-compose-'));
    try {
      const variables = join(folder, 'filled.env');
      await writeFile(
        variables,
        Object.entries(filled)
          .map(([name, value]) => `${name}=${value}\n`)
          .join(''),
      );
      const file = join(DEPLOY, 'compose.yaml');
      const args = ['compose', '--env-file', variables, '-f', file, '--profile', '*', 'config', '--services'];
      const { stdout } = await promisify(execFile)('docker', args);
      expect(stdout.trim().split('\n').sort()).toEqual(Object.keys(services).sort());
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('has what the fleet is made of', () => {
    expect(Object.keys(services).sort()).toEqual([
      'bucket',
      'coordinator',
      'dashboard',
      'database',
      'search',
      'search-index',
      'search-release',
      'status',
      'storage',
      'submit',
      'worker-extract',
      'worker-harvest',
      'worker-release',
    ]);
    // Without a profile nothing is submitted, nobody is let in, and no release is asked for that is not there yet.
    expect(named.filter(([, { profiles }]) => !profiles).map(([name]) => name)).not.toContain('submit');
  });

  it.each(ours)('%s: gleaner knows the command line', async (_, service) => {
    const args = argumentsOf(service);
    // The service submit has its options from whoever runs it.
    if (args[1] === '--help')
      await parseCommandLine([...args.slice(0, 1), '--crawl', 'X', '--out', 's3://a/b']);
    else await parseCommandLine(args);
  });

  it('would tell of an option that is not there', async () => {
    await expect(parseCommandLine(['worker', '--stage=harvest'])).rejects.toThrow(
      /unknown option '--stage=harvest'/,
    );
    await expect(parseCommandLine(['work'])).rejects.toThrow(/unknown command/);
  });

  it('takes the stages of a run, each by some worker', () => {
    const stages = ours.flatMap(
      ([, service]) => optionOf(argumentsOf(service), '--stages')?.split(',') ?? [],
    );
    expect(stages).toEqual([...STAGES]);
  });

  it('asks for the variables of .env.example and no others, and not without secrets', () => {
    expect([...composeVariables()].sort()).toEqual(Object.keys(example).sort());
    for (const name of Object.keys(example).filter((key) =>
      /PASSWORD$|SECRET|^MINIO_ROOT|ACCESS_KEY_ID/.test(key),
    )) {
      expect(example[name], `${name} of the example`).toBe('');
      expect(() => composeFile({ ...filled, [name]: '' }), name).toThrow(name);
    }
  });

  it.each(ours)('%s: no root, nothing to write but its volumes, no privileges', (_, service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
  });

  it('shows itself to this machine alone', () => {
    const published = named.flatMap(([, { ports = [] }]) => ports);
    expect(published).toHaveLength(4);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
    expect(networks.inside?.internal).toBe(true);
    expect(services.database?.networks).toEqual(['inside']);
    expect(services.storage?.networks).toEqual(['inside']);
  });

  it('looks for signs of life where a service listens', () => {
    for (const [name, service] of ours) {
      const args = argumentsOf(service);
      const port = optionOf(args, '--metrics-port') ?? optionOf(args, '--port');
      if (port === undefined) continue;
      expect(service.healthcheck?.test.join(' '), name).toContain(`http://127.0.0.1:${port}/`);
      if (optionOf(args, '--port')) expect(optionOf(args, '--host'), name).toBe('0.0.0.0');
      if (service.ports) expect(service.ports, name).toEqual([`127.0.0.1:${port}:${port}`]);
    }
  });

  it('gives workers the time that they ask for, and less memory than the container has', () => {
    for (const [name, service] of ours.filter(([key]) => key.startsWith('worker-'))) {
      const args = argumentsOf(service);
      const grace = Number(/^(\d+)s$/.exec(service.stop_grace_period ?? '')?.[1]);
      expect(grace, name).toBeGreaterThanOrEqual(Number(optionOf(args, '--grace')) + 30);
      const limit = service.deploy?.resources.limits.memory.replace(/iB$/, 'i');
      expect(bytesOf(limit ?? ''), name).toBeGreaterThan(bytesOf(optionOf(args, '--memory') ?? ''));
    }
  });

  it('pins images, and waits for what a service needs', () => {
    for (const [name, { image, build, depends_on = {} }] of named) {
      expect(image, name).toMatch(/:\d+\.\d+/);
      // In no registry: each service that runs an image of ours can build it.
      if (image.startsWith('gleaner')) expect(build, name).toBeDefined();
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        expect(Object.keys(services), name).toContain(needed);
        if (condition === 'service_healthy') expect(services[needed]?.healthcheck, needed).toBeDefined();
      }
    }
  });

  it('declares its volumes', () => {
    const mounted = named.flatMap(([, service]) => service.volumes ?? []);
    const names = mounted.flatMap((volume) => /^(\w+):/.exec(volume)?.[1] ?? []);
    expect([...new Set(names)].sort()).toEqual(Object.keys(volumes).sort());
  });
});
