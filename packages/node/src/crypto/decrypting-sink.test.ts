import { Datagram, PacketProtection, parseAddress, SeededRandom } from '@verbena/core';
import { dissectFrame, LinkType, pcapngInterface, pcapngPacket, pcapngSection, readCapture } from '@verbena/core/wire';
import { describe, expect, test } from 'vitest';
import { DecryptingSink } from './decrypting-sink.ts';
import { DomainStore } from './domain-store.ts';

const ACK = Uint8Array.from(Buffer.from('380000000001000000070001', 'hex'));
const ENDS = { 4: ['192.0.2.1', '192.0.2.2'], 6: ['2001:db8::1', '2001:db8::2'] } as const;

function domains(key = 1): DomainStore {
  const made = new DomainStore();
  made.add(7, { mode: 'cluster' }, { bytes: new Uint8Array(32).fill(key), an: 0, epoch: 0 });
  made.add(8, { mode: 'direct', ssi: 0x1234 }, { bytes: new Uint8Array(32).fill(key + 1), an: 1, epoch: 0 });
  return made;
}

/** A protected packet behind IP and UDP, as captures have it. */
function frame(sdi: number, version: 4 | 6, text = ACK): Uint8Array {
  const protection = new PacketProtection(domains().table, { domain: sdi });
  const [source, destination] = ENDS[version].map((address) => parseAddress(address)!) as [Uint8Array, Uint8Array];
  const datagram = Object.assign(new Datagram(), { source, destination });
  const at = (version === 4 ? 28 : 48) + 16;
  const bytes = new Uint8Array(at + text.length + 16);
  bytes.set(text, at);
  const view = new DataView(bytes.buffer);
  const front = protection.seal(protection.handleOf(undefined), 1, datagram, view, bytes, at, text.length);
  const upper = version === 4 ? 20 : 40;
  const packet = new Uint8Array(upper + 8 + front + text.length + 16);
  packet.set(bytes.subarray(at - front), upper + 8);
  const ip = new DataView(packet.buffer);
  packet[0] = version === 4 ? 0x45 : 0x60;
  if (version === 4) {
    ip.setUint16(2, packet.length);
    packet.set([64, 17], 8);
    packet.set(source.subarray(12), 12);
    packet.set(destination.subarray(12), 16);
  } else {
    ip.setUint16(4, packet.length - 40);
    packet.set([17, 64], 6);
    packet.set(source, 8);
    packet.set(destination, 24);
  }
  ip.setUint16(upper + 2, 4793);
  ip.setUint16(upper + 4, packet.length - upper);
  return packet;
}

/** What comes out of the sink for one frame. */
function through(store: DomainStore, data: Uint8Array) {
  const out: Uint8Array[] = [];
  const asked: number[] = [];
  const sink = new DecryptingSink(
    { room: (bytes) => asked.push(bytes) > 0, write: (record) => out.push(record) },
    store.opener(),
  );
  const record = pcapngPacket({ timestampNs: 5_000_000_123n, data, direction: 'in' });
  const before = record.slice();
  sink.room(record.length);
  sink.write(record);
  expect(record).toEqual(before);
  expect(out[0]!.length).toBeLessThanOrEqual(asked[0]!);
  const file = Buffer.concat([pcapngSection({}), pcapngInterface({ linkType: LinkType.RAW }), out[0]!]);
  return { frame: [...readCapture(file)][0]!, isAsItWas: Buffer.compare(out[0]!, record) === 0 };
}

describe('a capture that is opened on its way', () => {
  test.each([
    [7, 4],
    [7, 6],
    [8, 4],
    [8, 6],
  ] as const)(
    'holds the packet of domain %d over IPv%d in the clear, with lengths, checksums, time and a word on its key (uet:tss/11)',
    (sdi, version) => {
      const { frame: shown } = through(domains(), frame(sdi, version));
      expect(shown).toMatchObject({ timestampNs: 5_000_000_123n, direction: 'in' });
      expect(shown.comment).toMatch(
        sdi === 7 ? /^opened: domain 0x7 an 0 epoch 0 tsc 0$/ : /^opened: domain 0x8 ssi 0x1234 an 1 epoch 0 tsc 0$/,
      );
      const packet = dissectFrame(shown.data, shown.linkType);
      expect(packet.problems).toEqual([]);
      expect(packet.protocols).toEqual([`IPv${version}`, 'UDP', 'UET-PDS']);
      expect(Buffer.from(ACK).equals(shown.data.subarray(-ACK.length))).toBe(true);
    },
  );

  test('leaves as it is what no key here opens, and what is no packet at all (uet:tss/20)', () => {
    expect(through(domains(5), frame(7, 4)).isAsItWas).toBe(true);
    expect(through(new DomainStore(), frame(7, 4)).isAsItWas).toBe(true);
    const random = new SeededRandom(4);
    const store = domains();
    for (let n = 0; n < 200; n++) {
      const bytes = frame(random.chance(0.5) ? 7 : 8, random.chance(0.5) ? 4 : 6).slice(0, 1 + random.below(110));
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      through(store, bytes);
    }
  });
});
