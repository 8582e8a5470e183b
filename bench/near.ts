/** Duplicates beyond exact: `planted` says what is found, `rows` what it costs. Without a name, both. */
export async function bench(args: readonly string[]): Promise<void> {
  const [what, ...rest] = args;
  if (what !== 'rows') await (await import('./near-planted.ts')).bench(what === 'planted' ? rest : args);
  if (what !== 'planted') await (await import('./near-rows.ts')).bench(what === 'rows' ? rest : []);
}
