import { expect, test } from 'vitest';
import { rememberTexts } from '../../src/service/remembered-texts.ts';
import { shapeEmbedder } from './shapes.ts';

function counted() {
  const asked: string[] = [];
  const embedder = rememberTexts({
    ...shapeEmbedder,
    async embedTexts(texts) {
      asked.push(...texts);
      if (texts[0] === 'fails') throw new Error('it fails');
      return shapeEmbedder.embedTexts(texts);
    },
  });
  return { asked, embedder };
}

test('a text is embedded once, also by two who ask at once, and its numbers are everybody’s own', async () => {
  const { asked, embedder } = counted();
  const [one, two] = await Promise.all([
    embedder.embedTexts(['a red circle']),
    embedder.embedTexts(['a red circle']),
  ]);
  one?.fill(0);
  const three = await embedder.embedTexts(['a red circle']);
  expect(asked).toEqual(['a red circle']);
  expect(two).toEqual(await shapeEmbedder.embedTexts(['a red circle']));
  expect(three).toEqual(two);
});

test('what failed is tried again', async () => {
  const { asked, embedder } = counted();
  await expect(embedder.embedTexts(['fails'])).rejects.toThrow('it fails');
  await expect(embedder.embedTexts(['fails'])).rejects.toThrow('it fails');
  expect(asked).toHaveLength(2);
});

test('the last 1,024 are remembered, long ones never', async () => {
  const { asked, embedder } = counted();
  for (let i = 0; i < 1025; i++) await embedder.embedTexts([`a red circle ${i}`]);
  await embedder.embedTexts(['a red circle 1024']);
  expect(asked).toHaveLength(1025);
  await embedder.embedTexts(['a red circle 0']);
  expect(asked).toHaveLength(1026);
  const long = 'a red circle '.repeat(50);
  await embedder.embedTexts([long]);
  await embedder.embedTexts([long]);
  expect(asked).toHaveLength(1028);
});
