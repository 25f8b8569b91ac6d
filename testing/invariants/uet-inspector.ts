/** Rules for every UET packet that an engine sends: no PSN carries two things, and nothing runs ahead of the window. */
import type { SentPacket } from '@verbena/core/testing';
import { Ack, byteLength, PdsRequest, PdsRequestSyn, PdsType } from '@verbena/core/wire';

const { type, retx, syn, psn, spdcid } = PdsRequest;
const { psnOffset } = PdsRequestSyn;

interface Flow {
  /** First PSN, as its SYN packets say; -1 before one was seen. */
  start: number;
  readonly used: Set<number>;
  /** It began elsewhere, was told another first PSN, and sends what it had sent there again. */
  readonly moved: boolean;
  acknowledged: number;
}

/** @returns the inspector of one run */
export function uetInspector(): (packet: SentPacket) => string | undefined {
  const flows = new Map<number, Flow>();
  return ({ from, to, bytes, length }) => {
    if (length < byteLength(PdsRequest)) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    const kind = type.get(view, 0);
    if (ACKS.has(kind)) {
      const flow = flows.get(to * 0x1_0000 + Ack.dpdcid.get(view, 0));
      const acknowledged = Ack.cackPsn.get(view, 0);
      if (flow !== undefined && (flow.acknowledged < 0 || ((acknowledged - flow.acknowledged) | 0) > 0)) {
        flow.acknowledged = acknowledged;
      }
      return undefined;
    }
    if (!REQUESTS.has(kind)) return undefined;
    const id = from * 0x1_0000 + spdcid.get(view, 0);
    const number = psn.get(view, 0);
    const start = syn.get(view, 0) === 1 ? (number - psnOffset.get(view, 0)) >>> 0 : -1;
    let flow = flows.get(id);
    if (flow === undefined || (start >= 0 && flow.start !== start)) {
      const moved = flow !== undefined && flow.acknowledged < 0;
      flow = { start, used: new Set(), moved, acknowledged: -1 };
      flows.set(id, flow);
    }
    const isNew = !flow.used.has(number);
    flow.used.add(number);
    const name = `PSN 0x${number.toString(16)} of context 0x${(id & 0xffff).toString(16)}`;
    if (retx.get(view, 0) === 0 && !isNew) return `${name} for a second new packet`;
    if (retx.get(view, 0) === 1 && isNew && !flow.moved) return `${name} as a retransmission of what was never sent`;
    if (flow.acknowledged >= 0 && ((number - flow.acknowledged) | 0) > MAX_RANGE) {
      return `${name}, ${(number - flow.acknowledged) | 0} ahead of what is acknowledged`;
    }
    return undefined;
  };
}

const REQUESTS: ReadonlySet<number> = new Set([
  PdsType.RUD_REQ,
  PdsType.ROD_REQ,
  PdsType.RUD_CC_REQ,
  PdsType.ROD_CC_REQ,
]);
const ACKS: ReadonlySet<number> = new Set([PdsType.ACK, PdsType.ACK_CC, PdsType.ACK_CCX]);
/** Packets that a peer tracks by default: MPR of 8 units of 128. */
const MAX_RANGE = 1024;
