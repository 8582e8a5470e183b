import type { FastTextModel } from '../../formats/index.ts';

export interface Guess {
  /** Without the mark that fastText puts before labels. */
  readonly label: string;
  /** 0 to 1, and some hundred-thousandths more: fastText adds 10⁻⁵ at each fork of its tree. */
  readonly probability: number;
}

const MARK = '__label__';
/** What fastText adds to probabilities before it takes their logarithm: also the least that it goes after. */
const LEAST = 1e-5;

/** The `k` likeliest labels of a text by the mean of its rows, best first. */
export type BestLabels = (mean: Float64Array, k: number) => Guess[];

/**
 * Hierarchical softmax: labels are the leaves of the Huffman tree that their counts make, and every inner node tells
 * with what probability it goes on to the right.
 */
export function labelTree({ labels, labelCounts, output, dim }: FastTextModel): BestLabels {
  const names = labels.map((label) => (label.startsWith(MARK) ? label.slice(MARK.length) : label));
  const { left, right, root } = huffman(labelCounts);
  let best: Guess[] = [];
  let mean: Float64Array = new Float64Array(0);
  let k = 1;

  return (ofText, most) => {
    best = [];
    mean = ofText;
    k = most;
    visit(root, 1);
    return best;
  };

  function visit(node: number, probability: number): void {
    if (probability < LEAST) return;
    if (best.length === k && probability < best[k - 1]!.probability) return;
    if (node < names.length) {
      // Into its place: `k` is 1 or 2.
      best.push({ label: names[node]!, probability });
      for (let i = best.length - 1; i > 0 && best[i - 1]!.probability < probability; i--)
        [best[i - 1], best[i]] = [best[i]!, best[i - 1]!];
      if (best.length > k) best.pop();
      return;
    }
    const from = (node - names.length) * dim;
    let dot = 0;
    for (let d = 0; d < dim; d++) dot += mean[d]! * output[from + d]!;
    const p = 1 / (1 + Math.exp(-dot));
    // The likelier first: then most others need no visit.
    if (p < 0.5) visit(left[node]!, probability * (1 - p + LEAST));
    visit(right[node]!, probability * (p + LEAST));
    if (p >= 0.5) visit(left[node]!, probability * (1 - p + LEAST));
  }
}

/** Leaves come first, in the order of their counts, which descend; then inner nodes, as they were made; the root last. */
function huffman(counts: Float64Array) {
  const leaves = counts.length;
  const nodes = 2 * leaves - 1;
  const left = new Uint16Array(nodes);
  const right = new Uint16Array(nodes);
  const sums = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY);
  sums.set(counts);
  let leaf = leaves - 1;
  let inner = leaves;
  const takeLeast = () => (leaf >= 0 && sums[leaf]! < sums[inner]! ? leaf-- : inner++);
  for (let node = leaves; node < nodes; node++) {
    const a = takeLeast();
    const b = takeLeast();
    left[node] = a;
    right[node] = b;
    sums[node] = sums[a]! + sums[b]!;
  }
  return { left, right, root: nodes - 1 };
}
