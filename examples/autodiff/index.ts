/** Training of small networks in TypeScript: differentiable ONNX graphs, run by onnxruntime. */
export { AdamW } from './adamw.ts';
export { type CurvePlot, type CurveSeries, curvesSvg } from './curves.ts';
export {
  type ConvOptions,
  conv2d,
  crossEntropy,
  gather,
  layerNorm as layerNormalization,
  normalize,
  oneHot,
  quickGelu,
} from './functions.ts';
export { DYNAMIC, Graph } from './graph.ts';
export { attention, causalMask, layerNorm, linear, transformer } from './layers.ts';
export { filled, normal, ones, Parameters, zeros } from './parameters.ts';
export { keepStopped, sayWithTime, stepLines, watchForStop } from './progress.ts';
export { Rng, seedOf } from './rng.ts';
export { type BuildLoss, type Feeds, type Forward, openForward, openStep } from './step.ts';
export { concat, Tensor } from './tensor.ts';
export { type Curves, type Schedule, type StepReport, Trainer } from './trainer.ts';
