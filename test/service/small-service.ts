import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Service, type ServiceOptions, startService } from '../../src/service/index.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { shapeEmbedder } from './shapes.ts';
import { type Sample, samples, stageContext, writeRelease } from './small-release.ts';

/** An indexed release of 75 drawings, and services of it. */
export interface SmallRun {
  readonly dir: string;
  readonly all: readonly Sample[];
  /** Failures of all services that were the service's own. */
  readonly failures: readonly unknown[];
  start(options?: Partial<ServiceOptions>): Promise<Service>;
  /** Ends all services, and removes the folder. */
  end(): Promise<void>;
}

export async function makeSmallRun(): Promise<SmallRun> {
  const dir = await mkdtemp(join(tmpdir(), 'gleaner-service-'));
  const all = await samples();
  await writeRelease(dir, all);
  await indexRelease({ dir }, stageContext(dir));
  const services: Service[] = [];
  const failures: unknown[] = [];
  return {
    dir,
    all,
    failures,
    async start(options = {}) {
      const onError = (error: unknown) => failures.push(error);
      const service = await startService({ dir, port: 0, embedder: shapeEmbedder, onError, ...options });
      services.push(service);
      return service;
    },
    async end() {
      await Promise.all(services.map((service) => service.close()));
      await rm(dir, { recursive: true, force: true });
    },
  };
}
