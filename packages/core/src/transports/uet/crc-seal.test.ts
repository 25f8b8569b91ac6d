import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../base/random.ts';
import { Packet } from '../../engine/packet.ts';
import { Datagram } from '../../engine/seal.ts';
import { checkUetCrc, sealUetCrc, uetCrc } from '../../wire/uet/crc.ts';
import { uetCrcSeal } from './crc-seal.ts';
import { uet } from './index.ts';
import { Bench, PATH, request, START, SYN } from './rig-packets.testdata.ts';

/** An IP packet with UDP around `payload` and room for the CRC; and what a host knows of it. */
function around(v6: boolean, payload: Uint8Array) {
  const ip = v6 ? 40 : 20;
  const packet = new Uint8Array(ip + 8 + payload.length + 4);
  const view = new DataView(packet.buffer);
  packet[0] = v6 ? 0x60 : 0x45;
  packet[v6 ? 6 : 9] = 17;
  const datagram = new Datagram();
  datagram.source = new Uint8Array(16).map((_, i) => (v6 ? i + 1 : i < 10 ? 0 : i < 12 ? 0xff : i));
  datagram.destination = datagram.source.map((byte, i) => (i < 12 && !v6 ? byte : byte ^ 0x40));
  Object.assign(datagram, { sourcePort: 0x4242, destinationPort: 4793, length: payload.length + 4 });
  const [from, size] = v6 ? [0, 16] : [12, 4];
  packet.set(datagram.source.subarray(from), v6 ? 8 : 12);
  packet.set(datagram.destination.subarray(from), (v6 ? 8 : 12) + size);
  view.setUint16(ip, 0x4242);
  view.setUint16(ip + 2, 4793);
  view.setUint16(ip + 4, payload.length + 12);
  view.setUint16(ip + 6, 0xbeef); // a checksum, which counts as zero
  packet.set(payload, ip + 8);
  return { packet, datagram, end: packet.length - 4, body: ip + 8 };
}

describe('UET CRC as a seal (uet:pds/1.7, uet:pds/8 D3, uet:pds/8 D4)', () => {
  for (const v6 of [false, true]) {
    it(`is that of the whole ${v6 ? 'IPv6' : 'IPv4'} packet, in whatever pieces the host adds it`, () => {
      const random = new SeededRandom(4);
      for (const length of [12, 13, 100, 1000]) {
        const payload = Uint8Array.from({ length }, () => random.below(256));
        const { packet, datagram, end, body } = around(v6, payload);
        const cut = random.below(length);
        let state = uetCrcSeal.headers(uetCrcSeal.begin(datagram), packet, body, cut);
        state = uetCrcSeal.update(state, packet, body + cut, length - cut);
        uetCrcSeal.write(state, packet, end);
        expect(new DataView(packet.buffer).getUint32(end, true)).toBe(uetCrc(packet, end));
        expect(checkUetCrc(packet)).toBe(true);
        expect(uetCrcSeal.matches(state, datagram, packet, end, length)).toBe(true);
        packet[end]! ^= 1;
        expect(uetCrcSeal.matches(state, datagram, packet, end, length)).toBe(false);
        sealUetCrc(packet, end);
        expect(uetCrcSeal.matches(state, datagram, packet, end, length)).toBe(true);
      }
    });
  }

  it('covers the entropy header where there is no UDP (uet:pds/1.3)', () => {
    const random = new SeededRandom(6);
    for (const v6 of [false, true]) {
      const ip = v6 ? 40 : 20;
      const { packet: udp, datagram } = around(v6, new Uint8Array(0));
      const payload = Uint8Array.from({ length: 77 }, () => random.below(256));
      const packet = new Uint8Array(ip + 4 + payload.length + 4);
      packet.set(udp.subarray(0, ip));
      packet[v6 ? 6 : 9] = 253;
      packet.set([0x42, 0x43, 0, 0], ip);
      packet.set(payload, ip + 4);
      Object.assign(datagram, { sourcePort: 0x4243, destinationPort: 0, length: payload.length + 4 });
      const seal = uet.overIp!.sealFor!({ crc: 1 })!;
      const state = seal.update(seal.begin(datagram), payload, 0, payload.length);
      seal.write(state, packet, packet.length - 4);
      expect(checkUetCrc(packet)).toBe(true);
      packet[ip + 1]! ^= 1;
      expect(checkUetCrc(packet)).toBe(false);
    }
  });

  it('is there when the setting asks for it', () => {
    expect(uet.sealFor?.({ crc: 1 })).toBe(uetCrcSeal);
    expect(uet.sealFor?.({ crc: 0 })).toBeUndefined();
    expect(uet.sealFor?.({})).toBeUndefined();
  });

  it('that does not fit makes the packet a counted drop without an answer', () => {
    const bench = new Bench();
    const bytes = request({ psn: START, flags: SYN });
    const packet = new Packet(bytes);
    Object.assign(packet, { length: bytes.length, path: PATH, damaged: true });
    bench.engine.receive(bench.now, packet);
    expect([bench.take().length, bench.drops('damaged')]).toEqual([0, 1]);
  });
});
