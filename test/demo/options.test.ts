import { describe, expect, it } from 'vitest';
import { HELP, parseOptions } from '../../demo/options.ts';

describe('parseOptions', () => {
  it('has defaults for everything', () => {
    expect(parseOptions([])).toEqual({
      ...{ out: 'out/demo', port: 1234, serve: true, seed: 1, pictures: 3000, webPort: 29200 },
    });
  });

  it('takes what the help names', () => {
    const args = [
      '--no-serve',
      '--out',
      'x',
      '--port',
      '0',
      '--seed',
      '7',
      '--pictures',
      '600',
      '--web-port=0',
    ];
    for (const [option] of args.filter((arg) => arg.startsWith('--')).map((arg) => arg.split('=')))
      expect(HELP).toContain(`  ${option} `);
    expect(parseOptions(args)).toEqual({
      ...{ out: 'x', port: 0, serve: false, seed: 7, pictures: 600, webPort: 0 },
    });
    expect(parseOptions(['--help'])).toBeUndefined();
  });

  it.each([
    ['--port', 'x'],
    ['--port', '65536'],
    ['--pictures', '3'],
    ['--seed', '1.5'],
    ['--prot', '1'],
    ['--port'],
    ['more'],
  ])('refuses %s %s in one line', (...args) => {
    expect(() => parseOptions(args)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(/^.+$/) }),
    );
  });
});
