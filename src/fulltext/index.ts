export {
  FullTextIndex,
  type TextBatch,
  type TextHit,
  type TextSearcher,
  type TextSearchOptions,
} from './full-text-index.ts';
export { FullTextThread } from './full-text-thread.ts';
