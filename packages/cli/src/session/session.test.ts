import { SeededRandom } from '@verbena/core';
import { describe, expect, it } from 'vitest';
import { absoluteQpn, packSignal, parseMessage, SERVICE_QPN, unpackSignal } from './session.ts';

describe('session messages', () => {
  it('numbers queue pairs as verbs 5.8 lays them out', () => {
    expect(absoluteQpn(0x123, 0x456)).toBe(0x8012_3456);
    expect(SERVICE_QPN >>> 31).toBe(1);
  });

  it('packs signals into 64 bits', () => {
    const signal = { kind: 4, transfer: 0xffff, sequence: 0xffff_ffff };
    expect(unpackSignal(packSignal(signal.kind, signal.transfer, signal.sequence))).toEqual(signal);
  });

  it('reads requests, answers and refusals, and nothing else', () => {
    expect(parseMessage('{"v":1,"id":2,"qpn":3,"ask":"x","body":{}}')).toEqual({
      v: 1,
      id: 2,
      qpn: 3,
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
    const valid = '{"v":1,"id":2,"qpn":3,"ask":"get","body":{"path":"a"}}';
    for (let i = 0; i < 2_000; i++) {
      const at = random.below(valid.length);
      parseMessage(valid.slice(0, at) + String.fromCharCode(random.below(256)) + valid.slice(at + random.below(3)));
    }
  });
});
