import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, isIpv4, parseAddress } from './ip-address.ts';

describe('addresses as text', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['fe80::1', 'fe80::1'],
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is %s (RFC 5952)', (text, canonical) => {
    const address = parseAddress(text);
    expect(address && formatAddress(address)).toBe(canonical);
  });

  it.each([
    ...['', '1.2.3', '1.2.3.4.5', '256.0.0.1', '01.2.3.4', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.-4', '0x7f.0.0.1'],
    ...[':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '12345::', 'g::', '[::1]'],
    ...['fe80::1%eth0', '::1.2.3', '1.2.3.4::', '::1.2.3.4:5', '1:', ':1', '::ffff:1.2.3.256', '1:2:3:4:5:6:7:1.2.3.4'],
  ])('%j is no address', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it('come back from canonical text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(15), fc.nat(15), (address, from, to) => {
        address.fill(0, from, to);
        const text = formatAddress(address);
        expect(parseAddress(text)).toEqual(address);
        expect(text).toBe(text.toLowerCase());
      }),
    );
  });

  it('never throw on any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789abcf:.%[]') }), (text) => void parseAddress(text)),
    );
  });

  it('know IPv4 from IPv6', () => {
    expect(isIpv4(parseAddress('10.0.0.1')!)).toBe(true);
    expect(isIpv4(parseAddress('::10.0.0.1')!)).toBe(false);
    expect(formatAddress(Uint8Array.of(10, 0, 0, 1))).toBe('10.0.0.1');
    expect(() => formatAddress(new Uint8Array(5))).toThrow(RangeError);
  });
});
