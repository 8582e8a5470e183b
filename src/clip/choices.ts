/** What can be chosen of a model by name. Nothing is loaded with this file: recipes and options need the names alone. */

/** Numbers that a network's weights are kept as. */
export const VARIANTS = ['fp32', 'fp16', 'int8'] as const;
export type ModelVariant = (typeof VARIANTS)[number];

/** What a network can be run on, by the names of onnxruntime-node. */
export const PROVIDERS = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const;
export type Provider = (typeof PROVIDERS)[number];

/** A provider by name, or the best that works. */
export const PROVIDER_CHOICES = ['auto', ...PROVIDERS] as const;
export type ProviderChoice = (typeof PROVIDER_CHOICES)[number];
