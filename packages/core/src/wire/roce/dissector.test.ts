import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../base/ip-address.ts';
import { LinkType } from '../capture.ts';
import { dissectFrame, dissectRoce } from '../dissector.ts';
import { Ipv4, ipv4Checksum } from '../ip/ipv4.ts';
import { Udp } from '../ip/udp.ts';
import { emit } from '../record.ts';
import { fromHex } from '../uet/worked.testdata.ts';
import { icrcOfIpPacket, writeIcrc } from './icrc.ts';

const SEND_ONLY = '04 00 ff ff 00 00 00 11 80 00 00 01';
const ACK = '11 00 ff ff 00 00 00 11 00 00 00 01';
const UD = '64 00 ff ff 00 00 00 01 00 00 00 01 80 01 00 00 00 00 00 01';
const MAD = `01 07 02 03 00 00 00 00 00 00 00 00 00 00 00 01 00 14 00 00 00 00 00 00 ${'00 '.repeat(232)}`;

describe('a RoCEv2 packet', () => {
  it.each([
    ['an opcode that is reserved', '15 00 ff ff 00 00 00 11 00 00 00 01', 'BTH.opcode', 0],
    ['an opcode of reliable datagrams', '44 00 ff ff 00 00 00 11 00 00 00 01', 'BTH.opcode', 0],
    ['another version', '04 01 ff ff 00 00 00 11 80 00 00 01', 'BTH.version', 1],
    ['a BTH that is cut off', '04 00 ff ff 00 00 00 11', 'RoCEv2', 0],
    ['an RETH that is cut off', '0c 00 ff ff 00 00 00 11 80 00 00 01 00 00 00 00 00 00 00 00', 'RoCEv2', 12],
    ['padding beyond the payload', '04 30 ff ff 00 00 00 11 80 00 00 01 00 00', 'BTH.padCount', 1],
    ['payload that is not whole words', `${SEND_ONLY} 01 02 03`, 'RoCEv2', 12],
    ['padding in the middle of a message', '01 10 ff ff 00 00 00 11 80 00 00 01 01 02 03 00', 'BTH.padCount', 1],
    ['padding without payload', `11 10 ${ACK.slice(6)} 1f 00 00 00`, 'BTH.padCount', 1],
    ['bytes behind an acknowledgement', `${ACK} 1f 00 00 00 00 00 00 00`, 'RoCEv2', 16],
    ['a reserved kind of acknowledgement', `${ACK} 40 00 00 00`, 'AETH.kind', 12],
    ['a reserved reason', `${ACK} 65 00 00 00`, 'AETH.reason', 12],
    ['a congestion notification without mark', `81 00 ff ff 00 00 00 11 ${'00 '.repeat(20)}`, 'BTH.becn', 4],
    ['another version of management', `${UD} 02 ${MAD.slice(3)}`, 'MAD.baseVersion', 20],
  ])('reports %s', (_what, hex, field, offset) => {
    const bytes = fromHex(hex);
    const { problems } = dissectRoce(bytes);
    expect(problems.map((one) => [one.field, one.offset])).toContainEqual([field, offset]);
  });

  it.each([
    ['SEND Only', `${SEND_ONLY} 01 02 03 04`, ['BTH'], 4],
    ['SEND Only of nothing', SEND_ONLY, ['BTH'], 0],
    ['SEND Only with padding', '04 30 ff ff 00 00 00 11 80 00 00 01 09 00 00 00', ['BTH'], 1],
    ['SEND Only with Invalidate', '17 00 ff ff 00 00 00 11 80 00 00 01 00 00 20 f4', ['BTH', 'IETH'], 0],
    [
      'WRITE Only with Immediate',
      `0b 00 ff ff 00 00 00 11 80 00 00 01 ${'00 '.repeat(16)} 00 00 00 07 01 02 03 04`,
      ['BTH', 'RETH', 'ImmDt'],
      4,
    ],
    ['an RNR NAK', `${ACK} 2e 00 00 00`, ['BTH', 'AETH, RNR NAK'], 0],
    ['a NAK', `${ACK} 62 00 00 00`, ['BTH', 'AETH, NAK'], 0],
    ['a congestion notification', `81 00 ff ff 40 00 00 11 ${'00 '.repeat(20)}`, ['BTH', 'CNP padding'], 0],
    ['a message of the connection manager', `${UD} ${MAD}`, ['BTH', 'DETH', 'MAD, CM', 'CM RTU'], 224],
    ['other management', `${UD} 01 04 ${MAD.slice(6)}`, ['BTH', 'DETH', 'MAD'], 232],
    ['a short datagram to queue pair 1', `${UD} 01 02 03 04`, ['BTH', 'DETH'], 4],
  ])('shows %s', (_what, hex, headers, payload) => {
    const found = dissectRoce(fromHex(hex));
    expect(found.problems).toEqual([]);
    expect(found.layers.map(({ header }) => header)).toEqual(headers);
    expect(found.payloadLength).toBe(payload);
  });

  it('is whole or reported, at each length', () => {
    const whole = fromHex(`0a 00 ff ff 00 00 00 11 80 00 00 01 ${'00 '.repeat(16)} 01 02 03 04 05 06 07 08`);
    for (let length = 0; length <= whole.length; length++) {
      const isWhole = length >= 28 && length % 4 === 0;
      expect([length, dissectRoce(whole, 0, length).problems.length === 0]).toEqual([length, isWhole]);
    }
  });
});

describe('a RoCEv2 datagram', () => {
  const packet = datagram(fromHex(`${SEND_ONLY} 01 02 03 04`));

  it('is known by its port, which can be chosen (IBTA annex A17)', () => {
    expect(dissectFrame(packet, LinkType.RAW)).toMatchObject({
      protocols: ['IPv4', 'UDP', 'RoCEv2', 'ICRC'],
      payloadLength: 4,
      problems: [],
    });
    expect(dissectFrame(packet, LinkType.RAW, { rocePorts: [5000] }).protocols).toEqual(['IPv4', 'UDP']);
    const moved = datagram(fromHex(SEND_ONLY), 5000);
    expect(dissectFrame(moved, LinkType.RAW, { rocePorts: [5000] }).problems).toEqual([]);
  });

  it('says which ICRC would be right', () => {
    const damaged = packet.slice();
    damaged[40]! ^= 1;
    const right = Array.from(fixed(damaged).subarray(-4), (byte) => byte.toString(16).padStart(2, '0')).join('');
    expect(dissectFrame(damaged, LinkType.RAW).problems).toEqual([
      { offset: packet.length - 4, field: 'ICRC', text: `is wrong, 0x${right} would be right` },
    ]);
  });

  it('keeps its bytes: checking the ICRC writes nothing', () => {
    const before = packet.slice();
    dissectFrame(Buffer.from(packet.buffer), LinkType.RAW);
    expect([...packet]).toEqual([...before]);
  });

  it('that was cut off by the capture is not checked', () => {
    const found = dissectFrame(packet.subarray(0, 42), LinkType.RAW);
    expect(found.problems.map(({ field }) => field)).not.toContain('ICRC');
    expect(found.notes.map(({ field }) => field)).toEqual(['ICRC']);
  });

  it('without room for an ICRC is reported', () => {
    const short = datagram(fromHex(SEND_ONLY).subarray(0, 8));
    expect(dissectFrame(short, LinkType.RAW).problems.map(({ field }) => field)).toContain('ICRC');
  });
});

describe('on any bytes', () => {
  it('never throws, stays in range, and gives JSON', () => {
    const seeds = [SEND_ONLY, ACK, `${UD} ${MAD}`].map((hex) => datagram(fromHex(hex)));
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(330), fc.nat(255)), { maxLength: 6 }), fc.nat(330))
      .map(([seed, changes, length]) => {
        const bytes = seed.slice(0, length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), mutated), fc.nat(40), (bytes, at) => {
        for (const found of [
          dissectFrame(bytes, LinkType.RAW),
          dissectRoce(bytes, at),
          dissectRoce(bytes.subarray(28)),
        ]) {
          JSON.stringify(found);
          expect(found.payloadLength).toBeGreaterThanOrEqual(0);
          for (const { offset, length } of found.layers) expect(offset + length).toBeLessThanOrEqual(bytes.length);
        }
      }),
      { seed: 4791, numRuns: 2000 },
    );
  });
});

/** An IPv4 packet with a right ICRC. */
function datagram(content: Uint8Array, port = 4791): Uint8Array {
  const packet = new Uint8Array(28 + content.length + 4);
  const view = new DataView(packet.buffer);
  const address = (text: string) => parseAddress(text)!.subarray(12);
  emit(Ipv4, view, 0, {
    version: 4,
    ihl: 5,
    totalLength: packet.length,
    df: 1,
    ttl: 64,
    protocol: 17,
    source: address('192.0.2.1'),
    destination: address('192.0.2.2'),
  });
  Ipv4.checksum.set(view, 0, ipv4Checksum(view, 0, 20));
  emit(Udp, view, 20, { sourcePort: 50_000, destinationPort: port, length: packet.length - 20 });
  packet.set(content, 28);
  return content.length < 12 ? packet : fixed(packet);
}

function fixed(packet: Uint8Array): Uint8Array {
  const made = packet.slice();
  writeIcrc(icrcOfIpPacket(packet.subarray(0, -4), 28), made, packet.length - 4);
  return made;
}
