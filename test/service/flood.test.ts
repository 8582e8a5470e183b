import { afterAll, beforeAll, expect, test } from 'vitest';
import { flood } from './flood.ts';
import { makeSmallRun, type SmallRun } from './small-service.ts';

let run: SmallRun;
beforeAll(async () => {
  run = await makeSmallRun();
});
afterAll(() => run.end());

// Other addresses of this machine than 127.0.0.1 are there on Linux alone.
test.runIf(process.platform === 'linux')(
  'a flood of malformed, huge and slow requests does not disturb the good ones',
  async () => {
    const service = await run.start({ limits: { exemptLoopback: false } });
    const { good, sent, times } = await flood({
      url: service.url,
      ms: 4_000,
      width: 4,
      from: {
        flood: ['127.0.0.66', '127.0.0.67', '127.0.0.68', '127.0.0.69'],
        good: ['127.0.0.2', '127.0.0.3', '127.0.0.4'],
      },
      query: { embedding_input: [1, 0, 0, 0, 0, 1, 0, 0, 0.2], num_images: 10 },
    });
    expect([...good.keys()]).toEqual([200]);
    expect(times.length).toBeGreaterThan(20);
    expect(sent.size).toBe(14);
    for (const [kind, count] of sent) expect([kind, count > 0]).toEqual([kind, true]);
    // Nothing of the flood stays.
    const metrics = await (await fetch(new URL('/metrics', service.url))).text();
    for (const name of ['gleaner_searches_running', 'gleaner_searches_waiting', 'gleaner_body_bytes'])
      expect(metrics).toContain(`\n${name} 0\n`);
    expect(metrics).not.toMatch(/status="500"/);
    await service.close();
    expect(run.failures).toEqual([]);
  },
  60_000,
);
