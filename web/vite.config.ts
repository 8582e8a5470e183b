import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // The page's policy allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The search page, its map, the page of gleaner review, and that of gleaner status.
    rolldownOptions: {
      input: ['index.html', 'map.html', 'review.html', 'fleet.html'].map(
        (page) => `${import.meta.dirname}/${page}`,
      ),
    },
  },
});
