/** RoCEv2 from the BTH to the ICRC. Which headers an opcode has says the table; what is in them, their declarations. */
import type { Dissection } from '../dissection.ts';
import type { AnyHeader } from '../header.ts';
import { isNamed, nameOf } from '../names.ts';
import { BTH_BYTES, Bth } from './bth.ts';
import { Aeth, AethAck, AethNak, AethRnr, Deth, ROCE_EXTENSIONS } from './extended.ts';
import { ICRC_BYTES, IcrcTrailer, icrcOfIpPacket, readIcrc } from './icrc.ts';
import { GSI_QP, MAD_BYTES } from './mad.ts';
import { dissectMad } from './mad-dissector.ts';
import { type RoceExtension, RoceOpcode, type RoceOpcodeInfo, roceOpcode } from './opcodes.ts';
import { AethKind, RoceNak } from './syndrome.ts';

/**
 * A RoCEv2 packet of an IP packet: like `dissectRocePacket`, and checks the ICRC at the end.
 *
 * @param ip - where the IP header begins
 * @param at - where the BTH begins, right behind UDP
 */
export function dissectRoceDatagram(d: Dissection, ip: number, at: number, end: number): void {
  const isCut = d.problems.some(({ field }) => LENGTHS.has(field));
  if (isCut || end - at < BTH_BYTES + ICRC_BYTES) {
    dissectRocePacket(d, at, end);
    if (isCut) d.note(end, 'ICRC', 'the packet is not whole, so its ICRC was not checked');
    else d.problem(end, 'ICRC', 'the packet has no room for it');
    return;
  }
  const last = end - ICRC_BYTES;
  dissectRocePacket(d, at, last);
  d.add('ICRC', IcrcTrailer, last, end);
  const right = icrcOfIpPacket(d.bytes.subarray(ip, last), at - ip);
  if (right !== readIcrc(d.bytes, last)) {
    d.problem(last, 'ICRC', `is wrong, 0x${hex32(swapped(right))} would be right`);
  }
}

/** A RoCEv2 packet from its BTH to `end`, without ICRC. */
export function dissectRocePacket(d: Dissection, at: number, end: number): void {
  const { view } = d;
  let upper = d.add(ROCE, Bth, at, end);
  if (upper < 0) return;
  const version = Bth.version.get(view, at);
  if (version !== 0) d.problem(at + 1, 'BTH.version', `version ${version} is not known`);
  const opcode = Bth.opcode.get(view, at);
  const row = roceOpcode(opcode);
  if (row === undefined) {
    d.problem(at, 'BTH.opcode', `opcode 0x${opcode.toString(16).padStart(2, '0')} is not known`);
    d.payload(upper, end);
    return;
  }
  if (opcode === RoceOpcode.CNP && Bth.becn.get(view, at) === 0) {
    d.problem(at + 4, 'BTH.becn', 'is 0 in a congestion notification');
  }
  for (const name of row.extensions) {
    const start = upper;
    upper = d.add(ROCE, extension(d, name, start, end), start, end);
    if (upper < 0) return;
    if (name === 'AETH') syndrome(d, start);
  }
  content(d, row, at, upper, end);
}

/** Payload, padding, and what is in a management datagram. */
function content(d: Dissection, row: RoceOpcodeInfo, at: number, upper: number, end: number): void {
  const padCount = Bth.padCount.get(d.view, at);
  if (!row.payload) {
    if (end > upper) d.problem(upper, ROCE, `${end - upper} bytes follow ${nameOf(RoceOpcode, row.opcode)}`);
    else if (padCount !== 0) d.problem(at + 1, 'BTH.padCount', `is ${padCount} without payload`);
    d.payload(upper, end);
    return;
  }
  const last = end - padCount;
  if (last < upper) {
    d.problem(at + 1, 'BTH.padCount', `is ${padCount}, but ${end - upper} bytes follow the headers`);
    d.payload(upper, end);
    return;
  }
  if (((end - at) & 3) !== 0) d.problem(upper, ROCE, `${end - upper} bytes of payload and padding are not whole words`);
  const isPart = row.position === 'first' || row.position === 'middle';
  if (isPart && padCount !== 0) d.problem(at + 1, 'BTH.padCount', `is ${padCount} before the last packet of a message`);
  if (isManagement(d, row, at) && last - upper === MAD_BYTES) dissectMad(d, upper, last);
  else d.payload(upper, last);
}

function isManagement({ view }: Dissection, { opcode }: RoceOpcodeInfo, at: number): boolean {
  return (
    opcode === RoceOpcode.UD_SEND_ONLY &&
    Bth.destQp.get(view, at) === GSI_QP &&
    Deth.sourceQp.get(view, at + BTH_BYTES) === GSI_QP
  );
}

/** An AETH is shown in the form that fits its kind. */
function extension({ view }: Dissection, name: RoceExtension, at: number, end: number): AnyHeader {
  if (name !== 'AETH' || end <= at) return ROCE_EXTENSIONS[name];
  switch (Aeth.kind.get(view, at)) {
    case AethKind.ACK:
      return AethAck;
    case AethKind.RNR_NAK:
      return AethRnr;
    case AethKind.NAK:
      return AethNak;
    default:
      return Aeth;
  }
}

function syndrome(d: Dissection, at: number): void {
  const kind = Aeth.kind.get(d.view, at);
  const value = Aeth.value.get(d.view, at);
  if (kind === AethKind.RESERVED) d.problem(at, 'AETH.kind', 'is a reserved value');
  else if (kind === AethKind.NAK && !isNamed(RoceNak, value)) d.problem(at, 'AETH.reason', `${value} is reserved`);
}

/** As the number looks in the packet, which is how dumps show it. */
function swapped(value: number): number {
  return ((value & 255) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

const ROCE = 'RoCEv2';
/** A problem with one of these says that the packet is not all there. */
const LENGTHS: ReadonlySet<string> = new Set(['IPv4.totalLength', 'IPv6.payloadLength', 'UDP.length']);
