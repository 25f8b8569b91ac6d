import { isVerbsError } from '@verbena/core';
import { describe, expect, it } from 'vitest';
import {
  decodePerftestLine,
  decodePerftestStructure,
  encodePerftestLine,
  encodePerftestStructure,
  type PerftestCard,
} from './perftest-card.ts';
import { decodePingpongCard, encodePingpongCard, type PingpongCard } from './pingpong-card.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

describe('cards as Linux tools sent them', () => {
  it('ibv_rc_pingpong: decodes and encodes to the same 52 bytes verbs/8.3', () => {
    const line = bytes('0000:000011:4e1c25:00000000000000000000ffffc0a84d02\0');
    const card: PingpongCard = { lid: 0, qpn: 0x11, psn: 0x4e1c25, address: '192.168.77.2' };
    expect(decodePingpongCard(line)).toEqual(card);
    expect(encodePingpongCard(card)).toEqual(line);
    expect(line).toHaveLength(52);
  });

  it('ibv_srq_pingpong: a queue pair that does not exist is all zeros verbs/8.3', () => {
    const line = bytes(`0000:000000:000000:${'0'.repeat(32)}\0`);
    expect(decodePingpongCard(line)).toEqual({ lid: 0, qpn: 0, psn: 0, address: '::' });
    expect(encodePingpongCard({ qpn: 0, psn: 0, address: '::' })).toEqual(line);
  });

  it('ib_read_bw: decodes and encodes to the same 108 bytes verbs/8.6', () => {
    const line = bytes(
      '0000:0080:00002a:e3162a:00000cbf:000055ef03b70000:00:00:00:00:00:00:00:00:00:00:ff:ff:c0:a8:4d:02:00000000:\0',
    );
    const card: PerftestCard = {
      ...{ lid: 0, outstandingReads: 0x80, qpn: 0x2a, psn: 0xe3162a, rkey: 0xcbf },
      ...{ remoteAddress: 0x55ef03b70000n, address: '192.168.77.2' },
    };
    expect(line).toHaveLength(108);
    expect(decodePerftestLine(line)).toEqual(card);
    expect(encodePerftestLine(card)).toEqual(line);
  });

  it('ib_write_bw -R: decodes 56 bytes, with whatever stands between key and address verbs/8.6', () => {
    const sent =
      '000000000000000100000026006d24c8000008b2e27f0000000055e53ef3600000000000000000000000ffffc0a84d020000000000000001';
    const structure = new Uint8Array(Buffer.from(sent, 'hex'));
    const card: PerftestCard = {
      ...{ lid: 0, outstandingReads: 1, qpn: 0x26, psn: 0x6d24c8, rkey: 0x8b2 },
      ...{ remoteAddress: 0x55e53ef36000n, address: '192.168.77.2' },
    };
    expect(decodePerftestStructure(structure)).toEqual(card);
    expect(decodePerftestStructure(encodePerftestStructure(card))).toEqual(card);
    expect(encodePerftestStructure(card)).toHaveLength(56);
  });

  it('IPv6 addresses and large numbers come back as they were', () => {
    const card: PerftestCard = {
      ...{ lid: 0, outstandingReads: 255, qpn: 0xffffff, psn: 0xffffff, rkey: 0xffffffff },
      ...{ remoteAddress: 0xffff_ffff_ffff_ffffn, address: 'fd77::2' },
    };
    expect(decodePerftestLine(encodePerftestLine(card))).toEqual(card);
    expect(decodePerftestStructure(encodePerftestStructure(card))).toEqual(card);
  });
});

describe('what is no card is refused with an explanation', () => {
  const wrong: [string, () => unknown][] = [
    ['another protocol', () => decodePingpongCard(bytes(`HTTP/1.1 400 Bad Request\r\n${' '.repeat(26)}`))],
    ['perftest as pingpong', () => decodePingpongCard(bytes('0000:0080:00002a:e3162a:00000cbf:000055ef03b70000:00'))],
    ['a sign', () => decodePerftestLine(bytes(`0000:-080:${'0'.repeat(98)}`))],
    ['no zero byte', () => decodePingpongCard(bytes(`0000:000000:000000:${'0'.repeat(33)}`))],
    ['too short a structure', () => decodePerftestStructure(new Uint8Array(55))],
    ['no address', () => encodePingpongCard({ qpn: 1, psn: 1, address: 'here' })],
  ];
  it.each(wrong)('%s', (_, call) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(isVerbsError(thrown)).toBe(true);
  });
});
