import { GleanerError } from '../../../schema/index.ts';

/** Looks whether networks run on something that is no CPU. @throws GleanerError NO_GPU */
export async function findGpu(): Promise<void> {
  const { chooseProvider } = await import('../../../clip/index.ts');
  const { provider, said } = await chooseProvider('auto');
  if (provider === 'cpu') throw new GleanerError('NO_GPU', { problem: said ?? 'none' });
}
