/** Random bytes for everything that reads bytes of strangers: dissectors, capture readers, text. */
import { parseAddress, SeededRandom } from '@verbena/core';
import {
  byteLength,
  CaptureError,
  type Dissected,
  dissectFrame,
  dissectRoce,
  dissectUet,
  EntropyHeader,
  LinkType,
  pcapngInterface,
  pcapngPacket,
  pcapngSection,
  readCapture,
  UET_IP_PROTOCOL,
} from '@verbena/core/wire';
import { type FuzzOptions, type FuzzReport, goesOn, hexOf, MAX_FAILURES } from '../fuzz-run.ts';
import { mutate } from '../mutator.ts';

export function fuzzParsers(options: FuzzOptions & { readonly packets: readonly Uint8Array[] }): FuzzReport {
  const random = new SeededRandom(options.seed);
  const frames = [...options.packets.flatMap(framesOf), ...(options.corpus ?? [])];
  const captures = [captureOf(frames), pcapOf(frames)];
  const failures: string[] = [];
  const facts = { frames: 0, layers: 0, problems: 0, refusedFiles: 0, readFrames: 0, addresses: 0 };
  const count = (found: Dissected) => {
    facts.frames++;
    facts.layers += found.layers.length;
    facts.problems += found.problems.length;
  };
  let inputs = 0;
  for (; goesOn(options, inputs) && failures.length < MAX_FAILURES; inputs++) {
    const frame = mutate(random, frames[random.below(frames.length)]!, frames);
    let what = 'dissectUet';
    let input = frame;
    try {
      count(dissectUet(frame, random.chance(0.9) ? 0 : random.below(frame.length + 9) - 4));
      what = 'dissectRoce';
      count(dissectRoce(frame));
      what = 'dissectFrame';
      count(dissectFrame(frame, LINKS[random.below(LINKS.length)]!, { encrypted: random.chance(0.5) }));
      what = 'parseAddress';
      if (parseAddress(textOf(random)) !== undefined) facts.addresses++;
      if (inputs % 4 !== 0) continue;
      what = 'readCapture';
      input = mutate(random, captures[random.below(captures.length)]!, captures);
      for (const one of readCapture(input)) {
        facts.readFrames++;
        if (one.data.byteOffset < input.byteOffset || one.data.length > input.length)
          throw new Error('beyond the file');
        count(dissectFrame(one.data, one.linkType));
      }
    } catch (thrown) {
      if (what === 'readCapture' && thrown instanceof CaptureError) facts.refusedFiles++;
      else
        failures.push(`${what}: ${thrown instanceof Error ? thrown.stack : String(thrown)}\n  input ${hexOf(input)}`);
    }
  }
  return { target: 'parsers', inputs, failures, facts };
}

/** A packet alone, and as a frame of IPv4 and of IPv6 for each transport, and directly over IP. */
function framesOf(packet: Uint8Array): Uint8Array[] {
  return [packet, ...UDP_PORTS.flatMap((port) => datagramsOf(packet, port)), ...nativeOf(packet)];
}

function nativeOf(packet: Uint8Array): Uint8Array[] {
  const native = new Uint8Array(byteLength(EntropyHeader) + packet.length);
  EntropyHeader.entropy.set(new DataView(native.buffer), 0, 0xc123);
  native.set(packet, byteLength(EntropyHeader));
  return overIp(native, UET_IP_PROTOCOL);
}

function datagramsOf(packet: Uint8Array, port: number): Uint8Array[] {
  const udp = new Uint8Array(8 + packet.length);
  const view = new DataView(udp.buffer);
  view.setUint16(0, 49_152);
  view.setUint16(2, port);
  view.setUint16(4, udp.length);
  udp.set(packet, 8);
  return overIp(udp, UDP);
}

function overIp(content: Uint8Array, protocol: number): Uint8Array[] {
  const four = new Uint8Array(20 + content.length);
  four.set([0x45, 0, four.length >> 8, four.length & 255, 0, 0, 0x40, 0, 64, protocol]);
  four.set(content, 20);
  const six = new Uint8Array(40 + content.length);
  six.set([0x60, 0, 0, 0, content.length >> 8, content.length & 255, protocol, 64]);
  six.set(content, 40);
  return [four, six];
}

function captureOf(frames: readonly Uint8Array[]): Uint8Array {
  const blocks = [pcapngSection({ application: 'fuzz' }), pcapngInterface({ linkType: LinkType.RAW, name: 'sim0' })];
  for (const [i, data] of frames.slice(0, 12).entries()) {
    blocks.push(pcapngPacket({ interface: 0, timestampNs: BigInt(i) * 1000n, data, comment: `frame ${i}` }));
  }
  return joined(blocks);
}

function pcapOf(frames: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [
    Uint8Array.of(0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0),
  ];
  for (const frame of frames.slice(0, 12)) {
    const head = new DataView(new ArrayBuffer(16));
    head.setUint32(8, frame.length, true);
    head.setUint32(12, frame.length, true);
    parts.push(new Uint8Array(head.buffer), frame);
  }
  return joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function textOf(random: SeededRandom): string {
  const letters = '0123456789abcdefABCDEF::..% []/x';
  return Array.from({ length: random.below(48) }, () => letters[random.below(letters.length)]).join('');
}

const LINKS: readonly number[] = [...Object.values(LinkType), 147];
const UDP = 17;
/** UET and RoCEv2. */
const UDP_PORTS: readonly number[] = [4793, 4791];
