export { type ClipModel, type ClipOptions, loadClip } from './model.ts';
export { identifyModel, type ModelIdentity, readModelFolder } from './model-files.ts';
export type { CroppedImage, Preprocessing } from './preprocess.ts';
export { describeModel, resolveModel } from './registry.ts';
