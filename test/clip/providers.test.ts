import { describe, expect, it } from 'vitest';
import { chooseProvider } from '../../src/clip/index.ts';
import type { Probe } from '../../src/clip/providers.ts';

const SUPPORTED = ['cpu', 'cuda', 'webgpu', 'dml', 'tensorrt'];
/** A machine on which some providers work, and a list of those that were tried. */
function machine(...working: string[]): { probe: Probe; tried: string[] } {
  const tried: string[] = [];
  return {
    tried,
    async probe(provider) {
      tried.push(provider);
      return working.includes(provider) ? undefined : `no ${provider} here`;
    },
  };
}

describe('chooseProvider', () => {
  it('takes what is named, and says nothing', async () => {
    expect(await chooseProvider('cuda', machine('cuda').probe, SUPPORTED)).toEqual({
      provider: 'cuda',
      said: undefined,
    });
    const { probe, tried } = machine();
    expect(await chooseProvider('cpu', probe, SUPPORTED)).toMatchObject({ provider: 'cpu' });
    expect(tried).toEqual([]);
  });

  it('refuses what is named and does not work, in one line', async () => {
    await expect(chooseProvider('webgpu', machine('cuda').probe, SUPPORTED)).rejects.toMatchObject({
      code: 'PROVIDER_FAILED',
      message: expect.stringMatching(/^--provider webgpu: does not work here: no webgpu here\. 'auto' .*$/),
    });
    const { probe, tried } = machine('coreml');
    await expect(chooseProvider('coreml', probe, SUPPORTED)).rejects.toThrow(
      /this build of onnxruntime has only cpu, cuda, webgpu, dml/,
    );
    expect(tried).toEqual([]);
  });

  it('finds the best that works, and says which and why no better one', async () => {
    const { probe, tried } = machine('webgpu');
    expect(await chooseProvider('auto', probe, SUPPORTED)).toEqual({
      provider: 'webgpu',
      said: expect.stringMatching(
        /^networks run on webgpu; cuda does not work: no cuda here \(its libraries come by '.*cuda12'\); dml does not work: no dml here$/,
      ),
    });
    expect(tried).toEqual(['cuda', 'dml', 'webgpu']);
  });

  it('falls back to the processor, aloud', async () => {
    const { provider, said } = await chooseProvider('auto', machine().probe, SUPPORTED);
    expect(provider).toBe('cpu');
    expect(said).toMatch(
      /^networks run on cpu; cuda does not work: .*; webgpu does not work: no webgpu here$/,
    );
  });

  it('tries what this build has in a process of its own, and agrees with itself', async () => {
    const auto = await chooseProvider('auto');
    expect(auto.said).toContain(`networks run on ${auto.provider}`);
    expect(auto.said).not.toContain('\n');
    await expect(chooseProvider(auto.provider)).resolves.toMatchObject({ provider: auto.provider });
  });
});
