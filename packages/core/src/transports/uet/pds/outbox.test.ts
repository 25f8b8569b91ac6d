import { describe, expect, it } from 'vitest';
import { Outbox, Post } from './outbox.ts';

describe('outbox', () => {
  it('is first in, first out, refuses at its bound and goes on afterwards', () => {
    const outbox = new Outbox(4096);
    let fits = 0;
    for (; fits <= 10_000; fits++) {
      const i = outbox.add(Post.NACK, 1, 2, 3);
      if (i < 0) break;
      outbox.psn[i] = fits;
    }
    expect(fits).toBe(4096);
    for (let n = 0; n < fits; n++) {
      expect(outbox.psn[outbox.take()]).toBe(n);
      expect(outbox.add(Post.ACK, 1, 2, 3)).toBeGreaterThanOrEqual(0);
      expect(outbox.add(Post.ACK, 1, 2, 3)).toBe(-1);
    }
    outbox.clear();
    expect(outbox.empty).toBe(true);
  });

  it('hands out cleared entries', () => {
    const outbox = new Outbox(4096);
    const first = outbox.add(Post.ACK, 9, 8, 7);
    for (const field of ['psn', 'code', 'returnCode', 'flags', 'payload', 'messageId', 'jobId', 'entropy'] as const) {
      outbox[field][first] = 5;
    }
    outbox.clear();
    const again = outbox.add(Post.NACK, 1, 2, 3);
    expect(again).toBe(first);
    for (const field of ['psn', 'code', 'returnCode', 'flags', 'payload', 'messageId', 'jobId', 'entropy'] as const) {
      expect(outbox[field][again]).toBe(0);
    }
    expect([outbox.post[again], outbox.path[again], outbox.localId[again], outbox.remoteId[again]]).toEqual([
      5, 1, 2, 3,
    ]);
  });
});
