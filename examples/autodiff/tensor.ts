/** Values of a graph under construction, and the operators on them with their gradients. */
import { DYNAMIC, type Graph } from './graph.ts';
import type { ElementType } from './onnx.ts';

/** What arithmetic takes beside a tensor. */
export type Operand = Tensor | number;

/** One value: a name in the graph, a shape, a type. Operators broadcast as NumPy's do. */
export class Tensor {
  readonly graph: Graph;
  readonly name: string;
  /** Sizes; `DYNAMIC` where only a run tells. */
  readonly shape: readonly number[];
  readonly type: ElementType;

  constructor(graph: Graph, name: string, shape: readonly number[], type: ElementType) {
    this.graph = graph;
    this.name = name;
    this.shape = shape;
    this.type = type;
  }

  /** Number of elements. */
  get size(): number {
    if (this.shape.includes(DYNAMIC)) throw new Error(`${this.name} has no fixed size`);
    return this.shape.reduce((a, b) => a * b, 1);
  }

  add(other: Operand): Tensor {
    return this.#binary('Add', other, (dy) => [dy, dy]);
  }

  sub(other: Operand): Tensor {
    return this.#binary('Sub', other, (dy) => [dy, dy.neg()]);
  }

  mul(other: Operand): Tensor {
    return this.#binary('Mul', other, (dy, a, b) => [dy.mul(b), dy.mul(a)]);
  }

  div(other: Operand): Tensor {
    return this.#binary('Div', other, (dy, _, b, y) => [dy.div(b), dy.mul(y).div(b).neg()]);
  }

  neg(): Tensor {
    return this.#unary('Neg', (dy) => dy.neg());
  }

  exp(): Tensor {
    return this.#unary('Exp', (dy, y) => dy.mul(y));
  }

  log(): Tensor {
    return this.#unary('Log', (dy) => dy.div(this));
  }

  sqrt(): Tensor {
    return this.#unary('Sqrt', (dy, y) => dy.div(y.mul(2)));
  }

  square(): Tensor {
    return this.mul(this);
  }

  relu(): Tensor {
    return this.#unary('Relu', (dy) => dy.mul(this.greater(0)));
  }

  tanh(): Tensor {
    return this.#unary('Tanh', (dy, y) => dy.mul(y.square().neg().add(1)));
  }

  sigmoid(): Tensor {
    return this.#unary('Sigmoid', (dy, y) => dy.mul(y).mul(y.neg().add(1)));
  }

  /** log(1 + eˣ) */
  softplus(): Tensor {
    return this.#unary('Softplus', (dy) => dy.mul(this.sigmoid()));
  }

  abs(): Tensor {
    return this.#unary('Abs', (dy) => dy.mul(this.sign()));
  }

  sign(): Tensor {
    return this.#unary('Sign');
  }

  /** The smaller of both; above it no gradient. */
  atMost(limit: number): Tensor {
    const { graph, shape } = this;
    return graph.node('Min', [this, graph.scalar(limit)], { shape }, (dy) => [
      dy.mul(this.less(limit)),
      undefined,
    ]);
  }

  /** 1 where it holds, else 0. No gradient. */
  greater(limit: Operand): Tensor {
    return this.#compare('Greater', limit);
  }

  less(limit: Operand): Tensor {
    return this.#compare('Less', limit);
  }

  equal(other: Operand): Tensor {
    return this.#compare('Equal', other);
  }

  /** The same value, through which no gradient goes. */
  stop(): Tensor {
    return this.#unary('Identity');
  }

  /** No gradient. */
  cast(type: ElementType): Tensor {
    const name = this.graph.builder.cast(this.name, type);
    return new Tensor(this.graph, name, this.shape, type);
  }

  /** [..., m, k] · [..., k, n] → [..., m, n] */
  matMul(other: Tensor): Tensor {
    const [a, b] = [this.shape, other.shape];
    if (a.at(-1) !== b.at(-2)) throw new Error(`matMul of [${a.join()}] and [${b.join()}]`);
    const shape = [...broadcast(a.slice(0, -2), b.slice(0, -2)), a.at(-2)!, b.at(-1)!];
    return this.graph.node('MatMul', [this, other], { shape }, (dy) => {
      const byThis = dy.matMul(other.transposed()).sumTo(a);
      if (b.length > 2) return [byThis, this.transposed().matMul(dy).sumTo(b)];
      const [rows, by] = [this.reshape([-1, a.at(-1)!]), dy.reshape([-1, b.at(-1)!])];
      return [byThis, rows.transposed().matMul(by)];
    });
  }

  /** The last two axes exchanged. */
  transposed(): Tensor {
    const rank = this.shape.length;
    return this.transpose([...Array(rank - 2).keys(), rank - 1, rank - 2]);
  }

  transpose(perm: readonly number[]): Tensor {
    const shape = perm.map((axis) => this.shape[axis]!);
    const back = perm.map((_, axis) => perm.indexOf(axis));
    return this.graph.node('Transpose', [this], { shape, attributes: { perm } }, (dy) => [
      dy.transpose(back),
    ]);
  }

  /** One size may be -1: what is left. */
  reshape(sizes: readonly number[]): Tensor {
    const shape = this.#fill(sizes);
    if (shape.join() === this.shape.join() && !shape.includes(DYNAMIC)) return this;
    const constants = [this.graph.builder.ints(...sizes)];
    return this.graph.node('Reshape', [this], { shape, type: this.type, constants }, (dy) => [
      dy.reshape(this.shape),
    ]);
  }

  /** Elements from `start` to before `end` of an axis. */
  slice(axis: number, start: number, end: number): Tensor {
    const { graph } = this;
    const length = this.shape[axis]!;
    const shape = this.shape.with(axis, end - start);
    const { builder } = graph;
    const constants = [builder.ints(start), builder.ints(end), builder.ints(axis)];
    return graph.node('Slice', [this], { shape, type: this.type, constants }, (dy) => {
      const zeros = (count: number) =>
        graph.constant(new Float32Array(size(this.shape.with(axis, count))), this.shape.with(axis, count));
      const parts = [start > 0 ? zeros(start) : [], dy, end < length ? zeros(length - end) : []].flat();
      return [concat(parts, axis)];
    });
  }

  /** As long as `shape` says, by repeating what has a size of 1. */
  expand(shape: readonly number[]): Tensor {
    // A size of 1 leaves what is there, one that only a run tells too.
    const sizes = shape.map((length) => (length === DYNAMIC ? 1 : length));
    const constants = [this.graph.builder.ints(...sizes)];
    return this.graph.node('Expand', [this], { shape, constants }, (dy) => [dy.sumTo(this.shape)]);
  }

  /** Sum over axes, which stay with size 1. */
  sum(...axes: readonly number[]): Tensor {
    return this.#reduce('ReduceSum', axes, (dy) => dy.expand(this.shape));
  }

  mean(...axes: readonly number[]): Tensor {
    const count = axes.reduce((product, axis) => product * this.shape.at(axis)!, 1);
    return this.sum(...axes).mul(1 / count);
  }

  /** Of all elements, []. */
  sumAll(): Tensor {
    return this.reshape([-1]).sum(0).reshape([]);
  }

  meanAll(): Tensor {
    return this.sumAll().mul(1 / this.size);
  }

  /** Over the last axis. */
  softmax(): Tensor {
    const attributes = { axis: -1 };
    return this.graph.node('Softmax', [this], { shape: this.shape, attributes }, (dy, y) => {
      const weighted = dy.mul(y);
      return [weighted.sub(y.mul(weighted.sum(-1)))];
    });
  }

  /** Over the last axis. */
  logSoftmax(): Tensor {
    const attributes = { axis: -1 };
    return this.graph.node('LogSoftmax', [this], { shape: this.shape, attributes }, (dy, y) => [
      dy.sub(y.exp().mul(dy.sum(-1))),
    ]);
  }

  /** Place of the largest along the last axis, int64, without that axis. No gradient. */
  argMax(): Tensor {
    const shape = this.shape.slice(0, -1);
    return this.graph.node('ArgMax', [this], { shape, type: 'int64', attributes: { axis: -1, keepdims: 0 } });
  }

  /** Summed over what broadcasting from `shape` repeated. */
  sumTo(shape: readonly number[]): Tensor {
    if (this.shape.join() === shape.join()) return this;
    const lead = this.shape.length - shape.length;
    const axes = [...this.shape.keys()].filter(
      (axis) => axis < lead || (shape[axis - lead] === 1 && this.shape[axis] !== 1),
    );
    return this.sum(...axes).reshape(shape);
  }

  #unary(opType: string, vjp?: (dy: Tensor, y: Tensor) => Tensor): Tensor {
    const { shape, type } = this;
    return this.graph.node(opType, [this], { shape, type }, vjp && ((dy, y) => [vjp(dy, y)]));
  }

  #binary(
    opType: string,
    other: Operand,
    vjp: (dy: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [Tensor, Tensor],
  ): Tensor {
    const b = typeof other === 'number' ? this.graph.scalar(other) : other;
    const shape = broadcast(this.shape, b.shape);
    return this.graph.node(opType, [this, b], { shape, type: this.type }, (dy, y) => {
      const [byThis, byOther] = vjp(dy, this, b, y);
      return [byThis.sumTo(this.shape), typeof other === 'number' ? undefined : byOther.sumTo(b.shape)];
    });
  }

  #compare(opType: string, other: Operand): Tensor {
    const b = typeof other === 'number' ? this.graph.scalar(other) : other;
    const shape = broadcast(this.shape, b.shape);
    return this.graph.node(opType, [this, b], { shape }).cast('float32');
  }

  #reduce(opType: string, axes: readonly number[], vjp: (dy: Tensor) => Tensor): Tensor {
    const places = axes.map((axis) => (axis < 0 ? axis + this.shape.length : axis));
    const shape = this.shape.map((length, axis) => (places.includes(axis) ? 1 : length));
    const constants = [this.graph.builder.ints(...places)];
    return this.graph.node(opType, [this], { shape, constants, attributes: { keepdims: 1 } }, (dy) => [
      vjp(dy),
    ]);
  }

  #fill(sizes: readonly number[]): readonly number[] {
    if (!sizes.includes(-1) || this.shape.includes(DYNAMIC)) return sizes;
    const known = sizes.reduce((product, length) => (length === -1 ? product : product * length), 1);
    return sizes.map((length) => (length === -1 ? this.size / known : length));
  }
}

function size(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Shape of what two shapes make together. @throws Error where they do not fit */
function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [m, n] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (m !== n && m !== 1 && n !== 1) throw new Error(`[${a.join()}] and [${b.join()}] do not fit`);
    return m === 1 ? n : m;
  });
}

/** Tensors one behind the other along an axis. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts;
  if (!first) throw new Error('nothing to put together');
  if (parts.length === 1) return first;
  const lengths = parts.map((part) => part.shape[axis]!);
  const shape = first.shape.with(
    axis,
    lengths.reduce((a, b) => a + b, 0),
  );
  return first.graph.node('Concat', parts, { shape, type: first.type, attributes: { axis } }, (dy) => {
    let start = 0;
    return lengths.map((length) => {
      start += length;
      return dy.slice(axis, start - length, start);
    });
  });
}
