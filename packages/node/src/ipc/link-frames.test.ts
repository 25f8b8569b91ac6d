import { encodeRequest, UAPI } from '@verbena/core';
import { describe, expect, test } from 'vitest';
import { LinkFrame, linkFrame, parseLinkFrame, parseWakeFrame, wakeFrame } from './link-frames.ts';

describe('frames beside calls', () => {
  test('are told apart from calls and answers', () => {
    const request = encodeRequest(UAPI.DEVICE, UAPI.DEVICE.methods.LIST, {});
    expect(parseLinkFrame(request)).toBeUndefined();
    expect(parseLinkFrame(linkFrame(LinkFrame.HELLO, 5))).toEqual({ kind: LinkFrame.HELLO, value: 5 });
    const answer = new Uint8Array(16);
    answer[0] = 16;
    expect(parseWakeFrame(answer)).toBeUndefined();
    expect(parseWakeFrame(wakeFrame([1, 2, 0xffff_ffff]))).toEqual([1, 2, 0xffff_ffff]);
  });

  test('nonsense is no frame, and no more numbers are read than there are', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(15), new Uint8Array(16), new Uint8Array(17)]) {
      expect(parseLinkFrame(bytes)).toBeUndefined();
    }
    const other = linkFrame(LinkFrame.KICK);
    other[12] = 9; // of another version
    expect(parseLinkFrame(other)).toBeUndefined();
    expect(parseWakeFrame(wakeFrame([1, 2, 3]).subarray(0, 24))).toEqual([1, 2]);
  });
});
