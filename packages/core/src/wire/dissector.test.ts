import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../base/ip-address.ts';
import { LinkType } from './capture.ts';
import { dissectFrame, dissectUet } from './dissector.ts';
import { Ethernet, EtherType, VlanTag } from './eth.ts';
import { byteLength } from './header.ts';
import { Ipv4, ipv4Checksum } from './ip/ipv4.ts';
import { Ipv6, Ipv6Extension, Ipv6Fragment } from './ip/ipv6.ts';
import { Udp, udpChecksum } from './ip/udp.ts';
import { emit, type HeaderValues } from './record.ts';
import { fromHex } from './uet/worked.testdata.ts';
import { WORKED_PDS } from './uet/worked-pds.testdata.ts';

const E1 = fromHex(WORKED_PDS[0]!.hex);
const E2 = fromHex(WORKED_PDS[1]!.hex);
const UET = E1.subarray(28);
const SOURCE = parseAddress('fd00::1')!;
const DESTINATION = parseAddress('fd00::2')!;
const MAC = { destination: Uint8Array.of(2, 0, 0, 0, 0, 2), source: Uint8Array.of(2, 0, 0, 0, 0, 1) };

describe('Ethernet', () => {
  it.each([0, 1, 2])('with %i VLAN tags (uet:pds/1.4)', (tags) => {
    const types = [...[EtherType.QINQ, EtherType.VLAN].slice(2 - tags), EtherType.IPV4];
    const vlans = types.slice(1).map((etherType, i) => bytesOf(VlanTag, { vlan: i + 5, etherType }));
    const found = dissectFrame(
      join(bytesOf(Ethernet, { ...MAC, etherType: types[0]! }), ...vlans, E1),
      LinkType.ETHERNET,
    );
    expect(found.protocols).toEqual(['Ethernet', ...vlans.map(() => 'VLAN'), 'IPv4', 'UDP', 'UET-PDS', 'UET-SES']);
    expect(found.problems).toEqual([]);
    expect(found.payloadLength).toBe(8);
    expect(found.layers[0]!.fields[0]!.text).toBe('02:00:00:00:00:02');
  });

  it('ignores padding behind the IP packet', () => {
    const frame = join(bytesOf(Ethernet, { ...MAC, etherType: EtherType.IPV4 }), E1, new Uint8Array(20));
    expect(dissectFrame(frame, LinkType.ETHERNET)).toMatchObject({ payloadLength: 8, problems: [] });
  });

  it('leaves other protocols as payload', () => {
    const frame = join(bytesOf(Ethernet, { ...MAC, etherType: EtherType.ARP }), new Uint8Array(28));
    expect(dissectFrame(frame, LinkType.ETHERNET)).toMatchObject({ protocols: ['Ethernet'], payloadLength: 28 });
  });
});

describe('IPv6', () => {
  const udp = (checksum: number) =>
    join(bytesOf(Udp, { sourcePort: 7, destinationPort: 4793, length: 72, checksum }), UET);

  it('over UDP, with the checksum verified', () => {
    const packet = ipv6(17, udp(0));
    const view = new DataView(packet.buffer);
    Udp.checksum.set(view, 40, udpChecksum(view, 8, 32, 40, 72));
    expect(dissectFrame(packet, LinkType.RAW)).toMatchObject({
      protocols: ['IPv6', 'UDP', 'UET-PDS', 'UET-SES'],
      problems: [],
    });
    packet[packet.length - 1]! ^= 1;
    expect(dissectFrame(packet, LinkType.RAW).problems).toMatchObject([{ offset: 46, field: 'UDP.checksum' }]);
  });

  it.each([0, 43, 60, 135])('steps over extension header %i (uet:pds/1.4)', (kind) => {
    const extension = join(bytesOf(Ipv6Extension, { nextHeader: 17, length: 1 }), new Uint8Array(14));
    const found = dissectFrame(ipv6(kind, join(extension, udp(0))), LinkType.RAW);
    expect(found.protocols).toEqual(['IPv6', 'IPv6 extension', 'UDP', 'UET-PDS', 'UET-SES']);
    expect(found.problems).toEqual([]);
  });

  it('reports an extension that reaches beyond the packet', () => {
    const found = dissectFrame(ipv6(0, bytesOf(Ipv6Extension, { nextHeader: 17, length: 9 })), LinkType.RAW);
    expect(found.problems).toMatchObject([{ offset: 41, field: 'IPv6 extension.length' }]);
  });

  it('does not look into fragments', () => {
    const fragment = join(bytesOf(Ipv6Fragment, { nextHeader: 17, mf: 1 }), new Uint8Array(16));
    expect(dissectFrame(ipv6(44, fragment), LinkType.RAW)).toMatchObject({
      protocols: ['IPv6', 'IPv6 fragment'],
      payloadLength: 16,
    });
  });
});

describe('IPv4 and UDP', () => {
  it.each([
    ['a wrong header checksum', 10, 0x11, 'IPv4.checksum'],
    ['a header length below 5 words', 0, 0x44, 'IPv4.ihl'],
    ['a header longer than the capture', 0, 0x4f, 'IPv4.checksum'],
    ['a total length below the header', 3, 10, 'IPv4.totalLength'],
    ['a total length beyond the capture', 3, 0xff, 'IPv4.totalLength'],
    ['a UDP length below its header', 25, 4, 'UDP.length'],
    ['a UDP length below the packet', 25, 40, 'UDP.length'],
  ])('report %s', (_what, at, value, field) => {
    const packet = E1.slice();
    packet[at] = value;
    expect(dissectFrame(packet, LinkType.RAW).problems.map((one) => one.field)).toContain(field);
  });

  it('verify the UDP checksum when there is one (uet:pds/9 E1)', () => {
    const packet = E1.slice();
    packet.set([0x6c, 0xf8], 26);
    expect(dissectFrame(packet, LinkType.RAW).problems).toEqual([]);
    packet.set([0x6c, 0xf9], 26);
    expect(dissectFrame(packet, LinkType.RAW).problems).toMatchObject([{ text: 'is wrong, 0x6cf8 would be right' }]);
  });

  it('know UET by its port, which can be chosen (uet:pds/1.2)', () => {
    expect(dissectFrame(E1, LinkType.RAW, { udpPorts: [5000] })).toMatchObject({
      protocols: ['IPv4', 'UDP'],
      payloadLength: 64,
    });
    const moved = E1.slice();
    new DataView(moved.buffer).setUint16(22, 5000);
    expect(dissectFrame(moved, LinkType.RAW, { udpPorts: [5000] }).protocols).toContain('UET-SES');
  });

  it('do not look into fragments', () => {
    const packet = E1.slice();
    const view = new DataView(packet.buffer);
    Ipv4.mf.set(view, 0, 1);
    Ipv4.checksum.set(view, 0, ipv4Checksum(view, 0, 20));
    expect(dissectFrame(packet, LinkType.RAW)).toMatchObject({ protocols: ['IPv4'], payloadLength: 72, problems: [] });
  });

  it('tell a capture that was cut from a packet that was trimmed', () => {
    const found = dissectFrame(E1.subarray(0, 50), LinkType.RAW);
    expect(found.trimmed).toBe(false);
    expect(found.problems.map(({ field }) => field)).toEqual(['IPv4.totalLength', 'UET-SES']);
  });

  it('report an unknown version and an unknown link type', () => {
    expect(dissectFrame(Uint8Array.of(0x50), LinkType.RAW).problems).toMatchObject([{ field: 'IP.version' }]);
    expect(dissectFrame(E1, 147).problems).toMatchObject([{ field: 'link' }]);
    expect(dissectFrame(new Uint8Array(0), LinkType.RAW).problems.length).toBe(1);
  });
});

describe('UET', () => {
  it.each([
    ['a reserved type', '78 00 00 00', 'UET-PDS.type'],
    ['a reserved next header', '13 80 00 00 00 00 00 00 00 12 00 34', 'UET-PDS.nextHeader'],
    ['a next header that the type may not have', '38 80 00 00 00 00 00 00 00 12 00 34', 'UET-PDS.nextHeader'],
    ['a reserved control type', '5d 00 00 00 00 00 00 00 00 12 00 34 00 00 00 00', 'UET-PDS.ctlType'],
    ['a request without sender', '11 80 00 00 00 00 00 00 00 00 00 34', 'UET-PDS.spdcid'],
    ['bytes behind a NACK', '50 00 0d 00 01 02 03 04 11 22 33 44 05 06 07 08 00', 'UET-PDS'],
    ['a security header inside another', '08 00 00 00 00 00 00 00 00 00 00 00 08 00', 'UET-PDS.type'],
  ])('reports %s (uet:pds/2.18)', (_what, hex, field) => {
    expect(dissectUet(fromHex(hex), 0, undefined, { encrypted: false }).problems.map((one) => one.field)).toContain(
      field,
    );
  });

  it('reports each truncation of each worked packet (uet:pds/2.18)', () => {
    for (const { id, hex, starts, payload } of WORKED_PDS) {
      if (starts === 'ip') continue;
      const bytes = fromHex(hex);
      // Without its last bytes this one is the other, shorter form.
      const other = id === 'E24' ? 12 : id === 'E30' ? 16 : id === 'E36' ? 24 : -1;
      const silent = new Set([bytes.length, other]);
      for (let length = 0; length <= bytes.length; length++) {
        const { problems } = dissectUet(bytes.subarray(0, length), 0, length, { encrypted: false });
        expect([id, length, problems.length > 0]).toEqual([id, length, id === 'E36' || !silent.has(length)]);
      }
      expect(payload === undefined || payload.length > 0).toBe(true);
    }
  });

  it('shows match bits or memory key, as the operation has it (uet:ses/2.4)', () => {
    const nameIn = (id: string) =>
      dissectUet(fromHex(WORKED_PDS.find((one) => one.id === id)!.hex))
        .layers.at(-1)!
        .fields.map(({ name }) => name);
    expect(nameIn('E38')).toContain('matchBits');
    const write = fromHex(WORKED_PDS.find(({ id }) => id === 'E38')!.hex);
    write[12] = 1;
    expect(
      dissectUet(write)
        .layers.at(-1)!
        .fields.map(({ name }) => name),
    ).toContain('memoryKey');
  });

  it('compares announced and actual payload (uet:ses/2.9)', () => {
    const { hex } = WORKED_PDS.find(({ id }) => id === 'E38')!;
    const longer = join(fromHex(hex), new Uint8Array(1));
    expect(dissectUet(longer).problems).toMatchObject([
      { field: 'UET-SES', offset: 56, text: 'the header announces 4 bytes of payload, 5 are there' },
    ]);
  });

  it('takes a window of a larger buffer and clamps it', () => {
    const around = join(new Uint8Array(3), UET, new Uint8Array(9));
    const found = dissectUet(around, 3, 3 + UET.length);
    expect(found.layers.map(({ offset }) => offset)).toEqual([3, 15]);
    expect(found.problems).toEqual([]);
    expect(dissectUet(UET, 0, 1_000_000).problems).toEqual([]);
    expect(dissectUet(UET, 500).problems.length).toBe(1);
  });
});

describe('on any bytes', () => {
  const seeds = [E1, E2, ...WORKED_PDS.map(({ hex }) => fromHex(hex))];
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 6 }), fc.nat(100))
    .map(([seed, changes, length]) => {
      const bytes = seed.slice(0, length);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes;
    });
  const links = fc.constantFrom(LinkType.ETHERNET, LinkType.RAW, LinkType.IPV4, LinkType.IPV6, 0);

  it('never throws, stays in range, and gives JSON', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated),
        links,
        fc.boolean(),
        (bytes, link, encrypted) => {
          // The view is a window, so that a read outside of it would still be inside of the buffer and go unnoticed;
          // what must not happen is that bytes behind the window change the result.
          const [a, b] = [0x00, 0xff].map((around) => windowed(bytes, around));
          const found = dissectFrame(a!, link, { encrypted });
          expect(dissectFrame(b!, link, { encrypted })).toEqual(found);
          expect(dissectUet(b!, 0, undefined, { encrypted })).toEqual(dissectUet(a!, 0, undefined, { encrypted }));
          JSON.stringify(found);
          expect(found.payloadLength).toBeGreaterThanOrEqual(0);
          for (const { offset, length } of found.layers) expect(offset + length).toBeLessThanOrEqual(bytes.length);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

function ipv6(nextHeader: number, payload: Uint8Array): Uint8Array {
  const values = { version: 6, payloadLength: payload.length, nextHeader, source: SOURCE, destination: DESTINATION };
  return join(bytesOf(Ipv6, values), payload);
}

function bytesOf<H extends Parameters<typeof byteLength>[0]>(declared: H, values: HeaderValues<H>): Uint8Array {
  const bytes = new Uint8Array(byteLength(declared));
  emit(declared, new DataView(bytes.buffer), 0, values);
  return bytes;
}

function windowed(bytes: Uint8Array, around: number): Uint8Array {
  const buffer = new Uint8Array(bytes.length + 128).fill(around);
  buffer.set(bytes, 64);
  return buffer.subarray(64, 64 + bytes.length);
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
