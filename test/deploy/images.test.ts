import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ASSUMPTIONS, dollars, dollarTable, SIZES, workOf, workTable } from '../../scripts/cost.ts';
import { ROOT } from '../support/gleaner.ts';
import { commandLinesIn, parseCommandLine } from './command-line.ts';
import {
  composeVariables,
  DEPLOY,
  deployed,
  deployedFiles,
  kubernetesFiles,
  manifestsOf,
  variablesIn,
} from './manifests.ts';
import { podsOf } from './pods.ts';

const dockerfile = deployed('Dockerfile');
const operations = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8');

/** Instructions of a Dockerfile, continued lines joined, comments left out. */
function instructionsOf(text: string): readonly (readonly [name: string, rest: string])[] {
  return text
    .replace(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
      return name !== undefined && rest !== undefined ? [[name, rest] as const] : [];
    });
}

const packageSchema = z.looseObject({ version: z.string() });
const lockSchema = z.looseObject({
  packages: z.record(z.string(), z.looseObject({ version: z.string().optional() })),
});
const lockOf = (text: string) => lockSchema.parse(JSON.parse(text)).packages;

describe('images', () => {
  it('are pinned, and those of Node are the one that the lock file has', () => {
    for (const file of ['Dockerfile', 'storage/Dockerfile']) {
      const instructions = instructionsOf(deployed(file));
      const stages = new Set(['scratch']);
      for (const [name, rest] of instructions) {
        if (name === 'ARG') expect(rest).toMatch(/^\w+=[\w/-]+:\d+\.\d+/);
        if (name !== 'FROM') continue;
        const [image = '', , stage = ''] = rest.split(/\s+/);
        if (!stages.has(image) && !image.startsWith('${'))
          expect(image).toMatch(/:(?:\d+\.\d+-bookworm|bookworm-slim)$/);
        stages.add(stage);
      }
    }
    const node = lockOf(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))['node_modules/node']?.version;
    expect(dockerfile).toContain(`node:${node}-bookworm-slim`);
  });

  it('have the version of the package in their names', () => {
    const { version } = packageSchema.parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')));
    const names = [...deployed('compose.yaml').matchAll(/image: (gleaner[\w-]*):(\S+)/g)];
    for (const [, , tag] of names) expect(tag).toBe(version);
    for (const file of deployedFiles('kubernetes/**/*.yaml'))
      for (const [, tag] of deployed(file).matchAll(/(?:newTag: |image: gleaner[\w-]*:)([\d.]+)/g))
        expect(tag, file).toBe(version);
    expect(names).toHaveLength(3);
  });

  it('end as somebody who is not root, under an init', () => {
    const stages = dockerfile.split(/^FROM /m).slice(1);
    const run = stages.filter((stage) => /^ENTRYPOINT/m.test(stage));
    expect(run).toHaveLength(3);
    for (const stage of run) {
      expect(stage.indexOf('USER 1000:1000')).toBeGreaterThan(stage.lastIndexOf('RUN '));
      expect(stage).toContain('ENTRYPOINT ["/usr/bin/tini", "--", "node", ');
    }
    expect(deployed('storage/Dockerfile')).toMatch(/^USER 1000:1000$/m);
  });

  it('are built from what the build context holds, and it holds no more', () => {
    const ignore = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
    expect(ignore.filter((line) => line && !line.startsWith('#'))[0]).toBe('*');
    const kept = ignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    const copied = instructionsOf(dockerfile)
      .filter(([name, rest]) => name === 'COPY' && !rest.startsWith('--from'))
      .flatMap(([, rest]) => rest.split(/\s+/).slice(0, -1));
    expect(copied.length).toBeGreaterThan(10);
    for (const path of copied) {
      expect(existsSync(join(ROOT, path)), path).toBe(true);
      expect(
        kept.some((one) => path === one || path.startsWith(`${one}/`)),
        path,
      ).toBe(true);
    }
    for (const path of kept)
      expect(
        copied.some((one) => one === path || one.startsWith(`${path}/`) || path === 'web'),
        path,
      ).toBe(true);
    // Nothing that holds secrets is taken in by a folder that is.
    for (const name of ['**/.env', '**/node_modules']) expect(ignore).toContain(name);
  });

  it('take no secret when they are built', () => {
    for (const [name, rest] of [
      ...instructionsOf(dockerfile),
      ...instructionsOf(deployed('storage/Dockerfile')),
    ])
      if (name === 'ARG' || name === 'ENV')
        expect(rest).not.toMatch(/PASSWORD|SECRET|TOKEN|ACCESS_KEY|DATABASE/);
  });

  it('have a dashboard of the same pg-boss family, locked to the letter', () => {
    const locked = lockOf(deployed('dashboard/package-lock.json'));
    const wanted = z
      .looseObject({ dependencies: z.record(z.string(), z.string().regex(/^\d+\.\d+\.\d+$/)) })
      .parse(JSON.parse(deployed('dashboard/package.json')));
    for (const [name, version] of Object.entries(wanted.dependencies))
      expect(locked[`node_modules/${name}`]?.version).toBe(version);
  });
});

describe('deploy/healthy.js', () => {
  const ask = (...args: string[]) =>
    promisify(execFile)(process.execPath, [join(DEPLOY, 'healthy.js'), ...args]).then(
      () => 0,
      ({ code }: { readonly code: number }) => code,
    );

  it('ends with 0 where a service is well, with 1 where it is not', async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/readyz' ? 503 : request.url === '/' ? 401 : 200;
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    expect(await ask(`${origin}/healthz`)).toBe(0);
    expect(await ask(`${origin}/readyz`)).toBe(1);
    expect(await ask(`${origin}/`)).toBe(1);
    expect(await ask(`${origin}/`, '401')).toBe(0);
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    expect(await ask(`${origin}/healthz`)).toBe(1);
  });
});

describe('docs/operations.md', () => {
  it('has the tables that scripts/cost.ts prints', () => {
    expect(operations).toContain(`\n${workTable(ASSUMPTIONS, SIZES)}\n`);
    expect(operations).toContain(`\n${dollarTable(ASSUMPTIONS, SIZES)}\n`);
  });

  it('reckons as by hand', () => {
    // 100 WATs: 30,000,000 links, 45 % accepted, three of four not repeated; 80 % answer, a tenth matches.
    const work = workOf({ ...ASSUMPTIONS, wats: 100 });
    expect(work.urls).toBeCloseTo(10_125_000);
    expect(work.rows).toBeCloseTo(810_000);
    // 131 buckets of 256 MiB (268.4 MB) stand for 34.9 GB; 1,013 tasks of 10,000 pairs.
    expect(work.tasks).toBe(100 + 131 + 1013);
    // 8,100,000 pictures at 93.3 ms, and 10,125,000 URLs at 0.7 ms, in hours.
    expect(work.coreHours.fp32).toBeCloseTo((8100 * 0.0933) / 3.6 + (10_125 * 0.0007) / 3.6, 6);
    expect(
      dollars({ ...ASSUMPTIONS, wats: 100, busy: 1, cpuHour: 1 }, 'fp32')['harvest, processors'],
    ).toBeCloseTo(work.coreHours.fp32);
  });

  const lines = commandLinesIn(operations);

  it('has examples', () => expect(lines.length).toBeGreaterThan(10));

  it.each(lines.map((line) => [line.join(' '), line] as const))('gleaner %s', async (_, line) => {
    await parseCommandLine(line);
  });

  it('names every variable that a container is given', () => {
    const pods = kubernetesFiles()
      .flatMap((file) => manifestsOf(file, deployed(file)))
      .flatMap(podsOf);
    const inPods = JSON.stringify(pods).matchAll(/\$\((\w+)\)|"name":"([A-Z][A-Z0-9_]+)"/g);
    const variables = new Set([
      ...composeVariables(),
      ...[...inPods].map(([, a, b]) => a ?? b ?? ''),
      ...deployedFiles('kubernetes/**/secret.env.example').flatMap((file) =>
        Object.keys(variablesIn(deployed(file))),
      ),
    ]);
    expect(variables.size).toBeGreaterThan(12);
    for (const name of variables) expect(operations).toContain(`\`${name}\``);
  });
});
