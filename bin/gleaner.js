#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that an old one can say so.
var version = process.versions.node.split('.').map(Number);
if (version[0] < 22 || (version[0] === 22 && version[1] < 18)) {
  console.error(
    `gleaner needs Node 22.18 or newer; this is ${process.versions.node}. See https://nodejs.org.`,
  );
  process.exit(1);
}
// A checkout runs its sources as they are; the published package has only what was built from them.
import('node:fs')
  .then(({ existsSync }) => {
    const source = new URL('../src/cli/gleaner.ts', import.meta.url);
    return import(existsSync(source) ? source.href : new URL('../dist/cli/gleaner.js', import.meta.url).href);
  })
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
