import { describe, expect, it } from 'vitest';
import { byteLength } from '../header.ts';
import { isNamed, nameOf } from '../names.ts';
import { Bth } from './bth.ts';
import { ROCE_EXTENSIONS } from './extended.ts';
import * as table from './opcodes.ts';
import {
  ROCE_EXTENSION_BYTES,
  ROCE_FLAGS,
  ROCE_HEADER_BYTES,
  ROCE_OPCODES,
  RoceOpcode,
  RoceService,
  roceOpcode,
} from './opcodes.ts';

/** Header bytes by opcode, counted by hand from the table of the specification. */
const BYTES: Readonly<Record<keyof typeof RoceOpcode, number>> = {
  RC_SEND_FIRST: 12,
  RC_SEND_MIDDLE: 12,
  RC_SEND_LAST: 12,
  RC_SEND_LAST_IMMEDIATE: 16,
  RC_SEND_ONLY: 12,
  RC_SEND_ONLY_IMMEDIATE: 16,
  RC_WRITE_FIRST: 28,
  RC_WRITE_MIDDLE: 12,
  RC_WRITE_LAST: 12,
  RC_WRITE_LAST_IMMEDIATE: 16,
  RC_WRITE_ONLY: 28,
  RC_WRITE_ONLY_IMMEDIATE: 32,
  RC_READ_REQUEST: 28,
  RC_READ_RESPONSE_FIRST: 16,
  RC_READ_RESPONSE_MIDDLE: 12,
  RC_READ_RESPONSE_LAST: 16,
  RC_READ_RESPONSE_ONLY: 16,
  RC_ACKNOWLEDGE: 16,
  RC_ATOMIC_ACKNOWLEDGE: 24,
  RC_COMPARE_SWAP: 40,
  RC_FETCH_ADD: 40,
  RC_SEND_LAST_INVALIDATE: 16,
  RC_SEND_ONLY_INVALIDATE: 16,
  UC_SEND_FIRST: 12,
  UC_SEND_MIDDLE: 12,
  UC_SEND_LAST: 12,
  UC_SEND_LAST_IMMEDIATE: 16,
  UC_SEND_ONLY: 12,
  UC_SEND_ONLY_IMMEDIATE: 16,
  UC_WRITE_FIRST: 28,
  UC_WRITE_MIDDLE: 12,
  UC_WRITE_LAST: 12,
  UC_WRITE_LAST_IMMEDIATE: 16,
  UC_WRITE_ONLY: 28,
  UC_WRITE_ONLY_IMMEDIATE: 32,
  UD_SEND_ONLY: 20,
  UD_SEND_ONLY_IMMEDIATE: 24,
  CNP: 28,
};

describe('the opcode table (IBTA vol. 1 §9.2.1, annex A17)', () => {
  it('has a row for each opcode that has a name, and no other', () => {
    expect(ROCE_OPCODES.map(({ opcode }) => opcode)).toEqual(Object.values(RoceOpcode));
    for (let opcode = 0; opcode < 256; opcode++) {
      expect(roceOpcode(opcode) !== undefined).toBe(isNamed(RoceOpcode, opcode));
      expect((ROCE_FLAGS[opcode]! & table.ROCE_KNOWN) !== 0).toBe(isNamed(RoceOpcode, opcode));
      if (!isNamed(RoceOpcode, opcode)) expect([ROCE_FLAGS[opcode], ROCE_HEADER_BYTES[opcode]]).toEqual([0, 0]);
    }
  });

  it('has the header length of each opcode, which is that of the declarations', () => {
    for (const { opcode, extensions } of ROCE_OPCODES) {
      const name = nameOf(RoceOpcode, opcode) as keyof typeof RoceOpcode;
      const declared = extensions.reduce((sum, one) => sum + byteLength(ROCE_EXTENSIONS[one]), byteLength(Bth));
      expect([name, ROCE_HEADER_BYTES[opcode], declared]).toEqual([name, BYTES[name], BYTES[name]]);
    }
    for (const [name, bytes] of Object.entries(ROCE_EXTENSION_BYTES)) {
      expect([name, byteLength(ROCE_EXTENSIONS[name as table.RoceExtension])]).toEqual([name, bytes]);
    }
  });

  it('agrees with the names in service, place, operation and what is carried', () => {
    for (const { opcode, service, position, operation, payload } of ROCE_OPCODES) {
      const name = nameOf(RoceOpcode, opcode);
      const has = (flag: number) => (ROCE_FLAGS[opcode]! & flag) !== 0;
      expect([name, name.split('_')[0]]).toEqual([name, nameOf(RoceService, service)]);
      const starts = !/_(MIDDLE|LAST)/.test(name);
      const ends = !/_(FIRST|MIDDLE)/.test(name);
      const facts = {
        starts: has(table.ROCE_STARTS),
        ends: has(table.ROCE_ENDS),
        immediate: has(table.ROCE_IMMEDIATE),
        invalidate: has(table.ROCE_INVALIDATE),
        send: has(table.ROCE_SEND),
        write: has(table.ROCE_WRITE),
        read: has(table.ROCE_READ),
        atomic: has(table.ROCE_ATOMIC),
        request: has(table.ROCE_REQUEST),
        response: has(table.ROCE_RESPONSE),
        payload: has(table.ROCE_PAYLOAD),
      };
      expect([name, facts]).toEqual([
        name,
        {
          starts,
          ends,
          immediate: name.endsWith('_IMMEDIATE'),
          invalidate: name.endsWith('_INVALIDATE'),
          send: name.includes('_SEND_'),
          write: name.includes('_WRITE_'),
          read: name.includes('_READ_'),
          atomic: /COMPARE_SWAP|FETCH_ADD|ATOMIC/.test(name),
          request: /_SEND_|_WRITE_|READ_REQUEST|COMPARE_SWAP|FETCH_ADD/.test(name),
          response: /RESPONSE|ACKNOWLEDGE/.test(name),
          payload: /_SEND_|_WRITE_|RESPONSE/.test(name),
        },
      ]);
      expect([position === 'first' || position === 'only', position === 'last' || position === 'only']).toEqual([
        starts,
        ends,
      ]);
      expect(payload).toBe(facts.payload);
      expect(operation.split(' ')[0]!.length).toBeGreaterThan(3);
    }
  });

  it('has RETH and AETH right behind the BTH, immediate data and the key to invalidate last', () => {
    for (const { opcode, extensions } of ROCE_OPCODES) {
      const flags = ROCE_FLAGS[opcode]!;
      expect((flags & table.ROCE_RETH) !== 0).toBe(extensions[0] === 'RETH');
      expect((flags & table.ROCE_AETH) !== 0).toBe(extensions[0] === 'AETH');
      expect((flags & table.ROCE_IMMEDIATE) !== 0).toBe(extensions.at(-1) === 'ImmDt');
      expect((flags & table.ROCE_INVALIDATE) !== 0).toBe(extensions.at(-1) === 'IETH');
    }
  });
});
