/** Packets of Linux Soft-RoCE (testing/captures/roce): dissection, ICRC, and the same bytes from the fields. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { addressFromIpv4 } from '../../base/ip-address.ts';
import type { Dissected } from '../dissection.ts';
import { dissectFrame } from '../dissector.ts';
import { type AnyHeader, describe as describeHeader } from '../header.ts';
import { Ipv4 } from '../ip/ipv4.ts';
import { Udp } from '../ip/udp.ts';
import { readCapture } from '../pcap.ts';
import { emit, extract, type HeaderValues } from '../record.ts';
import {
  ICRC_BYTES,
  type IcrcDatagram,
  icrcMatches,
  icrcOf,
  identificationOf,
  readIcrc,
  UNKNOWN_IDENTIFICATION,
} from './icrc.ts';
import * as roce from './index.ts';

const FOLDER = fileURLToPath(new URL('../../../../../testing/captures/roce/', import.meta.url));

/** What stands in each packet behind UDP, and how much payload. */
const EXPECTED: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  'rc-send': [
    ['RC_SEND_FIRST', 1024],
    ['RC_SEND_MIDDLE', 1024],
    ['RC_SEND_LAST', 953],
    ['RC_ACKNOWLEDGE / AETH, ACK', 0],
  ],
  'rc-write': [
    ['RC_WRITE_FIRST / RETH', 1024],
    ['RC_WRITE_MIDDLE', 1024],
    ['RC_WRITE_LAST', 953],
    ['RC_ACKNOWLEDGE / AETH, ACK', 0],
  ],
  'rc-read': [
    ['RC_READ_REQUEST / RETH', 0],
    ['RC_READ_RESPONSE_FIRST / AETH, ACK', 1024],
    ['RC_READ_RESPONSE_MIDDLE', 1024],
    ['RC_READ_RESPONSE_LAST / AETH, ACK', 953],
  ],
  'rc-atomics': [
    ['RC_COMPARE_SWAP / AtomicETH', 0],
    ['RC_ATOMIC_ACKNOWLEDGE / AETH, ACK / AtomicAckETH', 0],
    ['RC_FETCH_ADD / AtomicETH', 0],
    ['RC_ATOMIC_ACKNOWLEDGE / AETH, ACK / AtomicAckETH', 0],
  ],
  'uc-send-write': [
    ['UC_SEND_FIRST', 1024],
    ['UC_SEND_MIDDLE', 1024],
    ['UC_SEND_LAST', 953],
    ['UC_WRITE_ONLY / RETH', 64],
  ],
  'ud-send': [
    ['UD_SEND_ONLY / DETH', 1000],
    ['UD_SEND_ONLY_IMMEDIATE / DETH / ImmDt', 200],
  ],
  'cm-connection': [
    ['UD_SEND_ONLY / DETH / MAD, CM / CM REQ / IP CM private data', 56],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM REP', 196],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM RTU', 224],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM DREQ', 220],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM DREP', 224],
  ],
  'cm-refusal': [
    ['UD_SEND_ONLY / DETH / MAD, CM / CM REQ / IP CM private data', 56],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM REJ', 148],
  ],
  'cm-datagrams': [
    ['UD_SEND_ONLY / DETH / MAD, CM / CM SIDR_REQ / IP CM private data', 180],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM SIDR_REP', 136],
  ],
  'ipv6-connection': [
    ['UD_SEND_ONLY / DETH / MAD, CM / CM REQ / IP CM private data', 56],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM REP', 196],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM RTU', 224],
    ['RC_SEND_ONLY', 16],
    ['RC_READ_REQUEST / RETH', 0],
    ['RC_READ_RESPONSE_ONLY / AETH, ACK', 100],
    ['RC_WRITE_ONLY / RETH', 100],
    ['RC_ACKNOWLEDGE / AETH, ACK', 0],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM DREQ', 220],
    ['UD_SEND_ONLY / DETH / MAD, CM / CM DREP', 224],
  ],
  'rnr-nak': [['RC_ACKNOWLEDGE / AETH, RNR NAK', 0]],
  'sequence-nak': [
    ['RC_READ_REQUEST / RETH', 0],
    ['RC_ACKNOWLEDGE / AETH, NAK', 0],
  ],
};

const captures = Object.keys(EXPECTED).map((name) => {
  const frames = [...readCapture(new Uint8Array(readFileSync(`${FOLDER}${name}.pcap`)))];
  return { name, frames };
});

it('every committed capture is looked at', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.pcap'));
  expect(files.sort()).toEqual(captures.map(({ name }) => `${name}.pcap`).sort());
});

describe.each(captures)('Linux Soft-RoCE, $name', ({ name, frames }) => {
  it('is dissected without a problem, its ICRCs included (IBTA annex A17)', () => {
    const found = frames.map(({ data, linkType }) => dissectFrame(data, linkType));
    expect(found.map(outline)).toEqual(EXPECTED[name]);
    expect(found.flatMap(({ problems, notes }) => [...problems, ...notes])).toEqual([]);
    expect(new Set(found.map(({ protocols }) => protocols.at(-1)))).toEqual(new Set(['ICRC']));
  });

  it('has the bytes that its fields make: no reserved bit is set, none is lost (IBTA vol. 1 §9.2, §9.3)', () => {
    for (const { data, linkType } of frames) {
      for (const { header, offset, length } of layers(dissectFrame(data, linkType))) {
        const declared = DECLARED.get(header)!;
        const values = extract(declared, viewOf(data), offset) as HeaderValues<AnyHeader>;
        const made = new Uint8Array(length).fill(0xa5);
        emit(declared, viewOf(made), 0, values);
        expect([header, ...made]).toEqual([header, ...data.subarray(offset, offset + length)]);
      }
    }
  });

  it('has ICRCs that a receiver behind a UDP socket can check (IBTA annex A17)', () => {
    for (const { data } of frames) {
      const { datagram, identification, at } = received(data);
      const covered = datagram.length - ICRC_BYTES;
      const icrc = icrcOf(datagram, data, at, covered);
      expect(icrcMatches(icrc, datagram, data, at + covered, covered)).toBe(true);
      if (identification === undefined) expect(icrc).toBe(readIcrc(data, at + covered));
      else expect(identificationOf(readIcrc(data, at + covered), icrc, covered)).toBe(identification);
    }
  });

  it('is reported as damaged when any bit behind UDP is wrong', () => {
    for (const { data, linkType } of frames) {
      const { at, datagram } = received(data);
      const step = datagram.length > 200 ? 61 : 1;
      for (let bit = at * 8; bit < (at + datagram.length) * 8; bit += step) {
        if (bit >> 3 === at + MARKS_AT) continue;
        const damaged = data.slice();
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        const fields = dissectFrame(damaged, linkType).problems.map(({ field }) => field);
        expect([bit, fields.includes('ICRC')]).toEqual([bit, true]);
      }
    }
  });
});

function outline(found: Dissected): readonly [string, number] {
  const names = layers(found).map(({ header, fields }) => (header === 'BTH' ? fields[0]!.text : header));
  return [names.slice(0, -1).join(' / '), found.payloadLength];
}

function layers({ layers: all }: Dissected): Dissected['layers'] {
  return all.filter(({ header }) => DECLARED.has(header));
}

/** What a program sees of a packet that a UDP socket gave it, and what it does not. */
function received(frame: Uint8Array): { datagram: IcrcDatagram; identification: number | undefined; at: number } {
  const view = viewOf(frame);
  const v4 = frame[14]! >> 4 === 4;
  const udp = v4 ? 34 : 54;
  const [source, destination] = v4
    ? [addressFromIpv4(frame.subarray(26, 30)), addressFromIpv4(frame.subarray(30, 34))]
    : [frame.slice(22, 38), frame.slice(38, 54)];
  const datagram = {
    source,
    destination,
    sourcePort: Udp.sourcePort.get(view, udp),
    destinationPort: Udp.destinationPort.get(view, udp),
    length: Udp.length.get(view, udp) - 8,
    identification: UNKNOWN_IDENTIFICATION,
  };
  return { datagram, identification: v4 ? Ipv4.identification.get(view, 14) : undefined, at: udp + 8 };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const MARKS_AT = 4;
const DECLARED: ReadonlyMap<string, AnyHeader> = new Map(
  Object.values(roce).flatMap((value): [string, AnyHeader][] => {
    try {
      return [[describeHeader(value as AnyHeader).name, value as AnyHeader]];
    } catch {
      return [];
    }
  }),
);
