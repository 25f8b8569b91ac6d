/**
 * Rules for every packet of a reliable connection that a RoCEv2 engine sends: no PSN carries two things, packets have the
 * sizes that their place demands, nothing runs ahead of the window, and nothing is acknowledged that was never asked.
 */
import type { SentPacket } from '@verbena/core/testing';
import { Bth, byteLength, Reth, ROCE_HEADER_BYTES, RoceOpcode, roceOpcode } from '@verbena/core/wire';

/** One direction of a connection, from when it was connected last. */
interface Flow {
  /** Own number, of the queue pair that sends the requests. */
  readonly qpn: number;
  readonly mtu: number;
  /** What each PSN carried first, without the bit that asks for an acknowledgement. */
  readonly carried: Map<number, string>;
  /** Highest PSN that is spoken for, those of READ responses included. */
  last: number;
  /** Highest PSN that the peer has answered; -1 before the first answer. */
  answered: number;
}

/** @returns the inspector of one run */
export function roceInspector(): (packet: SentPacket) => string | undefined {
  const flows = new Map<string, Flow>();
  return (packet) => {
    const { to, bytes, length } = packet;
    if (length < byteLength(Bth)) return `${length} bytes, which is no packet`;
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    const opcode = Bth.opcode.get(view, 0);
    const row = roceOpcode(opcode);
    const what = `${name(opcode)} of PSN 0x${Bth.psn.get(view, 0).toString(16)}`;
    if (row === undefined) return `opcode 0x${opcode.toString(16)}, which is reserved`;
    if (Bth.version.get(view, 0) !== 0) return `${what} of version ${Bth.version.get(view, 0)}`;
    if (row.service !== 0) return undefined;
    const destination = Bth.destQp.get(view, 0);
    const psn = Bth.psn.get(view, 0);
    if (row.operation.includes('response') || row.operation.includes('acknowledge')) {
      const asked = flows.get(`${to} ${destination}`);
      return wrongSize(view, length, asked?.mtu ?? 0) ?? answered(asked, psn, what);
    }
    const flow = flowOf(flows, packet, destination, psn);
    if (flow === undefined) return `${what} for a queue pair that it is not connected with`;
    return wrongSize(view, length, flow.mtu) ?? requested(flow, view, length, psn, what);
  };
}

function requested(flow: Flow, view: DataView, length: number, psn: number, what: string): string | undefined {
  const isRead = Bth.opcode.get(view, 0) === RoceOpcode.RC_READ_REQUEST;
  const content = isRead ? 'READ' : contentOf(view, length);
  const before = flow.carried.get(psn);
  // what was read up to here is not asked for again, so a READ may begin later than it did
  if (before !== undefined && before !== content) return `${what}, which carried something else before`;
  flow.carried.set(psn, content);
  flow.carried.delete((psn - KEPT) & MASK);
  const packets = isRead ? Math.max(1, Math.ceil(Reth.dmaLength.get(view, 12) / flow.mtu)) : 1;
  const end = (psn + packets - 1) & MASK;
  if (ahead(end, flow.last) > 0) flow.last = end;
  if (flow.answered >= 0 && ahead(psn, flow.answered) > MAX_AHEAD) {
    return `${what}, ${ahead(psn, flow.answered)} ahead of what is answered`;
  }
  return undefined;
}

function answered(flow: Flow | undefined, psn: number, what: string): string | undefined {
  // an answer to what was asked before the connection was made anew
  if (flow === undefined || Math.abs(ahead(psn, flow.last)) > NEW_CONNECTION) return undefined;
  if (ahead(psn, flow.last) > 0) return `${what}, which nobody has asked for`;
  if (flow.answered < 0 || ahead(psn, flow.answered) > 0) flow.answered = psn;
  return undefined;
}

/** A packet that is not the last of its message is full, and only the last one is padded. */
function wrongSize(view: DataView, length: number, mtu: number): string | undefined {
  const row = roceOpcode(Bth.opcode.get(view, 0))!;
  const payload = length - ROCE_HEADER_BYTES[row.opcode]!;
  const padding = Bth.padCount.get(view, 0);
  const what = `${name(row.opcode)} with ${payload} bytes behind its headers`;
  if (payload < 0 || payload % 4 !== 0) return `${what}, which are no words`;
  if (!row.payload && payload > 0) return `${what}, where it has none`;
  if (padding > payload) return `${what}, ${padding} of them padding`;
  if (mtu > 0 && payload - padding > mtu) return `${what}, more than the path MTU of ${mtu}`;
  const isFull = row.position === 'first' || row.position === 'middle';
  if (mtu > 0 && isFull && (payload !== mtu || padding !== 0))
    return `${what} (MTU ${mtu}): ${row.position}, and not full`;
  return undefined;
}

function flowOf(flows: Map<string, Flow>, packet: SentPacket, destination: number, psn: number): Flow | undefined {
  const { from, engine } = packet;
  const key = `${from} to ${packet.to} ${destination}`;
  let flow = flows.get(key);
  if (flow === undefined || Math.abs(ahead(psn, flow.last)) > NEW_CONNECTION) {
    const row = engine.connections?.().find((one) => one['remote_id'] === destination);
    if (row === undefined) return undefined;
    const [qpn, mtu] = [Number(row['id']), Number(row['mtu'])];
    flow = { qpn, mtu, carried: new Map(), last: (psn - 1) & MASK, answered: -1 };
    flows.set(key, flow);
    flows.set(`${from} ${qpn}`, flow); // where its answers are sent to
  }
  return flow;
}

/** The bytes without the bit that asks for an acknowledgement. */
function contentOf(view: DataView, length: number): string {
  let hash = 0;
  for (let i = 0; i < length; i++)
    hash = Math.imul(hash ^ (i === 8 ? view.getUint8(i) & 0x7f : view.getUint8(i)), 0x01000193);
  return `${view.getUint8(0)} ${length} ${hash >>> 0}`;
}

const name = (opcode: number): string =>
  Object.entries(RoceOpcode).find(([, value]) => value === opcode)?.[0] ?? `0x${opcode.toString(16)}`;

/** How far a PSN is ahead of another one; negative behind it. */
const ahead = (psn: number, other: number): number => (((psn - other) & MASK) << 8) >> 8;

const MASK = 0xff_ffff;
/** PSNs whose content is remembered. */
const KEPT = 4096;
/** Packets that may be under way by default. */
const MAX_AHEAD = 512;
/** A jump as wide as this is another connection of the same queue pairs. */
const NEW_CONNECTION = 0x1_0000;
