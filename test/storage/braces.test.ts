import { expect, it } from 'vitest';
import { expandBraces } from '../../src/storage/index.ts';

// What bash 5.2 prints for `echo PATTERN`, which is what webdataset's braceexpand follows.
it.each([
  ['a.tar', ['a.tar']],
  ['{0..3}.tar', ['0.tar', '1.tar', '2.tar', '3.tar']],
  ['{008..011}.tar', ['008.tar', '009.tar', '010.tar', '011.tar']],
  ['{8..011}', ['008', '009', '010', '011']],
  ['{3..1}', ['3', '2', '1']],
  ['{0..7..3}', ['0', '3', '6']],
  ['x{a,b}y{1..2}', ['xay1', 'xay2', 'xby1', 'xby2']],
  ['{a,b{1,2}}c', ['ac', 'b1c', 'b2c']],
  ['{a{1,2}}', ['{a1}', '{a2}']],
  ['{,x}y', ['y', 'xy']],
  ['{}', ['{}']],
  ['{a}', ['{a}']],
  ['{a,b', ['{a,b']],
])('%s stands for what a shell makes of it', (pattern, names) => {
  expect(expandBraces(pattern)).toEqual(names);
});

it('refuses more names than there can be shards', () => {
  expect(() => expandBraces('{0..9999999999}')).toThrow(/stands for more than 1,000,000 names/);
});
