import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { GleanerError } from '../schema/index.ts';
import { PROVIDERS, type Provider, type ProviderChoice } from './choices.ts';

/** The provider that was taken, and what to tell of it. */
export interface ChosenProvider {
  readonly provider: Provider;
  /** What 'auto' took, and why what it would rather have had did not work: one line. Undefined for a provider by name. */
  readonly said: string | undefined;
}

/** What `auto` tries, best first: those made for one vendor's hardware, then the one for any GPU, then the processor. */
const BEST_FIRST: readonly Provider[] = ['cuda', 'dml', 'coreml', 'webgpu', 'cpu'];
const PROBE = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './probe.ts' : './probe.js', import.meta.url),
);
/** A driver that says nothing for so long does not work, in milliseconds. */
const PROBE_TIMEOUT_MS = 60_000;
const HINTS: Readonly<Partial<Record<Provider, string>>> = {
  cuda: "its libraries come by 'npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12'",
};

/** Whether a provider works on this machine: undefined, or why not. */
export type Probe = (provider: Provider) => Promise<string | undefined>;

/**
 * Settles what networks are run on. Each provider is tried on a network of one node, in another process.
 *
 * @param supported providers that this build of onnxruntime knows
 * @throws GleanerError PROVIDER_FAILED where one is named that does not work
 */
export async function chooseProvider(
  choice: ProviderChoice,
  probe: Probe = probeProvider,
  supported: readonly string[] = ort.listSupportedBackends().map(({ name }) => name),
): Promise<ChosenProvider> {
  const notBuiltIn = `this build of onnxruntime has only ${PROVIDERS.filter((p) => supported.includes(p)).join(', ')}`;
  if (choice !== 'auto') {
    const problem = supported.includes(choice) ? await tryOne(choice, probe) : notBuiltIn;
    if (problem === undefined) return { provider: choice, said: undefined };
    throw new GleanerError('PROVIDER_FAILED', { provider: choice, problem });
  }
  const failed: string[] = [];
  for (const provider of BEST_FIRST.filter((p) => supported.includes(p))) {
    const problem = await tryOne(provider, probe);
    if (problem !== undefined) failed.push(`${provider} does not work: ${problem}`);
    else return { provider, said: [`networks run on ${provider}`, ...failed].join('; ') };
  }
  throw new GleanerError('PROVIDER_FAILED', { provider: 'auto', problem: failed.join('; ') || notBuiltIn });
}

async function tryOne(provider: Provider, probe: Probe): Promise<string | undefined> {
  // The processor needs no proof: without it the library would not have been loaded.
  if (provider === 'cpu') return undefined;
  const problem = await probe(provider);
  const hint = HINTS[provider];
  return problem !== undefined && hint !== undefined ? `${problem} (${hint})` : problem;
}

/** Tries a provider in a process of its own. */
function probeProvider(provider: Provider): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROBE, provider], { timeout: PROBE_TIMEOUT_MS }, (error, stdout) => {
      if (!error) return resolve(undefined);
      const told = stdout.trim().split('\n').at(-1)?.replace(/\.$/, '');
      const how = error.killed
        ? 'no answer within a minute'
        : `its process ended by ${error.signal ?? error.code}`;
      resolve(told || how);
    });
  });
}
