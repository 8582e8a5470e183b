import sharp from 'sharp';
import { dropped, kept } from '../../src/schema/index.ts';
import type { Embedder } from '../../src/service/index.ts';

/** Pictures that a few lines of arithmetic understand: one shape of one colour on white. */
export const COLOURS = {
  red: [220, 40, 40],
  green: [40, 160, 70],
  blue: [40, 80, 220],
  yellow: [240, 200, 30],
  purple: [140, 60, 180],
} as const;
export type Colour = keyof typeof COLOURS;
/** Share of its box that a shape fills. */
export const SHAPES = { square: 1, circle: Math.PI / 4, triangle: 0.5 } as const;
export type Shape = keyof typeof SHAPES;

const COLOUR_NAMES = Object.keys(COLOURS) as Colour[];
const SHAPE_NAMES = Object.keys(SHAPES) as Shape[];
const WORDS: readonly string[] = [...COLOUR_NAMES, ...SHAPE_NAMES];

export async function drawing(colour: Colour, shape: Shape, width: number, height: number): Promise<Buffer> {
  const fill = `rgb(${COLOURS[colour].join(',')})`;
  const side = Math.min(width, height) * 0.7;
  const [x, y] = [(width - side) / 2, (height - side) / 2];
  const mark = {
    square: `<rect x="${x}" y="${y}" width="${side}" height="${side}" fill="${fill}"/>`,
    circle: `<circle cx="${width / 2}" cy="${height / 2}" r="${side / 2}" fill="${fill}"/>`,
    triangle: `<polygon points="${x},${y + side} ${x + side},${y + side} ${width / 2},${y}" fill="${fill}"/>`,
  }[shape];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="white"/>${mark}</svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality: 90 }).toBuffer();
}

function normalized(vector: number[]): Float32Array {
  const norm = Math.hypot(...vector) || 1;
  return Float32Array.from(vector, (x) => x / norm);
}

export const DIMENSION = WORDS.length + 1;

/** The colours and shapes that a text names; the last number is what is common to all texts and pictures. */
export function embedWords(text: string): Float32Array {
  const words = text.toLowerCase().split(/[^a-z]+/);
  return normalized([...WORDS.map((word) => (words.includes(word) ? 1 : 0)), 0.2]);
}

/** The mean colour of what is not white, and how much of its box it fills. */
export async function embedPicture(bytes: Uint8Array): Promise<Float32Array> {
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const sum = [0, 0, 0];
  let count = 0;
  let [left, right, top, bottom] = [info.width, 0, info.height, 0];
  for (let i = 0; i < data.length; i += 3) {
    const rgb = [data[i] ?? 0, data[i + 1] ?? 0, data[i + 2] ?? 0];
    if (Math.min(...rgb) > 200) continue;
    count++;
    rgb.forEach((value, c) => {
      sum[c] = (sum[c] ?? 0) + value;
    });
    const [x, y] = [(i / 3) % info.width, Math.floor(i / 3 / info.width)];
    [left, right, top, bottom] = [
      Math.min(left, x),
      Math.max(right, x),
      Math.min(top, y),
      Math.max(bottom, y),
    ];
  }
  const mean = sum.map((s) => s / Math.max(1, count));
  const box = Math.max(1, (right - left + 1) * (bottom - top + 1));
  const colours = COLOUR_NAMES.map((name) => -Math.hypot(...COLOURS[name].map((v, c) => v - (mean[c] ?? 0))));
  const shapes = SHAPE_NAMES.map((name) => -Math.abs(SHAPES[name] - count / box));
  const best = (scores: number[]) => scores.map((score) => (score === Math.max(...scores) ? 1 : 0));
  return normalized([...best(colours), ...best(shapes), 0.2]);
}

export const shapeEmbedder: Embedder = {
  name: 'shapes: five colours and three shapes, for tests',
  dimension: DIMENSION,
  files: { 'shapes.ts': 'a'.repeat(64) },
  async embedTexts(texts) {
    const out = new Float32Array(texts.length * DIMENSION);
    texts.forEach((text, i) => {
      out.set(embedWords(text), i * DIMENSION);
    });
    return out;
  },
  async embedImage(bytes) {
    try {
      return kept(await embedPicture(bytes));
    } catch {
      return dropped('undecodable');
    }
  },
  async close() {},
};
