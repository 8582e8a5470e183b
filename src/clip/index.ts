export type { ModelVariant, Provider, ProviderChoice } from './choices.ts';
export { type ClipModel, type ClipOptions, loadClip } from './model.ts';
export { identifyModel, type ModelIdentity, readModelFolder } from './model-files.ts';
export type { CroppedImage, PixelValues, Preprocessing } from './preprocess.ts';
export { type ChosenProvider, chooseProvider } from './providers.ts';
export { DEFAULT_HUB, LOCK_FILE, type PulledFile, type PullOptions, pullModel } from './pull.ts';
export {
  describeModel,
  knownModel,
  type ListedModel,
  listModels,
  modelsHome,
  resolveModel,
} from './registry.ts';
