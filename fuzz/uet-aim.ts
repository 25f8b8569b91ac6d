/**
 * Aims at a delivery context of the receiver: identifiers, numbers and mode of the packet become those of the context,
 * so that it gets as far as the semantic header. That, in turn, is aimed at a queue pair and at memory that are there.
 */
import type { Engine, SeededRandom } from '@verbena/core';
import type { CaptureBed } from '@verbena/core/testing';
import {
  Ack,
  byteLength,
  ControlPacket,
  Nack,
  NextHeader,
  PdsRequest,
  PdsType,
  pdsLength,
  RequestStd,
  SesOpcode,
} from '@verbena/core/wire';
import type { Aim } from './aim.ts';

interface Context {
  readonly id: number;
  readonly remote_id: number;
  readonly mode: string;
  readonly tx_base: number;
  readonly rx_cack: number;
}

/** What packets to one device can name: where they go, and which memory. */
interface Names {
  readonly targets: { readonly pid: number; readonly resource: number; readonly job: number }[];
  readonly keys: bigint[];
}

export function uetAim({ packets }: CaptureBed): Aim {
  const names: readonly Names[] = [0, 1].map(() => ({ targets: [], keys: [] }));
  for (const { to, bytes } of packets) learn(names[to]!, bytes);
  return (bytes, to, receiver, random) => {
    if (bytes.length < byteLength(Ack)) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const type = view.getUint8(0) >>> 3;
    const context = choose(type, view, receiver, random);
    if (context === undefined) return;
    const beside = random.chance(0.7) ? 0 : random.below(8) - 4;
    if (REQUESTS.has(type)) {
      // one that opens a context has no place yet
      if (PdsRequest.syn.get(view, 0) === 1 && random.chance(0.5)) return;
      PdsRequest.syn.set(view, 0, 0);
      PdsRequest.type.set(view, 0, typeFor(type, context.mode));
      PdsRequest.psn.set(view, 0, (context.rx_cack + 1 + beside) >>> 0);
      PdsRequest.spdcid.set(view, 0, context.remote_id);
      PdsRequest.dpdcid.set(view, 0, context.id);
      const at = pdsLength(type);
      if (at + byteLength(RequestStd) <= bytes.length) aimRequest(view, at, names[to]!, random);
    } else if (ACKS.has(type)) {
      Ack.cackPsn.set(view, 0, (context.tx_base - 1 + beside) >>> 0);
      Ack.spdcid.set(view, 0, context.remote_id);
      Ack.dpdcid.set(view, 0, context.id);
    } else if (type === PdsType.NACK || type === PdsType.NACK_CCX) {
      Nack.nackPsn.set(view, 0, (context.tx_base + beside) >>> 0);
      Nack.spdcid.set(view, 0, context.remote_id);
      Nack.dpdcid.set(view, 0, context.id);
    } else if (type === PdsType.CP) {
      const base = random.chance(0.5) ? context.tx_base : context.rx_cack;
      ControlPacket.psn.set(view, 0, (base + beside) >>> 0);
      ControlPacket.spdcid.set(view, 0, context.remote_id);
      ControlPacket.dpdcid.set(view, 0, context.id);
    }
  };
}

/** The context that the packet names; else one of those that there are. */
function choose(type: number, view: DataView, receiver: Engine, random: SeededRandom): Context | undefined {
  const rows = receiver.connections?.() as unknown as readonly Context[] | undefined;
  if (rows === undefined || rows.length === 0) return undefined;
  const field = REQUESTS.has(type) ? PdsRequest.dpdcid : type === PdsType.NACK ? Nack.dpdcid : Ack.dpdcid;
  const named = rows.find(({ id }) => id === field.get(view, 0));
  return named !== undefined && random.chance(0.8) ? named : rows[random.below(rows.length)];
}

function aimRequest(view: DataView, at: number, { targets, keys }: Names, random: SeededRandom): void {
  const next = PdsRequest.nextHeader.get(view, 0);
  if (next < NextHeader.REQUEST_SMALL || next > NextHeader.REQUEST_STD || random.chance(0.5)) return;
  const target = targets[random.below(targets.length)];
  if (target === undefined) return;
  // all forms of requests have these at the same place
  RequestStd.jobId.set(view, at, target.job);
  RequestStd.pidOnFep.set(view, at, target.pid);
  RequestStd.riGeneration.set(view, at, 0);
  RequestStd.resourceIndex.set(view, at, target.resource);
  const opcode = RequestStd.opcode.get(view, at);
  if (next === NextHeader.REQUEST_SMALL || !MEMORY.has(opcode) || keys.length === 0) return;
  RequestStd.memoryKey.setBig(view, at, keys[random.below(keys.length)]!);
}

function learn({ targets, keys }: Names, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = bytes.length < 2 ? 0 : view.getUint8(0) >>> 3;
  const at = pdsLength(type);
  if (!REQUESTS.has(type) || bytes.length < at + byteLength(RequestStd)) return;
  const next = PdsRequest.nextHeader.get(view, 0);
  if (next !== NextHeader.REQUEST_STD && next !== NextHeader.REQUEST_MEDIUM) return;
  const pid = RequestStd.pidOnFep.get(view, at);
  const resource = RequestStd.resourceIndex.get(view, at);
  const job = RequestStd.jobId.get(view, at);
  if (!targets.some((one) => one.pid === pid && one.resource === resource)) targets.push({ pid, resource, job });
  if (!MEMORY.has(RequestStd.opcode.get(view, at))) return;
  const key = RequestStd.memoryKey.big(view, at);
  if (!keys.includes(key)) keys.push(key);
}

/** The request type of the same form that a context of this mode takes. */
function typeFor(type: number, mode: string): number {
  const hasCredit = type === PdsType.RUD_CC_REQ || type === PdsType.ROD_CC_REQ;
  if (mode === 'rod') return hasCredit ? PdsType.ROD_CC_REQ : PdsType.ROD_REQ;
  return hasCredit ? PdsType.RUD_CC_REQ : PdsType.RUD_REQ;
}

const REQUESTS: ReadonlySet<number> = new Set([
  PdsType.RUD_REQ,
  PdsType.ROD_REQ,
  PdsType.RUD_CC_REQ,
  PdsType.ROD_CC_REQ,
]);
const ACKS: ReadonlySet<number> = new Set([PdsType.ACK, PdsType.ACK_CC, PdsType.ACK_CCX]);
const MEMORY: ReadonlySet<number> = new Set([
  SesOpcode.WRITE,
  SesOpcode.READ,
  SesOpcode.ATOMIC,
  SesOpcode.FETCHING_ATOMIC,
]);
