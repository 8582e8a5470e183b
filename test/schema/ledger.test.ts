import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addLedgers,
  balances,
  FUNNEL_STEPS,
  isReason,
  LedgerCounter,
  pairUid,
  parseUid,
  REASON_NAMES,
  REASONS,
} from '../../src/schema/index.ts';

const events = fc.array(fc.oneof(fc.constant('kept' as const), fc.constantFrom(...REASON_NAMES)), {
  maxLength: 200,
});

function count(outcomes: readonly string[]) {
  const counter = new LedgerCounter();
  for (const outcome of outcomes) {
    counter.in();
    if (isReason(outcome)) counter.drop(outcome);
    else counter.out();
  }
  return counter.ledger();
}

describe('Ledger', () => {
  it('balances when everything that came in is kept or dropped', () => {
    fc.assert(fc.property(events, (outcomes) => balances(count(outcomes))));
  });

  it('does not balance when something is lost or made up', () => {
    expect(balances({ in: 3, out: 1, dropped: { no_text: 1 } })).toBe(false);
    expect(balances({ in: 1, out: 1, dropped: { no_text: 1 } })).toBe(false);
  });

  it('adds up: parts counted apart give what the whole gives', () => {
    fc.assert(
      fc.property(events, fc.nat(200), (outcomes, cut) => {
        const parts = [count(outcomes.slice(0, cut)), count(outcomes.slice(cut))];
        expect(addLedgers(parts)).toEqual(count(outcomes));
      }),
    );
  });

  it('lists reasons in the order of the funnel, whatever came first', () => {
    expect(Object.keys(count(['timeout', 'no_text', 'duplicate']).dropped)).toEqual([
      'no_text',
      'duplicate',
      'timeout',
    ]);
  });
});

describe('REASONS', () => {
  it('follow the order of the funnel', () => {
    const steps = REASON_NAMES.map((name) => FUNNEL_STEPS.indexOf(REASONS[name].step));
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  });

  it('are a closed list: names of objects are none', () => {
    expect(isReason('timeout')).toBe(true);
    expect(isReason('toString')).toBe(false);
    expect(isReason('__proto__')).toBe(false);
  });
});

describe('pairUid', () => {
  it('is the first 128 bits of SHA-256 over URL, NUL and text', () => {
    // printf 'http://a/b.jpg\0a cat' | sha256sum
    expect(pairUid('http://a/b.jpg', 'a cat')).toBe('73cb5dcc048eb703f698afb5a7e6d08b');
  });

  it('does not mix URL and text', () => {
    expect(pairUid('http://a/b', 'c')).not.toBe(pairUid('http://a/', 'bc'));
  });

  it('is read back, and nothing else is', () => {
    const uid = pairUid('http://a/', 'x');
    expect(parseUid(uid)).toBe(uid);
    expect(parseUid(uid.toUpperCase())).toBeUndefined();
    expect(parseUid(`${uid}0`)).toBeUndefined();
  });
});
