// The training step of bench/train-step.ts with @jax-js/jax: `node train-step-jax.mjs PACKAGE STEPS`. Prints JSON lines.
// PACKAGE: folder of the installed package. In jax-js each use of an array but its last is written `.ref`.
import { pathToFileURL } from 'node:url';

const [folder, steps] = process.argv.slice(2);
const {
  blockUntilReady,
  defaultDevice,
  init,
  jit,
  nn,
  numpy: np,
  valueAndGrad,
} = await import(pathToFileURL(`${folder}/dist/index.js`).href);
await init('wasm');
defaultDevice('wasm');

const { batch: B, tokens: T, width: D, heads: H, layers: L, vocabulary: V } = JSON.parse(process.env.SHAPE);
const random = (() => {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 0.07; // as deviating as a normal of .02
  };
})();
const matrix = (...shape) =>
  np.array(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, random)).reshape(shape);
const block = () => ({
  scale1: np.ones([D]),
  scale2: np.ones([D]),
  query: matrix(D, D),
  key: matrix(D, D),
  value: matrix(D, D),
  out: matrix(D, D),
  up: matrix(D, 4 * D),
  down: matrix(4 * D, D),
});
const parameters = {
  tokens: matrix(V, D),
  places: matrix(T, D),
  blocks: Array.from({ length: L }, block),
  scale: np.ones([D]),
  head: matrix(D, V),
};

const norm = (x, scale) => {
  const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
  const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
  return centred.div(np.sqrt(variance.add(1e-5))).mul(scale);
};
const heads = (x) => np.transpose(x.reshape([B, T, H, D / H]), [0, 2, 1, 3]);
const loss = (p, ids, labels, mask) => {
  let x = np.matmul(ids, p.tokens).reshape([B, T, D]).add(p.places);
  for (const b of p.blocks) {
    const h = norm(x.ref, b.scale1);
    const [q, k, v] = [b.query, b.key, b.value].map((w, i) => heads(np.matmul(i < 2 ? h.ref : h, w)));
    const logits = np
      .matmul(q, np.transpose(k, [0, 1, 3, 2]))
      .mul(1 / Math.sqrt(D / H))
      .add(mask.ref);
    const mixed = np.matmul(nn.softmax(logits, -1), v);
    x = x.add(np.matmul(np.transpose(mixed, [0, 2, 1, 3]).reshape([B, T, D]), b.out));
    const up = np.matmul(norm(x.ref, b.scale2), b.up);
    x = x.add(np.matmul(up.ref.mul(nn.sigmoid(up.mul(1.702))), b.down));
  }
  mask.dispose();
  const logits = np.matmul(norm(x, p.scale), p.head).reshape([B * T, V]);
  return np.sum(nn.logSoftmax(logits, -1).mul(labels)).mul(-1 / (B * T));
};
const step = jit(valueAndGrad(loss));

const id = (i, factor) => (i * factor) % V;
const hot = (factor) => {
  const data = new Float32Array(B * T * V);
  for (let i = 0; i < B * T; i++) data[i * V + id(i, factor)] = 1;
  return np.array(data).reshape([B * T, V]);
};
const [ids, labels] = [hot(7919), hot(104729)];
const mask = np
  .array(Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0)))
  .reshape([1, 1, T, T]);
const refs = (tree) =>
  Array.isArray(tree)
    ? tree.map(refs)
    : tree.constructor === Object
      ? Object.fromEntries(Object.entries(tree).map(([k, v]) => [k, refs(v)]))
      : tree.ref;
for (let i = 0; i < Number(steps); i++) {
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  const [value, gradients] = step(refs(parameters), ids.ref, labels.ref, mask.ref);
  await blockUntilReady(gradients);
  const [seconds, used] = [(performance.now() - began) / 1000, process.cpuUsage(cpu)];
  console.log(JSON.stringify({ loss: value.js(), seconds, cpuSeconds: (used.user + used.system) / 1e6 }));
}
