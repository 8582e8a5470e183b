/**
 * Completes package-lock.json with the optional packages of other platforms. npm leaves those out that were not there
 * when the lock was written (npm/cli issue 4828), and `npm ci` then fails on them. An entry without a checksum is
 * enough: npm takes the package by its name and version, and only where platform and entry agree.
 *
 * `node scripts/complete-lock.ts` writes, `--check` only tells whether there is something to write.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const LOCK = join(import.meta.dirname, '..', 'package-lock.json');

const packageSchema = z.looseObject({
  version: z.string().optional(),
  dev: z.boolean().optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});
const lockSchema = z.looseObject({ packages: z.record(z.string(), packageSchema) });
type Lock = z.infer<typeof lockSchema>;

/** What the name of a package of prebuilt binaries says of its platform, as in `@biomejs/cli-linux-arm64-musl`. */
function platformOf(name: string): Readonly<Record<'os' | 'cpu' | 'libc', readonly string[]>> {
  const of = (pattern: RegExp) => pattern.exec(name)?.[1];
  const os = of(/-(android|darwin|freebsd|linux|openharmony|win32)\b/);
  const cpu = of(/-(arm64|arm|ia32|ppc64|riscv64|s390x|x64)\b/);
  const libc = os === 'linux' ? (/musl/.test(name) ? 'musl' : 'glibc') : undefined;
  return { os: os ? [os] : [], cpu: cpu ? [cpu] : [], libc: libc ? [libc] : [] };
}

/** The path at which a package at `path` finds `name`: in its own node_modules or in one above. */
function finds(lock: Lock, path: string, name: string): string | undefined {
  for (let at = path; ; ) {
    const candidate = `${at ? `${at}/` : ''}node_modules/${name}`;
    if (lock.packages[candidate]) return candidate;
    if (at === '') return undefined;
    at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')));
  }
}

/** Entries that the lock lacks, by their path. */
function missingEntries(lock: Lock): Record<string, z.infer<typeof packageSchema>> {
  const missing: Record<string, z.infer<typeof packageSchema>> = {};
  for (const [path, { dev, optionalDependencies = {} }] of Object.entries(lock.packages))
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const { os, cpu, libc } = platformOf(name);
      // Without a platform in its name it is no prebuilt binary, and nothing that this script knows of.
      if (os.length === 0 || cpu.length === 0) continue;
      const found = finds({ packages: { ...lock.packages, ...missing } }, path, name);
      if (found && (lock.packages[found] ?? missing[found])?.version === version) continue;
      // Where another version has the place above, as npm does: in the package's own folder.
      missing[found ? `${path}/node_modules/${name}` : `node_modules/${name}`] = {
        version,
        cpu,
        ...(dev && { dev }),
        ...(libc.length > 0 && { libc }),
        optional: true,
        os,
      };
    }
  return missing;
}

const written = JSON.parse(readFileSync(LOCK, 'utf8'));
const missing = missingEntries(lockSchema.parse(written));
const names = Object.keys(missing).map((path) => path.slice('node_modules/'.length));
if (names.length === 0) process.stdout.write('package-lock.json has the packages of every platform\n');
else if (process.argv.includes('--check')) {
  process.stderr.write(`package-lock.json lacks ${names.join(', ')}: run node scripts/complete-lock.ts\n`);
  process.exitCode = 1;
} else {
  const packages = Object.entries({ ...written.packages, ...missing }).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(LOCK, `${JSON.stringify({ ...written, packages: Object.fromEntries(packages) }, null, 2)}\n`);
  process.stdout.write(`added ${names.join(', ')}\n`);
}
