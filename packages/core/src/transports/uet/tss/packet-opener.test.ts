import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../base/random.ts';
import { LinkType } from '../../../wire/capture.ts';
import { dissectFrame, dissectUet } from '../../../wire/dissector.ts';
import { DomainTable } from './domain-table.ts';
import { openingProblem, PacketOpener } from './packet-opener.ts';
import { keyOf } from './secured-rig.testdata.ts';
import { SecurityFields } from './security-fields.ts';
import { hex, TestCipher, unhex } from './test-cipher.testdata.ts';
import { WORKED_PACKETS, type WorkedPacket } from './worked-packets.testdata.ts';

/** Keys of one end of a worked packet. */
function tableOf(worked: WorkedPacket, mode = worked.domain.mode): DomainTable {
  const header = unhex(worked.header);
  const fields = new SecurityFields();
  fields.read(new DataView(header.buffer), 0, 1000);
  const { ssi, ...rest } = worked.domain;
  const own = ssi === undefined ? {} : { ssi: mode === 'server' ? (true as const) : fields.ssi };
  const key = mode === 'client' ? `${worked.sdk}${worked.mask}` : worked.sdki;
  const table = new DomainTable(new TestCipher());
  // an epoch far from that of the packet: recordings are old
  const epoch = mode === 'client' ? fields.epoch : (fields.epoch + 0x7000) & 0xffff;
  table.add({ ...rest, ...own, mode, sdi: fields.sdi }, { bytes: unhex(key), an: fields.an, epoch });
  return table;
}

const atOf = (whole: Uint8Array): number => {
  const v4 = whole[0]! >> 4 === 4;
  return (v4 ? 20 : 40) + (whole[v4 ? 9 : 6] === 17 ? 8 : 4);
};

function partOf(whole: Uint8Array, ip = 0, at = atOf(whole)) {
  const bytes = whole.slice();
  return { bytes, view: new DataView(bytes.buffer), ip, at, end: bytes.length };
}

describe('an opener of recorded packets', () => {
  for (const worked of WORKED_PACKETS) {
    const whole = unhex(worked.packet);
    const ends =
      worked.domain.mode === 'server' || worked.domain.mode === 'client'
        ? (['server', 'client'] as const)
        : [worked.domain.mode];
    for (const mode of ends) {
      it(`opens ${worked.name} with the keys of the ${mode} end, whichever way it went and however old it is (uet:tss/17.2, uet:tss/11)`, () => {
        const packet = partOf(whole);
        const opener = new PacketOpener(tableOf(worked, mode));
        expect(opener.open(packet)).toBe('');
        const text = packet.at + worked.header.length / 2;
        expect(hex(packet.bytes.subarray(text, packet.end - 16))).toBe(worked.text);
        expect(hex(packet.bytes.subarray(0, text))).toBe(hex(whole.subarray(0, text)));
        // the dissector shows what is inside, and the check value behind it
        const frame = whole.slice();
        const shown = dissectFrame(frame, LinkType.RAW, { udpPorts: [49_150], open: (part) => opener.open(part) });
        expect(shown.protocols.slice(-2)).toEqual(
          worked.text.length > 60 ? ['UET-SES', 'UET-TSS'] : ['UET-PDS', 'UET-TSS'],
        );
        expect(shown.layers.at(-1)!.fields).toMatchObject([{ name: 'icv', value: worked.icv }]);
      });
    }
  }

  it('says why it cannot, and leaves the bytes as they are (uet:tss/11)', () => {
    const worked = WORKED_PACKETS.find(({ name }) => name === 'E3')!;
    const whole = unhex(worked.packet);
    const refused = (table: DomainTable, packet = partOf(whole)) => {
      const before = hex(packet.bytes);
      const reason = new PacketOpener(table).open(packet);
      expect(hex(packet.bytes)).toBe(before);
      return reason;
    };
    const good = tableOf(worked);
    const wrong = new DomainTable(new TestCipher());
    wrong.add({ sdi: 1, mode: 'cluster' }, { bytes: keyOf(5), an: 0 });
    expect(refused(wrong)).toBe('tss_auth');
    expect(refused(new DomainTable(new TestCipher()))).toBe('tss_domain');
    const otherSlot = new DomainTable(new TestCipher());
    otherSlot.add({ sdi: 1, mode: 'cluster' }, { bytes: unhex(worked.sdki), an: 1 });
    expect(refused(otherSlot)).toBe('tss_key');
    const named = new DomainTable(new TestCipher());
    named.add({ sdi: 1, mode: 'cluster', ssi: 3 }, { bytes: unhex(worked.sdki), an: 0 });
    expect(refused(named)).toBe('tss_source');
    expect(refused(good, partOf(whole, -1))).toBe('tss_source'); // no addresses, no check value
    expect(refused(good, partOf(whole.subarray(0, 50)))).toBe('tss_short');
    for (let length = atOf(whole); length < whole.length; length++) {
      expect(['tss_auth', 'tss_short', 'tss_clear']).toContain(refused(good, partOf(whole.subarray(0, length))));
    }
    for (const name of ['tss_domain', 'tss_key', 'tss_auth', 'tss_short'] as const) {
      expect(openingProblem(name)).toMatch(/^[a-z].*[a-z]$/);
    }
    const shown = dissectUet(whole.slice(), atOf(whole), whole.length, { open: () => 'no' });
    expect(shown.notes).toMatchObject([{ field: 'UET-TSS', text: 'stays encrypted: no' }]);
    expect(shown.problems).toEqual([]);
  });

  it('derives no more keys for packets that prove nothing than it was told, and known sources go on (uet:tss/20)', () => {
    const worked = WORKED_PACKETS.find(({ name }) => name === 'E3')!;
    const whole = unhex(worked.packet);
    const opener = new PacketOpener(tableOf(worked), 4);
    expect(opener.open(partOf(whole))).toBe('');
    const random = new SeededRandom(20);
    const reasons: string[] = [];
    for (let n = 0; n < 20; n++) {
      const forged = whole.slice();
      forged[13 + (n & 1)] = random.below(256); // another source, and so another key
      reasons.push(opener.open(partOf(forged)));
    }
    expect(reasons.filter((reason) => reason === 'tss_auth').length).toBeLessThanOrEqual(5);
    expect(reasons.at(-1)).toBe('tss_derive');
    expect(opener.open(partOf(whole))).toBe('');
  });

  it('takes any bytes, and never throws (uet:tss/20)', () => {
    const worked = WORKED_PACKETS.find(({ name }) => name === 'E5')!;
    const whole = unhex(worked.packet);
    const opener = new PacketOpener(tableOf(worked));
    const random = new SeededRandom(21);
    for (let n = 0; n < 3000; n++) {
      const bytes = whole.slice(0, 1 + random.below(whole.length));
      for (let i = random.below(6); i > 0; i--) bytes[random.below(bytes.length)] = random.below(256);
      const at = random.below(bytes.length);
      opener.open(partOf(bytes, random.chance(0.5) ? 0 : random.below(at + 1), at));
      dissectFrame(bytes, LinkType.RAW, { open: (part) => opener.open(part) });
    }
  });
});
