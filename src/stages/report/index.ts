export { renderCard } from './card.ts';
export { collectStatistics } from './collect.ts';
export { type PricedCosts, priceCosts, type StageCost } from './costs.ts';
export { renderCroissant } from './croissant.ts';
export { buildFunnel, type FormatFunnelOptions, formatFunnel } from './funnel.ts';
export { formatCost, formatCount, formatRate, formatShare, formatValue } from './numbers.ts';
export { renderReport } from './page.ts';
export { parseStatistics, readStatistics, STATISTICS_FILE } from './parse.ts';
export type { Publication } from './publication.ts';
export { collectSamples, type Sample, type SampleBand, type SampleOptions } from './samples.ts';
export type {
  Distribution,
  DropCount,
  FunnelRow,
  Histogram,
  ModelInfo,
  Quantiles,
  ReportInput,
  SizeCount,
  Statistics,
  Sweep,
  Tally,
  ValueCount,
} from './statistics.ts';
export { type WriteReportInput, writeCard, writeReport } from './write.ts';
