export { loadSafetyCategories, type SafetyCategories } from './categories.ts';
export { createSafetyTagger, type SafetyOptions, type SafetyTagger, safetyPrompts } from './tags.ts';
