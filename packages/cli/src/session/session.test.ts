import { SeededRandom } from '@verbena/core';
import { describe, expect, it } from 'vitest';
import {
  absoluteQpn,
  MAX_TRANSFER,
  nearestSequence,
  packSignal,
  parseMessage,
  SERVICE_QPN,
  unpackSignal,
} from './session.ts';

describe('session messages', () => {
  it('numbers queue pairs as verbs 5.8 lays them out', () => {
    expect(absoluteQpn(0x123, 0x456)).toBe(0x8012_3456);
    expect(SERVICE_QPN >>> 31).toBe(1);
  });

  it('packs signals into 32 bits, which every transport has for immediate data', () => {
    const signal = { kind: 4, transfer: MAX_TRANSFER, sequence: 2 ** 21 - 1 };
    const imm = packSignal(signal.kind, signal.transfer, signal.sequence);
    expect(imm).toBeLessThan(2 ** 32);
    expect(unpackSignal(BigInt(imm))).toEqual(signal);
  });

  it.each([0, 5, 2 ** 21 - 1, 2 ** 21, 2 ** 21 + 3, 5 * 2 ** 21, 2 ** 40 + 1])(
    'tells chunk %d by its low bits',
    (chunk) => {
      const { sequence } = unpackSignal(BigInt(packSignal(1, 2, chunk)));
      for (const near of [chunk, chunk + 16, Math.max(0, chunk - 16)])
        expect(nearestSequence(sequence, near)).toBe(chunk);
    },
  );

  it('finds no chunk behind the first one', () => {
    expect(nearestSequence(2 ** 21 - 1, 0)).toBe(-1);
  });

  it('reads requests, answers and refusals, and nothing else', () => {
    expect(parseMessage('{"v":1,"id":2,"ask":"x","body":{}}')).toEqual({
      v: 1,
      id: 2,
      ask: 'x',
      body: {},
    });
    expect(parseMessage('{"v":1,"id":2,"answer":{"a":1}}')).toEqual({ v: 1, id: 2, answer: { a: 1 } });
    const refuse = { code: 'ENOENT', problem: 'gone' };
    expect(parseMessage(JSON.stringify({ v: 1, id: 2, refuse: { ...refuse, try: 7 } }))).toEqual({
      v: 1,
      id: 2,
      refuse,
    });
    for (const text of [
      '',
      'null',
      '[]',
      '{}',
      '{"v":1}',
      '{"v":1,"id":-1,"answer":{}}',
      '{"v":1,"id":2,"answer":[]}',
    ]) {
      expect(parseMessage(text)).toBeUndefined();
    }
  });

  it('never throws on what peers send (seed 7)', () => {
    const random = new SeededRandom(7);
    const valid = '{"v":1,"id":2,"ask":"get","body":{"path":"a"}}';
    for (let i = 0; i < 2_000; i++) {
      const at = random.below(valid.length);
      parseMessage(valid.slice(0, at) + String.fromCharCode(random.below(256)) + valid.slice(at + random.below(3)));
    }
  });
});
