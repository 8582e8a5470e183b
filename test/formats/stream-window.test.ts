import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StreamWindow } from '../../src/formats/stream-window.ts';

test('has what was pushed from the first byte that is wanted on; what was given out stays as it is', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ append: fc.uint8Array({ maxLength: 20 }) }),
      fc.record({ keep: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.constant('clear' as const),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const window = new StreamWindow();
      const stream: number[] = [];
      let start = 0;
      const given: { view: Uint8Array; expected: readonly number[] }[] = [];
      for (const step of all) {
        if (step === 'clear') {
          window.clear();
          start = stream.length;
        } else if ('append' in step) {
          window.append(step.append);
          stream.push(...step.append);
        } else {
          start += Math.floor(step.keep * (stream.length - start + 1));
          start = Math.min(start, stream.length);
          window.keepFrom(start);
        }
        expect(window.end).toBe(stream.length);
        const middle = Math.floor((start + stream.length) / 2);
        given.push({ view: window.view(start), expected: stream.slice(start) });
        given.push({ view: window.view(start, middle), expected: stream.slice(start, middle) });
        for (const { view, expected } of given) expect([...view]).toEqual(expected);
      }
    }),
  );
});

test('does not copy what comes where nothing before it is wanted', () => {
  const window = new StreamWindow();
  window.append(Uint8Array.of(1, 2));
  window.keepFrom(2);
  const bytes = Uint8Array.of(3, 4);
  window.append(bytes);
  expect(window.view(3).buffer).toBe(bytes.buffer);
});
