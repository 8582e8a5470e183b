export { type ClipModel, type ClipOptions, loadClip } from './model.ts';
export { identifyModel, type ModelIdentity } from './model-files.ts';
export type { CroppedImage } from './preprocess.ts';
export { describeModel, resolveModel } from './registry.ts';
