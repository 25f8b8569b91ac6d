import { describe, expect, it } from 'vitest';
import { ReceiverCredit } from './receiver-credit.ts';

describe('credit of a receiver', () => {
  it('is what the source wants, up to the bound beyond what arrived', () => {
    const credit = new ReceiverCredit(100);
    expect(credit.grant(0)).toBe(0);
    credit.want(40);
    expect(credit.grant(0)).toBe(40);
    credit.want(500);
    expect(credit.grant(0)).toBe(100);
    expect(credit.grant(250)).toBe(350);
    expect(credit.grant(900)).toBe(500);
  });

  it('never falls, whatever is said, and goes on across 2^24', () => {
    const credit = new ReceiverCredit(100);
    let [received, last] = [0, 0];
    for (let n = 0; n < 300_000; n++) {
      received = (received + 90) & 0xff_ffff;
      credit.want((received + (n % 3 === 0 ? -1000 : 1000)) & 0xff_ffff);
      const granted = credit.grant(received);
      expect((granted - last) & 0xff_ffff).toBeLessThan(2 ** 23);
      last = granted;
    }
  });
});
