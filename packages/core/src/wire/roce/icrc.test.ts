import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../base/ip-address.ts';
import { fromHex, toHex } from '../uet/worked.testdata.ts';
import {
  ICRC_BYTES,
  type IcrcDatagram,
  icrcBegin,
  icrcHeaders,
  icrcMatches,
  icrcOf,
  icrcUpdate,
  identificationOf,
  readIcrc,
  UNKNOWN_IDENTIFICATION,
  writeIcrc,
} from './icrc.ts';

/** Packets of others, from the tests of scapy's RoCE layer: one of its own making, one captured from a ConnectX-4 Lx. */
const FOREIGN = [
  {
    what: 'UC SEND Only with two bytes of padding',
    source: '192.168.0.7',
    destination: '192.168.0.7',
    sourcePort: 49152,
    identification: 1144,
    hex: '24 60 ff ff 00 00 00 d3 00 cf 17 10 46 30 81 8b e2 89 35 d9 0e 9a 95 50 54 01 be 88 5e 50 00 00 78 f3 53 f3',
  },
  {
    what: 'a congestion notification of a ConnectX-4 Lx',
    source: '10.0.17.1',
    destination: '10.0.18.1',
    sourcePort: 0,
    identification: 0x718c,
    hex: '81 00 ff ff 40 00 01 18 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 82 fd 00 2a',
  },
] as const;

const packets = FOREIGN.map((one) => {
  const bytes = fromHex(one.hex);
  const [source, destination] = [parseAddress(one.source)!, parseAddress(one.destination)!];
  const datagram = { ...one, source, destination, destinationPort: 4791, length: bytes.length };
  return { ...one, bytes, datagram, covered: bytes.length - ICRC_BYTES };
});

describe.each(packets)('ICRC of $what', ({ bytes, datagram, covered, identification }) => {
  it('is the one that it came with (IBTA vol. 1 §7.8.1, annex A17)', () => {
    const own = new Uint8Array(ICRC_BYTES);
    writeIcrc(icrcOf(datagram, bytes, 0, covered), own, 0);
    expect(toHex(own)).toBe(toHex(bytes.subarray(covered)));
  });

  it('is the same when headers and payload lie in different places', () => {
    const state = icrcHeaders(icrcBegin(datagram), bytes, 0, 12);
    expect(icrcUpdate(state, bytes.slice(12), 0, covered - 12)).toBe(readIcrc(bytes, covered));
  });

  it('does not cover the congestion marks (IBTA annex A17)', () => {
    const marked = bytes.slice();
    marked[4] = 0xff;
    expect(icrcOf(datagram, marked, 0, covered)).toBe(readIcrc(bytes, covered));
  });

  it('changes with any other bit, and with any bit of what stands in front', () => {
    const right = readIcrc(bytes, covered);
    for (let bit = 0; bit < covered * 8; bit++) {
      if (bit >> 3 === 4) continue;
      const broken = bytes.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      expect(icrcOf(datagram, broken, 0, covered)).not.toBe(right);
    }
    for (let bit = 0; bit < 16; bit++) {
      const flip = 1 << bit;
      for (const name of ['sourcePort', 'destinationPort', 'length', 'identification'] as const) {
        const moved = { ...datagram, [name]: datagram[name] ^ flip };
        expect([name, icrcOf(moved, bytes, 0, covered) === right]).toEqual([name, false]);
      }
    }
  });

  it('tells the identification that a receiver does not see', () => {
    const unseen = { ...datagram, identification: UNKNOWN_IDENTIFICATION };
    const state = icrcOf(unseen, bytes, 0, covered);
    expect(identificationOf(readIcrc(bytes, covered), state, covered)).toBe(identification);
    expect(icrcMatches(state, unseen, bytes, covered, covered)).toBe(true);
    expect(icrcMatches(state, { ...unseen, identification: 0 }, bytes, covered, covered)).toBe(false);
  });
});

it('headers that are shorter than a BTH are summed without reading beyond them', () => {
  const bytes = fromHex('01 02 03 04 05 06 07 08');
  for (let length = 0; length <= bytes.length; length++) {
    const cut = bytes.slice(0, length);
    expect(icrcHeaders(1, cut, 0, length)).toBe(icrcHeaders(1, bytes, 0, length));
  }
});

describe('ICRC over IPv6', () => {
  const v6 = (length: number): IcrcDatagram => ({
    source: parseAddress('fd77::1')!,
    destination: parseAddress('fd77::2')!,
    sourcePort: 50_000,
    destinationPort: 4791,
    length,
    identification: UNKNOWN_IDENTIFICATION,
  });

  it('has no identification, so any wrong bit is noticed', () => {
    const bytes = new Uint8Array(48).map((_, i) => i * 7);
    const icrc = icrcOf(v6(48), bytes, 0, 44);
    writeIcrc(icrc, bytes, 44);
    expect(icrcMatches(icrc, v6(48), bytes, 44, 44)).toBe(true);
    for (let bit = 0; bit < 32; bit++) {
      const broken = bytes.slice();
      broken[44 + (bit >> 3)]! ^= 1 << (bit & 7);
      expect(icrcMatches(icrc, v6(48), broken, 44, 44)).toBe(false);
    }
  });

  it('covers both addresses whole', () => {
    const bytes = new Uint8Array(16);
    const right = icrcBegin(v6(16));
    for (let bit = 0; bit < 128; bit++) {
      for (const name of ['source', 'destination'] as const) {
        const address = v6(16)[name].slice();
        address[bit >> 3]! ^= 1 << (bit & 7);
        expect(icrcBegin({ ...v6(bytes.length), [name]: address })).not.toBe(right);
      }
    }
  });
});

describe('the unseen identification', () => {
  const datagram = packets[0]!.datagram;

  it('is found in packets of each length up to the largest', () => {
    for (let covered = 12; covered <= 4096 + 80; covered += covered < 100 ? 1 : 97) {
      const bytes = new Uint8Array(covered).map((_, i) => i * 31 + covered);
      const sent = { ...datagram, length: covered + ICRC_BYTES, identification: (covered * 40_503) & 0xffff };
      const icrc = icrcOf(sent, bytes, 0, covered);
      const base = icrcOf({ ...sent, identification: UNKNOWN_IDENTIFICATION }, bytes, 0, covered);
      expect(identificationOf(icrc, base, covered)).toBe(sent.identification);
    }
  });

  it('explains no packet that is longer than any of RoCEv2', () => {
    for (const covered of [-1, 5000, 65_535]) expect(identificationOf(1, 1, covered)).toBe(-1);
  });

  it('does not explain damage of one or two bytes', () => {
    const { bytes, covered } = packets[0]!;
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: covered - 4 }),
        fc.uint8Array({ minLength: 1, maxLength: 2 }),
        (at, mask) => {
          fc.pre(mask.some((byte) => byte !== 0));
          const broken = bytes.slice();
          for (const [i, byte] of mask.entries()) broken[at + i]! ^= byte;
          const unseen = { ...datagram, identification: UNKNOWN_IDENTIFICATION };
          expect(icrcMatches(icrcOf(unseen, broken, 0, covered), unseen, broken, covered, covered)).toBe(false);
        },
      ),
      { seed: 17, numRuns: 2000 },
    );
  });

  it('explains random damage about once in 65,536 times', () => {
    let state = 12345;
    let passed = 0;
    for (let i = 0; i < 200_000; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) >>> 0;
      if (identificationOf(mixed, 0, 40) >= 0) passed++;
    }
    expect(passed).toBeLessThan(20);
  });
});
