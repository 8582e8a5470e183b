export * from './errors.ts';
export * from './fetch-facts.ts';
export * from './image.ts';
export * from './ledger.ts';
export * from './outcome.ts';
export * from './pair.ts';
export * from './reason.ts';
export * from './row.ts';
