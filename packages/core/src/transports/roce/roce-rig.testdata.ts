/** Two RoCEv2 engines with queue pairs that are connected to each other. */
import { noAttributes, type QueuePairAttributes, type QueuePairConfig } from '../../engine/engine.ts';
import { WorkOpcode } from '../../engine/status.ts';
import type { SendWork } from '../../engine/work.ts';
import { EngineRig, type RigNode } from '../../testing/engine-rig.ts';
import { BTH_BYTES, Bth } from '../../wire/roce/bth.ts';
import { Aeth, AtomicEth, Reth } from '../../wire/roce/extended.ts';
import {
  ROCE_AETH,
  ROCE_FLAGS,
  ROCE_HEADER_BYTES,
  ROCE_IMMEDIATE,
  ROCE_INVALIDATE,
  ROCE_RETH,
  RoceOpcode,
} from '../../wire/roce/opcodes.ts';
import { roce } from './index.ts';

export interface RoceRigOptions {
  readonly type?: 'RC' | 'UC' | 'UD' | 'GSI';
  readonly seed?: number;
  readonly mtu?: number;
  readonly settings?: Record<string, number>;
  readonly attributes?: Partial<QueuePairAttributes>;
  readonly qps?: number;
}

export const FIRST_PSN = 0xff_fff0;

/** Queue pair `n` of one node and queue pair `n` of the other are peers; their numbers are 0x1000 + n. */
export class RoceRig extends EngineRig {
  constructor(options: RoceRigOptions = {}) {
    const { type = 'RC', seed = 1, mtu = 1024, settings = {}, qps = 1 } = options;
    super(roce, { seed, payloadMtu: mtu, settings });
    for (const node of [this.a, this.b]) {
      for (let qp = 1; qp <= qps; qp++) node.addQueuePair(qp, configOf(type, qp, mtu, options.attributes));
    }
  }

  /** Posts a request and rings. */
  post(node: RigNode, fields: Partial<SendWork> & { region?: number; offset?: number; length?: number }, qp = 1): void {
    node.post(qp, { opcode: WorkOpcode.SEND, remoteQpn: 0x1000 + qp, ...fields });
    node.engine.doorbell(this.now, qp);
  }

  /** Moves what is on the way once in each direction. */
  exchange(lose?: (bytes: Uint8Array, to: RigNode) => boolean): void {
    for (const from of [this.a, this.b]) {
      for (const { to, bytes } of this.drain(from)) if (!lose?.(bytes, to)) this.deliver(to, bytes);
    }
  }
}

export function configOf(
  type: string,
  qp: number,
  mtu: number,
  attributes: Partial<QueuePairAttributes> = {},
): Partial<QueuePairConfig> {
  const isConnected = type === 'RC' || type === 'UC';
  return {
    type,
    qpn: type === 'GSI' ? 1 : 0x1000 + qp,
    attributes: {
      ...{
        ...noAttributes(),
        pathMtu: mtu,
        rqPsn: FIRST_PSN,
        sqPsn: FIRST_PSN,
        timeout: 14,
        retryCount: 7,
        rnrRetry: 7,
      },
      ...{ minRnrTimer: 1, maxRdAtomic: 4, maxDestRdAtomic: 4, qkey: 0x1234 },
      ...attributes,
    },
    ...(isConnected ? { peerPath: 1, peerQpn: 0x1000 + qp } : {}),
  };
}

export const pattern = (length: number, salt = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + salt) & 0xff);

/** What a packet says. */
export function readPacket(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opcode = bytes[0]!;
  const hasAeth = (ROCE_FLAGS[opcode]! & ROCE_AETH) !== 0;
  return {
    opcode,
    psn: Bth.psn.get(view, 0),
    destQp: Bth.destQp.get(view, 0),
    ackReq: Bth.ackReq.get(view, 0) === 1,
    ...(hasAeth ? { syndrome: view.getUint8(12), msn: Aeth.msn.get(view, 12) } : {}),
  };
}

export interface Fields {
  readonly opcode: number;
  /** Distance from {@link FIRST_PSN}. */
  readonly psn?: number;
  readonly destQp?: number;
  readonly ackReq?: number;
  readonly pkey?: number;
  readonly solicited?: number;
  readonly version?: number;
  readonly padCount?: number;
  readonly becn?: number;
  readonly address?: number;
  readonly addressHi?: number;
  readonly key?: number;
  readonly length?: number;
  readonly swapAdd?: bigint;
  readonly compare?: bigint;
  readonly syndrome?: number;
  /** Immediate data or key at the end of the headers. */
  readonly extra?: number;
  readonly qkey?: number;
  readonly payload?: Uint8Array;
}

/** A packet with any contents, padded. */
export function makePacket(fields: Fields): Uint8Array {
  const { opcode, psn = 0, destQp = 0x1001, payload = new Uint8Array(0), address = 0, addressHi = 0, key = 0 } = fields;
  const header = Math.max(BTH_BYTES, ROCE_HEADER_BYTES[opcode]!);
  const pad = -payload.length & 3;
  const bytes = new Uint8Array(header + payload.length + pad);
  const view = new DataView(bytes.buffer);
  Bth.opcode.set(view, 0, opcode);
  Bth.solicited.set(view, 0, fields.solicited ?? 0);
  Bth.padCount.set(view, 0, fields.padCount ?? pad);
  Bth.version.set(view, 0, fields.version ?? 0);
  Bth.pkey.set(view, 0, fields.pkey ?? 0xffff);
  Bth.becn.set(view, 0, fields.becn ?? 0);
  Bth.destQp.set(view, 0, destQp);
  Bth.ackReq.set(view, 0, fields.ackReq ?? 0);
  Bth.psn.set(view, 0, FIRST_PSN + psn);
  const flags = ROCE_FLAGS[opcode]!;
  if ((flags & ROCE_RETH) !== 0) {
    Reth.virtualAddress.set(view, 12, addressHi, address);
    Reth.rkey.set(view, 12, key);
    Reth.dmaLength.set(view, 12, fields.length ?? payload.length);
  }
  if (opcode === RoceOpcode.RC_COMPARE_SWAP || opcode === RoceOpcode.RC_FETCH_ADD) {
    AtomicEth.virtualAddress.set(view, 12, addressHi, address);
    AtomicEth.rkey.set(view, 12, key);
    AtomicEth.swapAdd.setBig(view, 12, fields.swapAdd ?? 0n);
    AtomicEth.compare.setBig(view, 12, fields.compare ?? 0n);
  }
  if ((flags & ROCE_AETH) !== 0) view.setUint32(12, (fields.syndrome ?? 31) << 24);
  if ((flags & (ROCE_IMMEDIATE | ROCE_INVALIDATE)) !== 0) view.setUint32(header - 4, fields.extra ?? 0);
  if (fields.qkey !== undefined) view.setUint32(12, fields.qkey);
  bytes.set(payload, header);
  return bytes;
}

/** PSN at a distance from the first one. */
export const psnAt = (distance: number): number => (FIRST_PSN + distance) & 0xff_ffff;
