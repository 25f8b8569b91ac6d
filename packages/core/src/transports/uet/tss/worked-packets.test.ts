import { describe, expect, it } from 'vitest';
import { Packet } from '../../../engine/packet.ts';
import { Datagram } from '../../../engine/seal.ts';
import type { CounterStore } from './counter-store.ts';
import { DomainTable } from './domain-table.ts';
import { KeyDerivation, LABEL, RekeyRule } from './key-derivation.ts';
import type { Framing } from './packet-frame.ts';
import { PacketProtection } from './packet-protection.ts';
import { SecurityFields } from './security-fields.ts';
import { hex, TestCipher, unhex } from './test-cipher.testdata.ts';
import { KDF_VECTORS, WORKED_PACKETS, type WorkedPacket } from './worked-packets.testdata.ts';

const SDKI = '34448a064292601b11a0978f56a2d34cf3fc35ede1a6bc04f8db3e5243a2b0ca';
const PATH = 1;

/** What stands in front of the security header of a whole packet. */
function frameOf(packet: Uint8Array): { datagram: Datagram; at: number; framing: Framing } {
  const v4 = packet[0]! >> 4 === 4;
  const udp = packet[v4 ? 9 : 6] === 17;
  const datagram = new Datagram();
  const addresses = v4 ? 12 : 8;
  const size = v4 ? 4 : 16;
  const mapped = (at: number) => {
    const address = new Uint8Array(16);
    if (v4) address.fill(0xff, 10, 12);
    address.set(packet.subarray(at, at + size), 16 - size);
    return address;
  };
  datagram.source = mapped(addresses);
  datagram.destination = mapped(addresses + size);
  const ports = v4 ? 20 : 40;
  const view = new DataView(packet.buffer);
  datagram.sourcePort = view.getUint16(ports);
  datagram.destinationPort = view.getUint16(ports + 2);
  return { datagram, at: ports + (udp ? 8 : 4), framing: udp ? 'udp' : 'native' };
}

/** A domain whose next packet has the counter of the worked packet. */
function endOf(worked: WorkedPacket, mode: WorkedPacket['domain']['mode'], nonces?: Set<string>) {
  const fields = new SecurityFields();
  const header = unhex(worked.header);
  fields.read(new DataView(header.buffer), 0, 1000);
  const counters: CounterStore = { reserve: () => fields.tsc };
  const table = new DomainTable(new TestCipher(nonces), { counters, counterBlock: 1 });
  const { ssi, ...rest } = worked.domain;
  const own = ssi === undefined ? {} : { ssi: mode === 'server' ? (true as const) : fields.ssi };
  const key = mode === 'client' ? `${worked.sdk}${worked.mask}` : worked.sdki;
  const an = { an: fields.an, epoch: fields.epoch };
  table.add({ ...rest, ...own, mode, sdi: fields.sdi }, { bytes: unhex(key), ...an });
  return { table, handle: table.get(fields.sdi).handle, fields };
}

function given(bytes: Uint8Array, at: number, path = PATH): Packet {
  const packet = new Packet(bytes.slice());
  packet.at = at;
  packet.length = bytes.length - at;
  packet.path = path;
  return packet;
}

const other = (mode: WorkedPacket['domain']['mode']) =>
  mode === 'server' ? 'client' : mode === 'client' ? 'server' : mode;

describe('the worked packets', () => {
  for (const worked of WORKED_PACKETS) {
    const whole = unhex(worked.packet);
    const { at, framing } = frameOf(whole);
    const headerBytes = worked.header.length / 2;

    it(`${worked.name} is sealed byte for byte (uet:tss/17.2)`, () => {
      const { table, handle } = endOf(worked, worked.domain.mode);
      const protection = new PacketProtection(table, { framing });
      const { datagram } = frameOf(whole);
      if (worked.domain.ssi === true) meetClient(protection, worked, framing);
      const text = unhex(worked.text);
      const bytes = new Uint8Array(64 + text.length + 16);
      bytes.set(text, 64);
      const front = protection.seal(handle, PATH, datagram, new DataView(bytes.buffer), bytes, 64, text.length);
      expect(front).toBe(headerBytes);
      expect(hex(bytes.subarray(64 - front))).toBe(worked.header + worked.sealed + worked.icv);
      expect(hex(whole.subarray(at))).toBe(worked.header + worked.sealed + worked.icv);
    });

    it(`${worked.name} is opened by the other end (uet:tss/17.2, uet:tss/11)`, () => {
      const { table, handle } = endOf(worked, other(worked.domain.mode));
      const protection = new PacketProtection(table, { framing });
      const packet = given(whole, at);
      expect(protection.open(0, packet, frameOf(whole).datagram)).toBe('');
      expect(hex(packet.bytes.subarray(packet.at, packet.at + packet.length))).toBe(worked.text);
      expect(protection.domain).toBe(handle);
    });

    it(`${worked.name} with any bit of what is authenticated changed is dropped (uet:tss/9.1, uet:tss/17.3)`, () => {
      const { table } = endOf(worked, other(worked.domain.mode));
      const protection = new PacketProtection(table, { framing });
      const first = worked.packet.startsWith('4') ? 12 : 8;
      for (let bit = first * 8; bit < whole.length * 8; bit++) {
        const changed = whole.slice();
        changed[bit >> 3]! ^= 0x80 >> (bit & 7);
        // length and checksum of UDP are not taken from the packet
        const udpRest = framing === 'udp' && bit >> 3 >= at - 4 && bit >> 3 < at;
        if (udpRest) continue;
        const packet = given(changed, at);
        expect(protection.open(1e9 * bit, packet, frameOf(changed).datagram), `bit ${bit}`).not.toBe('');
      }
      // what changes on the way does no harm: DSCP, ECN, TTL, identification
      const rerouted = whole.slice();
      for (const byte of first === 12 ? [1, 4, 5, 8] : [1, 2, 3, 7]) rerouted[byte]! ^= 0xff;
      expect(protection.open(1e12, given(rerouted, at), frameOf(rerouted).datagram)).toBe('');
    });

    it(`${worked.name} cut short or with a byte more is dropped (uet:tss/17.3)`, () => {
      const { table } = endOf(worked, other(worked.domain.mode));
      const protection = new PacketProtection(table, { framing });
      for (let length = at; length < whole.length; length++) {
        const reason = protection.open(0, given(whole.subarray(0, length), at), frameOf(whole).datagram);
        expect(['tss_auth', 'tss_short', 'tss_clear'], `${length} bytes`).toContain(reason);
        if (length < at + headerBytes + 20) expect(reason, `${length} bytes`).not.toBe('tss_auth');
      }
      const longer = new Uint8Array([...whole, 0]);
      expect(protection.open(0, given(longer, at), frameOf(whole).datagram)).toBe('tss_auth');
    });
  }

  /** A server learns the source identifier of a client from the first packet that proves itself. */
  function meetClient(protection: PacketProtection, server: WorkedPacket, framing: Framing): void {
    const hello = WORKED_PACKETS.find(({ name }) => name === 'E7')!;
    expect(hello.sdki).toBe(server.sdki);
    const whole = unhex(hello.packet);
    const { datagram, at } = frameOf(whole);
    expect(framing).toBe('native');
    expect(protection.open(0, given(whole, at), datagram)).toBe('');
  }

  it('E6 and E7x show what one nonce for two directions gives away, and that the cipher of these tests sees it (uet:tss/8)', () => {
    const [e6, e7x] = ['E6', 'E7x'].map((name) => WORKED_PACKETS.find((one) => one.name === name)!) as [
      WorkedPacket,
      WorkedPacket,
    ];
    expect(e6.iv).toBe(e7x.iv);
    const xor = (a: string, b: string) => hex(unhex(a).map((byte, i) => byte ^ unhex(b)[i]!));
    expect(xor(e6.sealed, e7x.sealed)).toBe(xor(e6.text, e7x.text));
    const nonces = new Set<string>();
    for (const [i, worked] of [e6, e7x].entries()) {
      const { table, handle } = endOf(worked, worked.domain.mode, nonces);
      const protection = new PacketProtection(table, { framing: 'native' });
      if (i === 0) meetClient(protection, worked, 'native');
      const { datagram } = frameOf(unhex(worked.packet));
      const bytes = new Uint8Array(96);
      const seal = () => protection.seal(handle, PATH, datagram, new DataView(bytes.buffer), bytes, 32, 16);
      if (i === 0) expect(seal()).toBe(16);
      else expect(seal).toThrow('nonce repeated');
    }
  });
});

describe('the key derivation', () => {
  for (const { mode, address, fixedInput, sdk, mask } of KDF_VECTORS) {
    it(`makes the ${mode} key of ${address} (uet:tss/17.1)`, () => {
      const identity = unhex(address === 'IPv4' ? 'c0a82a01' : '20010cb0000000000fc0000000000abc');
      const messages: string[] = [];
      const inner = new TestCipher().importKey(unhex(SDKI));
      const key = {
        ...{ seal: inner.seal, open: inner.open },
        cmac: (message: Uint8Array, length: number, into: Uint8Array, at: number) => {
          messages.push(hex(message.subarray(0, length)));
          inner.cmac(message, length, into, at);
        },
      };
      const kdf = new KeyDerivation();
      const rekey = new RekeyRule(0xffff * 2 ** 32, 32).of(0x74e5_0000_0023);
      expect(rekey).toBe(0x74e5);
      const label = mode === 'server' ? LABEL.SERVER : LABEL.CLUSTER;
      kdf.derive(key, label, 0x1dc0, mode === 'server' ? 0 : rekey, identity, 0, identity.length);
      expect(messages).toEqual([`01${fixedInput}`, `02${fixedInput}`, `03${fixedInput}`]);
      expect(hex(kdf.output.subarray(0, 32))).toBe(sdk);
      expect(hex(kdf.output.subarray(32, 44))).toBe(mask);
      kdf.wipe();
      expect(kdf.output.every((byte) => byte === 0)).toBe(true);
    });
  }

  it('takes the bits of the counter that mask and shift name, and refuses others (uet:tss/7)', () => {
    expect(new RekeyRule(0xff00, 8).of(0x105)).toBe(1);
    expect(new RekeyRule(0xff00, 8).of(0xffff_ffff_ffff)).toBe(0xff);
    expect(new RekeyRule(0xffff * 2 ** 32, 32).of(2 ** 48 - 1)).toBe(0xffff);
    expect(new RekeyRule(0xffff_ffff, 0).of(0x1_2345_6789)).toBe(0x2345_6789);
    for (const [mask, shift] of [
      [0, 0],
      [0xff00, 7],
      [0xff, 8],
      [0xf0f0, 4],
      [2 ** 49, 48],
      [2 ** 36 - 1, 0],
    ] as const) {
      expect(() => new RekeyRule(mask, shift), `${mask} ${shift}`).toThrow('name no bits');
    }
  });
});
