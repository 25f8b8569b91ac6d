import { expect, it } from 'vitest';
import { progressLine } from './progress-bar.ts';
import { tableText } from './table.ts';
import { bytesText, durationText, rateText } from './units.ts';

it('prints numbers as people read them', () => {
  expect([17, 1536, 64 * 2 ** 20].map(bytesText)).toEqual(['17 B', '1.50 KiB', '64 MiB']);
  expect([9e3, 5.5e6, 8.12e8, 4.2e9].map(rateText)).toEqual(['9.0 kB/s', '5.5 MB/s', '812 MB/s', '4.20 GB/s']);
  expect([0.00085, 0.0123, 4.2, 200].map(durationText)).toEqual(['850 us', '12.3 ms', '4.20 s', '3 min 20 s']);
  expect(rateText(Number.POSITIVE_INFINITY)).toBe('-');
});

it('aligns tables', () => {
  expect(
    tableText(
      [{ title: 'a' }, { title: 'n', right: true }],
      [
        ['x', '100'],
        ['long', '7'],
      ],
    ),
  ).toBe('a       n\nx     100\nlong    7');
});

it.each([20, 40, 80, 200])('keeps the progress bar within %i columns', (width) => {
  for (const done of [0, 1, 500_000, 1_000_000]) {
    expect(progressLine('a-file-with-a-long-name.bin', done, 1_000_000, 2, width).length).toBeLessThan(width);
  }
  expect(progressLine('f', 0, 0, 0, width)).toContain('100 %');
});
