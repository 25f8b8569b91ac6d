import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  emit,
  LinkType,
  NextHeader,
  PdsRequestSyn,
  PdsType,
  pcapngInterface,
  pcapngPacket,
  pcapngSection,
  RequestStd,
  SesOpcode,
} from '@verbena/core/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonLines, verbena } from '../process-rig.testdata.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'verbena-decode-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The first packet of a write of 8 bytes, from the PDS prologue on. */
function writePacket(type: number = PdsType.RUD_REQ): Uint8Array {
  const bytes = new Uint8Array(200);
  const view = new DataView(bytes.buffer);
  const pds = { type, nextHeader: NextHeader.REQUEST_STD, syn: 1, psn: 0x1234, spdcid: 7 };
  let at = emit(PdsRequestSyn, view, 0, pds);
  at = emit(RequestStd, view, at, {
    opcode: SesOpcode.WRITE,
    som: 1,
    eom: 1,
    messageId: 5,
    jobId: 9,
    requestLength: 8,
  });
  return bytes.slice(0, at + 8);
}

function captureOf(...packets: Uint8Array[]): Uint8Array {
  const about = { linkType: LinkType.RAW };
  const frames = packets.map((data, i) =>
    pcapngPacket({ timestampNs: 1_000_000_000n + BigInt(i), data, direction: 'out' }),
  );
  return Buffer.concat([pcapngSection({}), pcapngInterface(about), ...frames]);
}

/** The packet behind IPv4 and UDP; the IP checksum is left out, as loopback captures have it. */
function framed(packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(28 + packet.length);
  const view = new DataView(frame.buffer);
  frame.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2]);
  view.setUint16(2, frame.length);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += view.getUint16(i);
  view.setUint16(10, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  view.setUint16(20, 50_000);
  view.setUint16(22, 4793);
  view.setUint16(24, 8 + packet.length);
  frame.set(packet, 28);
  return frame;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const decode = (input: string | Uint8Array, ...words: string[]) => verbena(['decode', '-', ...words], { stdin: input });

describe('decode', () => {
  it('explains hexadecimal text field by field', async () => {
    const { status, stdout, stderr } = await decode(`# a write\n${hex(writePacket())}`);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toMatch(/frame 1: 64 bytes/);
    expect(stdout).toMatch(/PDS request, SYN \(uet:pds\/2\.5\), 12 bytes at 0/);
    expect(stdout).toMatch(/0004 {2}00 00 12 34 +psn = 4660 \(0x00001234\)/);
    expect(stdout).toMatch(/opcode = 1 \(WRITE\)/);
    expect(stdout).toMatch(/payload, 8 bytes/);
  });

  it('prints JSON with fixed keys, guesses IP, and names the layers', async () => {
    const { status, stdout } = await decode(hex(framed(writePacket())), '--json');
    expect(status).toBe(0);
    const [packet] = jsonLines(stdout);
    expect(packet).toMatchObject({
      frame: 1,
      protocols: ['IPv4', 'UDP', 'UET-PDS', 'UET-SES'],
      problems: [],
      fields: { IPv4: { source: '127.0.0.1' }, UDP: { destinationPort: 4793 }, 'PDS request, SYN': { psn: 0x1234 } },
    });
  });

  it('reads pcapng, picks frames and summarizes', async () => {
    const file = join(folder, 'three.pcapng');
    writeFileSync(file, captureOf(framed(writePacket()), framed(writePacket(PdsType.ROD_REQ)), framed(writePacket())));
    const { status, stdout } = await verbena(['decode', file, '--summary', '--frame', '2-3']);
    expect(status).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^ *2 +00:00:01\.000000001 +127\.0\.0\.1 > 127\.0\.0\.2 +ROD_REQ SYN psn 0x00001234 WRITE of 8 B \+8 B/,
    );
    const missing = await verbena(['decode', file, '--frame', '9']);
    expect(missing.status).toBe(1);
    expect(missing.stderr).toMatch(/no frame 9/);
  });

  it('malformed packets: status 1, frame, byte and field on stderr', async () => {
    const cut = writePacket().slice(0, 30);
    const { status, stdout, stderr } = await decode(`${hex(writePacket())}\n\n${hex(cut)}`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/frame 2 is malformed at byte 12, UET-SES: SES request needs 44 bytes, 18 are there/);
    expect(stdout).toMatch(/problem {2}at byte 12/);
  });

  it('a damaged capture: what is before the damage, then why', async () => {
    const capture = captureOf(framed(writePacket()), framed(writePacket()));
    const { status, stdout, stderr } = await decode(capture.subarray(0, capture.length - 10), '--summary');
    expect(status).toBe(1);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/damaged behind frame 1/);
  });

  it.each([
    ['', /empty/],
    ['zz', /line 1: 'z'/],
    ['1', /middle of a byte/],
    [new Uint8Array([0, 1, 2, 3, 255, 254]), /neither pcap/],
  ])('input %j is bad input', async (input, message) => {
    const { status, stderr } = await decode(input);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('a file that is not there', async () => {
    const { status, stderr } = await verbena(['decode', join(folder, 'nope')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/there is no such file/);
  });
});
