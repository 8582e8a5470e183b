import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CpuMeter } from '../../src/pipeline/index.ts';

test('what is used while several tasks are open is parted among them', () => {
  let now = 5;
  const meter = new CpuMeter(undefined, () => now);
  const at = <T>(seconds: number, then: () => T) => {
    now = seconds;
    return then();
  };
  const endA = at(10, () => meter.begin());
  const endB = at(12, () => meter.begin());
  expect(at(16, endA)).toBe(2 + 4 / 2);
  expect(at(17, endB)).toBe(4 / 2 + 1);
  // From 17 to 20 none was open.
  const endC = at(20, () => meter.begin());
  expect(at(21, endC)).toBe(1);
});

test('tasks add up to the time in which any was open, whatever overlaps, in several threads', () => {
  const events = fc.array(fc.record({ used: fc.nat(100), task: fc.nat(5) }), { maxLength: 60 });
  fc.assert(
    fc.property(events, (given) => {
      let now = 0;
      let open = 0;
      const ends = new Map<number, () => number>();
      const meter = new CpuMeter(undefined, () => now);
      const other = new CpuMeter(meter.memory, () => now);
      let used = 0;
      let shared = 0;
      const toggle = (task: number) => {
        const end = ends.get(task);
        if (end) {
          shared += end();
          ends.delete(task);
          open--;
        } else {
          ends.set(task, (task % 2 ? meter : other).begin());
          open++;
        }
      };
      for (const event of given) {
        now += event.used;
        if (open > 0) used += event.used;
        toggle(event.task);
      }
      for (const task of [...ends.keys()]) toggle(task);
      expect(shared).toBeCloseTo(used, 6);
    }),
  );
});
