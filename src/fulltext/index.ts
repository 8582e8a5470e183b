export { FullTextIndex, type TextBatch, type TextHit, type TextSearchOptions } from './full-text-index.ts';
