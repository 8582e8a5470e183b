export { loadSafetyCategories, type SafetyCategories } from './categories.ts';
export {
  type KnownContent,
  type KnownContentList,
  matchDetail,
  parseMatch,
  readKnownContent,
} from './known-content.ts';
export { createSafetyTagger, type SafetyOptions, type SafetyTagger, safetyPrompts } from './tags.ts';
