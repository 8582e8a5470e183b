import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorCode, GleanerError } from '../../src/schema/index.ts';

describe('GleanerError', () => {
  it('says what, where and what to do in one line', () => {
    const error = new GleanerError('FILE_NOT_FOUND', { path: 'a/b.wat.gz', hint: 'Check the name.' });
    expect(error.message).toBe('a/b.wat.gz: no such file. Check the name.');
    expect(error.code).toBe('FILE_NOT_FOUND');
    expect(error.exitCode).toBe(1);
  });

  it('puts values in as they are, templates and dollars included', () => {
    const error = new GleanerError('DAMAGED', { path: '$&{problem}', problem: '{path} $1' });
    expect(error.message).toBe('$&{problem}: {path} $1');
  });

  it('exits with 2 for wrong usage', () => {
    expect(new GleanerError('USAGE', { problem: 'x' }).exitCode).toBe(2);
    expect(new GleanerError('RECIPE_UNKNOWN', { name: 'x', known: 'y' }).exitCode).toBe(2);
  });

  it('has one line and a full stop or a value at the end of every template', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      expect(ERRORS[code].template).not.toContain('\n');
      expect(ERRORS[code].template).toMatch(/[.}]$/);
    }
  });
});
