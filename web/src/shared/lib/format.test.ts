import { describe, expect, it } from 'vitest';
import { bytes, duration, number, percent, relative } from './format';

describe('numbers for people', () => {
  it('never rounds an unfinished share up to the whole', () => {
    expect(percent('en', 0.99996)).toBe('99.9%');
    expect(percent('en', 1)).toBe('100%');
  });
  it('writes bytes in decimal units', () => {
    expect(bytes('en', 0)).toBe('0 B');
    expect(bytes('en', 1_572_864)).toBe('1.57 MB');
    expect(bytes('en', 999_999)).toBe('1 MB');
  });
  it('shows the two largest parts of a duration', () => {
    expect(duration('en', 3_905)).toBe('1 hr 5 min');
    expect(duration('en', 0)).toBe('0 sec');
    expect(duration('ko', 65)).toBe('1분 5초');
  });
  it('says how long ago', () => {
    expect(relative('en', 0, 180_000)).toBe('3 minutes ago');
    expect(relative('ko', 0, 180_000)).toBe('3분 전');
  });
  it('groups digits', () => {
    expect(number('ko', 1234567)).toBe('1,234,567');
  });
});
