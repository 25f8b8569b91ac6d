import { expect, test } from 'vitest';
import { Waiters } from './waiters.ts';

test('only a wait that is not in the background keeps the process alive', async () => {
  let holds = 0;
  const waiters = new Waiters(
    () => holds++,
    () => holds--,
  );
  const background = waiters.wait(1, 1e12, true);
  expect(holds).toBe(0);
  const waiting = waiters.wait(1, 1e12);
  expect(holds).toBe(1);
  waiters.wake(1);
  await Promise.all([background, waiting]);
  expect(holds).toBe(0);
});

test('a wait in the background ends in time while something else keeps the process alive', async () => {
  const waiters = new Waiters(
    () => {},
    () => {},
  );
  const other = setTimeout(() => {}, 5_000);
  await waiters.wait(1, 1e6, true);
  clearTimeout(other);
});
