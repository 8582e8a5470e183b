export { domainsOf } from './addresses.ts';
export { categoriesSchema, loadSafetyCategories, type SafetyCategories } from './categories.ts';
export { classifierFiles, type Findings, type ImageClassifier, loadClassifier } from './classifier.ts';
export {
  type KnownContent,
  type KnownContentList,
  matchDetail,
  parseMatch,
  readKnownContent,
} from './known-content.ts';
export { createSafetyTagger, type SafetyOptions, type SafetyTagger, safetyPrompts } from './tags.ts';
export {
  formatTombstones,
  type NamedPair,
  type RemovedPair,
  readTombstones,
  TAKEDOWN_KINDS,
  type Takedown,
  type TakedownKind,
  TOMBSTONES_FILE,
  type TombstoneList,
  Tombstones,
  takedownHash,
  urlHash,
} from './tombstones.ts';
