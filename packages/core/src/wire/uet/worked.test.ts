/** Worked packets in both directions, and through the dissector. */
import { describe, expect, it } from 'vitest';
import { LinkType } from '../capture.ts';
import { Dissection } from '../dissection.ts';
import { dissectFrame, dissectUet } from '../dissector.ts';
import { byteLength, describe as describeHeader } from '../header.ts';
import { emit, extract } from '../record.ts';
import { checkUetCrc, UetCrcTrailer, uetCrc } from './crc.ts';
import { Ack, Prologue, pdsLength, sesLength } from './pds.ts';
import { dissectSes } from './ses-dissector.ts';
import { THIRD_PARTY } from './third-party.testdata.ts';
import { fromHex, toHex, type Worked } from './worked.testdata.ts';
import { WORKED_PDS } from './worked-pds.testdata.ts';
import { WORKED_SES } from './worked-ses.testdata.ts';

// The examples have every packet type, flag and header of uet:pds/1.3, uet:pds/1.6, uet:pds/2.4, uet:pds/2.5,
// uet:pds/2.6, uet:pds/2.8, uet:pds/2.9, uet:pds/2.10, uet:pds/2.11, uet:pds/2.14, uet:pds/2.15, uet:tss/3, uet:ses/2.2,
// uet:ses/2.6, uet:ses/2.10 and uet:ses/2.11.
describe.each([
  ['uet:pds/9', WORKED_PDS],
  ['uet:ses/10', WORKED_SES],
  ['uet:pds/2.17', THIRD_PARTY],
])('worked packets of %s, headers (R199)', (section, packets) => {
  it.each(packets.map((one) => [one.id, one.what, one] as const))(
    `%s bytes to fields: %s (${section})`,
    (_i, _w, one) => {
      const view = viewOf(fromHex(one.hex));
      for (const { header, values, at } of placed(one)) {
        const read: Record<string, unknown> = extract(header, view, at);
        const zero = extract(header, viewOf(new Uint8Array(byteLength(header))), 0);
        expect(read).toEqual({ ...zero, ...values });
      }
    },
  );

  it.each(packets.map((one) => [one.id, one.what, one] as const))(
    `%s fields to bytes: %s (${section})`,
    (_i, _w, one) => {
      const bytes = new Uint8Array(fromHex(one.hex).length).fill(0xa5);
      const view = viewOf(bytes);
      let end = 0;
      for (const { header, values, at } of placed(one)) end = Math.max(end, emit(header, view, at, values));
      const payloadAt = end - (one.layers.at(-1)?.header === UetCrcTrailer ? 4 + payloadOf(one).length : 0);
      bytes.set(payloadOf(one), payloadAt);
      const expected = fromHex(one.hex);
      // The reserved flag that this packet carries is one that we never send.
      if (one.reservedBits) expected[1]! &= ~0x40;
      expect(toHex(bytes)).toBe(toHex(expected));
    },
  );
});

describe('worked packets through the dissector', () => {
  it.each(WORKED_PDS.map((one) => [one.id, one.what, one] as const))('%s %s (uet:pds/9)', (_id, _what, one) => {
    const bytes = fromHex(one.hex);
    const options = { encrypted: false };
    const found =
      one.starts === 'ip' ? dissectFrame(bytes, LinkType.RAW, options) : dissectUet(bytes, 0, bytes.length, options);
    // E36 ends behind the PDS header.
    expect(found.problems.map(({ field }) => field)).toEqual(one.id === 'E36' ? ['UET-SES'] : []);
    expect(found.layers.map(({ header, offset }) => [header, offset])).toEqual(
      placed(one).map(({ header, at }) => [describeHeader(header).name, at]),
    );
    if (one.id !== 'E37') expect(found.payloadLength).toBe(payloadOf(one).length);
    expect(found.trimmed).toBe(one.id === 'E37');
  });

  it.each(WORKED_SES.map((one) => [one.id, one.what, one] as const))('%s %s (uet:ses/10)', (_id, _what, one) => {
    const bytes = fromHex(one.hex);
    const d = new Dissection(bytes, {});
    dissectSes(d, Number(one.starts), 0, bytes.length);
    expect(d.layers.map(({ header }) => header)).toEqual(one.layers.map(({ header }) => describeHeader(header).name));
    expect(d.layers.reduce((sum, { length }) => sum + length, 0)).toBe(bytes.length);
    // The examples show headers without the payload that some announce; nothing else may be wrong.
    expect(d.problems.filter(({ text }) => !/announces \d+ bytes of payload, 0 are there/.test(text))).toEqual([]);
  });

  it('names protocols outermost first (uet:pds/1.1)', () => {
    const protocols = WORKED_PDS.slice(0, 2).map(({ hex }) => dissectFrame(fromHex(hex), LinkType.RAW).protocols);
    expect(protocols[0]).toEqual(['IPv4', 'UDP', 'UET-PDS', 'UET-SES']);
    expect(protocols[1]).toEqual(['IPv4', 'UET-Entropy', 'UET-PDS', 'UET-SES', 'UET-CRC']);
  });

  it('describes a trimmed packet, whose SES header does not count (uet:pds/1.8)', () => {
    const trimmed = WORKED_PDS.find(({ id }) => id === 'E37')!;
    const found = dissectFrame(fromHex(trimmed.hex), LinkType.RAW);
    expect(found.notes.map(({ field }) => field)).toEqual(['UDP.length', 'UET-SES']);
    expect(found.notes[0]!.text).toContain('24 of 72 bytes are left');
  });

  it('does not look behind a security header unless told (uet:tss/2)', () => {
    const secured = WORKED_PDS.find(({ id }) => id === 'E36')!;
    const found = dissectUet(fromHex(secured.hex));
    expect(found.protocols).toEqual(['UET-TSS']);
    expect(found.payloadLength).toBe(12);
  });
});

describe('lengths by type', () => {
  it('agree with the declarations (uet:pds/2.2, uet:pds/2.3)', () => {
    for (const one of WORKED_PDS) {
      for (const { header, values } of one.layers) {
        if (describeHeader(header).fields[1]?.name !== 'nextHeader') continue;
        const { type = 0, nextHeader = 0 } = values as { type?: number; nextHeader?: number };
        expect(pdsLength(type)).toBe(byteLength(header));
        expect(sesLength(nextHeader)).toBeGreaterThanOrEqual(0);
      }
    }
    expect([0, 1, 15, 31].map(pdsLength)).toEqual([0, 0, 0, 0]);
    expect([6, 7, 15].map(sesLength)).toEqual([12, -1, -1]);
  });

  it('SES headers have the length that their number announces (uet:ses/2.1)', () => {
    for (const { starts, layers } of WORKED_SES) expect(byteLength(layers[0]!.header)).toBe(sesLength(Number(starts)));
  });
});

describe('offset arithmetic', () => {
  it.each([
    [0x62231120, '00 24', 0x62231144],
    [0x62231120, 'ff dc', 0x622310fc],
    [0xfffffff3, '00 10', 0x00000003],
  ])('ACK_PSN = %i + %s (uet:pds/2.17)', (cack, offset, psn) => {
    const view = viewOf(new Uint8Array(12));
    const [high, low] = fromHex(offset);
    view.setUint16(2, (high! << 8) | low!);
    expect((cack + Ack.ackPsnOffset.get(view, 0)) >>> 0).toBe(psn);
  });
});

describe('UET CRC', () => {
  const packet = fromHex(WORKED_PDS[1]!.hex);

  it('of E2 (uet:pds/1.7)', () => {
    expect(uetCrc(packet, packet.length - 4)).toBe(0x07af3d8b);
    expect(checkUetCrc(packet)).toBe(true);
  });

  it('does not cover what routers change: DSCP, ECN, TTL, header checksum (uet:pds/1.7)', () => {
    const routed = packet.slice();
    for (const at of [1, 8, 10, 11]) routed[at]! ^= 0xff;
    expect(checkUetCrc(routed)).toBe(true);
  });

  it('notices any flipped bit behind that (uet:pds/1.7)', () => {
    for (let bit = 12 * 8; bit < packet.length * 8; bit++) {
      const broken = packet.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      expect(checkUetCrc(broken)).toBe(false);
    }
  });

  it('counts a UDP checksum as zero (uet:pds/8 D4)', () => {
    const udp = fromHex(WORKED_PDS[0]!.hex);
    const withChecksum = udp.slice();
    withChecksum.set([0x6c, 0xf8], 26);
    expect(uetCrc(withChecksum, udp.length)).toBe(uetCrc(udp, udp.length));
  });
});

it('the prologue tells type and flags of each packet (uet:pds/2.1)', () => {
  const [, , third] = WORKED_PDS;
  const view = viewOf(fromHex(third!.hex));
  expect(extract(Prologue, view, 0)).toEqual({ type: 2, nextHeader: 1, flags: 4 });
});

function placed(one: Worked) {
  let next = 0;
  return one.layers.map((layer) => {
    const at = layer.header === UetCrcTrailer ? next + payloadOf(one).length : next;
    next = at + byteLength(layer.header);
    return { ...layer, at };
  });
}

function payloadOf(one: Worked): Uint8Array {
  return fromHex(one.payload ?? '');
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
