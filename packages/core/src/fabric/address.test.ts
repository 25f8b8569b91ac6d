import { describe, expect, it } from 'vitest';
import { parseAddress } from '../base/ip-address.ts';
import { SeededRandom } from '../base/random.ts';
import { addressText, decodeAddress, type EndpointAddress, encodeAddress, queuePairNumber } from './address.ts';

const ADDRESS: EndpointAddress = {
  fabricAddress: parseAddress('192.0.2.7')!,
  ...{ port: 0, pidOnFep: 0xabc, startIndex: 0x123, indexCount: 1, initiator: 0xdead_beef },
  ...{ isAbsolute: false, singlePacket: false, abilities: 0x0107 },
};

describe('endpoint addresses (R122, uet:ses/1.5)', () => {
  it('are laid out as the page suggests', () => {
    const hex = Buffer.from(encodeAddress(ADDRESS)).toString('hex');
    expect(hex).toBe(`001f01070abc012300010000deadbeefc0000207${'00'.repeat(12)}`);
    const second = { ...ADDRESS, fabricAddress: parseAddress('2001:db8::7')!, isAbsolute: true, singlePacket: true };
    const other = Buffer.from(encodeAddress({ ...second, abilities: undefined, port: 4793 })).toString('hex');
    expect(other).toBe('00fe00000abc0123000112b9deadbeef20010db8000000000000000000000007');
  });

  it('come back as they were', () => {
    const random = new SeededRandom(5);
    for (let i = 0; i < 300; i++) {
      const ipv4 = random.below(2) === 0;
      const fabricAddress = new Uint8Array(16).map(() => random.below(256));
      if (ipv4) fabricAddress.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]);
      const address: EndpointAddress = {
        fabricAddress,
        ...{ port: random.below(65_536), pidOnFep: random.below(4096), startIndex: random.below(4096) },
        ...{ indexCount: random.below(65_536), initiator: random.uint32() },
        ...{ isAbsolute: random.below(2) === 0, singlePacket: random.below(2) === 0 },
        abilities: random.below(2) === 0 ? undefined : random.below(65_536),
      };
      expect(decodeAddress('test', encodeAddress(address))).toEqual(address);
    }
  });

  it('name a queue pair: process, index and mode', () => {
    expect(queuePairNumber(ADDRESS)).toBe(0x123abc);
    expect(queuePairNumber({ ...ADDRESS, isAbsolute: true })).toBe(0x8012_3abc);
    expect(addressText(ADDRESS)).toBe('192.0.2.7, PIDonFEP 0xabc, index 0x123, relative');
  });

  it.each([
    ['too short', (_: Uint8Array) => new Uint8Array(31)],
    ['another version', (bytes: Uint8Array) => bytes.fill(1, 0, 1)],
    ['without an address', (bytes: Uint8Array) => bytes.fill(0x1d, 1, 2)],
    ['with more than 12 bits of process', (bytes: Uint8Array) => bytes.fill(0xff, 4, 6)],
    ['with more than 12 bits of index', (bytes: Uint8Array) => bytes.fill(0xff, 6, 8)],
  ])('are refused: %s', (_, spoil) => {
    expect(() => decodeAddress('insert', spoil(encodeAddress(ADDRESS)))).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
  });

  it('may be longer than 32 bytes, and lie anywhere', () => {
    const bytes = new Uint8Array(70);
    bytes.set(encodeAddress(ADDRESS), 3);
    expect(decodeAddress('test', bytes.subarray(3, 67))).toEqual(ADDRESS);
  });
});
