import { main } from './main.ts';

/** The process behind bin/gleaner.js: signals and streams in, exit status out. */
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130); // Asked twice: at once.
    stop.abort(new Error(`stopped by ${signal}`));
  });
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // The reader, as `head`, has seen enough.
  throw error;
});

process.exitCode = await main(process.argv.slice(2), {
  signal: stop.signal,
  print: (text) => process.stdout.write(text),
});
