/** What endpoints there can be on a device: the counterpart of `struct fi_info`. @spec uet:ses/7.3 */
import type { Transport, TransportAttributes } from '../engine/engine.ts';
import type { Row } from '../uapi/rows.ts';
import type { DeviceAttributes, GidEntry } from '../verbs/attributes.ts';

/** What an endpoint can do. Sending and receiving, or both sides of remote access, always come together. */
export interface Capabilities {
  readonly msg: boolean;
  readonly tagged: boolean;
  readonly rma: boolean;
  readonly atomic: boolean;
  /** Receives can name the only sender that they take from. */
  readonly directedReceive: boolean;
  /** One receive takes many messages. */
  readonly multiReceive: boolean;
  /** Completions of receives say who sent. */
  readonly source: boolean;
  /** Operations can wait for all before them. */
  readonly fence: boolean;
  /** Receives can be called back. */
  readonly cancel: boolean;
  /** Remote accesses to memory that allows it may be executed more than once, and need less state then. */
  readonly idempotent: boolean;
  /** Peers on the same device, and on others. */
  readonly localComm: boolean;
  readonly remoteComm: boolean;
}
export type Capability = keyof Capabilities;

/** What the program must do. `rx-cq-data`: remote writes with data take a receive. */
export type FabricMode = 'rx-cq-data';
/** `local`: operations name registered memory. `allocated`: memory to register comes from `domain.allocate`. */
export type MemoryMode = 'local' | 'allocated';
export type EndpointType = 'rdm' | 'dgram';

/** X after Y: R is a read, W a write, S a send; also of fetching and other atomics. */
export type MessageOrder = (typeof MESSAGE_ORDERS)[number];
export const MESSAGE_ORDERS = ['RAR', 'RAW', 'RAS', 'WAR', 'WAW', 'WAS', 'SAR', 'SAW', 'SAS'] as const;

export interface TransmitAttributes {
  /** What arrives in the order of posting, at each peer by itself. */
  readonly messageOrder: readonly MessageOrder[];
  /** Nothing completes in any order that could be relied on. */
  readonly completionOrder: readonly never[];
  /** Most bytes that are copied at once, so that the buffer is free when the call returns. */
  readonly injectBytes: number;
  /** Operations that can be under way. */
  readonly size: number;
  /** Segments of one operation, here and there. */
  readonly iovLimit: number;
  readonly rmaIovLimit: number;
}

export interface ReceiveAttributes {
  readonly messageOrder: readonly MessageOrder[];
  readonly completionOrder: readonly never[];
  /** Receives that can be posted. */
  readonly size: number;
  readonly iovLimit: number;
}

export interface DomainAttributes {
  /** Name of the device. */
  readonly name: string;
  readonly memoryModes: readonly MemoryMode[];
  readonly memoryKeyBytes: number;
  /** Data beside messages and remote writes. */
  readonly cqDataBytes: number;
  readonly addressVectorTypes: readonly 'table'[];
  /** A full queue is told before anything is lost. */
  readonly resourceManagement: boolean;
  /** Reading completions and counters drives the device, where nobody else does. */
  readonly progress: 'manual';
  /** 4 bytes of a job; 0 where the protocol has no jobs. */
  readonly authKeyBytes: number;
  /** Operations and types, with their `AtomicOp` and `AtomicType` numbers, and the most bytes of one. */
  readonly atomics: NonNullable<TransportAttributes['atomics']> | undefined;
}

export interface EndpointAttributes {
  readonly type: EndpointType;
  /** Name of the transport. */
  readonly protocol: string;
  readonly maxMessageBytes: number;
  /** Bits of a tag that programs can use. */
  readonly tagFormat: bigint;
  /** Payload of one packet, bytes. */
  readonly mtu: number;
}

export interface FabricInfo {
  readonly caps: Capabilities;
  readonly modes: readonly FabricMode[];
  /** The network that the device is on, as far as it can tell: its address and the protocol. */
  readonly fabric: { readonly name: string; readonly provider: 'verbena'; readonly address: string };
  readonly domain: DomainAttributes;
  readonly endpoint: EndpointAttributes;
  readonly transmit: TransmitAttributes;
  readonly receive: ReceiveAttributes;
  /** Address entry of the device; its type chooses the protocol. */
  readonly sgidIndex: number;
}

/** What a device says that an info is made of. */
export interface DeviceFacts {
  readonly device: DeviceAttributes;
  readonly gid: GidEntry;
  readonly mtu: number;
  /** What the kind of queue pair promises. */
  readonly semantics: Row;
  /** What is known of the protocol beside what the device says. */
  readonly transport: Transport | undefined;
}

/** Everything that endpoints without a connection can do: unordered first, then ordered. */
export function rdmInfos(facts: DeviceFacts): FabricInfo[] {
  const { semantics } = facts;
  const offered = semantics['msg_order'];
  const orders = Array.isArray(offered) ? (offered as readonly string[]) : [];
  const infos: FabricInfo[] = [];
  if (orders.includes('unordered') || orders.length === 0) infos.push(info(facts, 'rdm', []));
  if (orders.includes('ordered')) infos.push(info(facts, 'rdm', orderOf(semantics)));
  return infos;
}

export const datagramInfos = (facts: DeviceFacts): FabricInfo[] => [info(facts, 'dgram', [])];

function info(facts: DeviceFacts, type: EndpointType, order: readonly MessageOrder[]): FabricInfo {
  const { device, gid, transport, mtu } = facts;
  const isRdm = type === 'rdm';
  const operations = operationsOf(facts);
  const can = (...names: readonly string[]) => isRdm && names.every((name) => operations.has(name));
  const isMatching = can('tagged');
  const segments = Math.max(1, transport?.attributes.limits.maxSegments ?? device.maxSge);
  const attributes = transport?.attributes;
  return {
    caps: {
      msg: operations.has('send'),
      tagged: isMatching,
      rma: can('write', 'read'),
      atomic: can('atomic', 'fetching-atomic') && attributes?.atomics !== undefined,
      ...{ directedReceive: isMatching, multiReceive: isMatching, cancel: isMatching },
      source: isRdm,
      fence: isRdm,
      idempotent:
        can('write', 'read') &&
        order.length === 0 &&
        attributes?.idempotent === true &&
        attributes.idempotentKeys === true,
      ...{ localComm: true, remoteComm: true },
    },
    modes: isRdm && attributes?.noticesTakeReceives === true ? ['rx-cq-data'] : [],
    fabric: { name: `${gid.type} ${gid.gid}`, provider: 'verbena', address: gid.gid },
    domain: {
      name: device.name,
      ...{ memoryModes: ['local', 'allocated'], memoryKeyBytes: 8 },
      cqDataBytes: immediateBytes(facts, isRdm, operations),
      ...{ addressVectorTypes: ['table'], resourceManagement: true, progress: 'manual' },
      authKeyBytes: device.maxJobId > 0 ? 4 : 0,
      atomics: isRdm ? attributes?.atomics : undefined,
    },
    endpoint: {
      type,
      protocol: transport?.name ?? device.transport,
      maxMessageBytes: isRdm ? device.maxMessageBytes : mtu,
      tagFormat: 0xffff_ffff_ffff_ffffn,
      mtu,
    },
    transmit: {
      ...{ messageOrder: order, completionOrder: [], injectBytes: device.maxInline },
      ...{ size: Math.min(DEFAULT_SIZE, device.maxQpWr), iovLimit: segments, rmaIovLimit: 1 },
    },
    receive: {
      ...{ messageOrder: order, completionOrder: [] },
      size: Math.min(DEFAULT_SIZE, device.maxQpWr - RECEIVE_RESERVE),
      iovLimit: isRdm ? segments : Math.max(1, segments - 1),
    },
    sgidIndex: gid.index,
  };
}

/** What both the device and its protocol have. */
function operationsOf({ device, transport }: DeviceFacts): ReadonlySet<string> {
  const known: readonly string[] = transport?.attributes.operations ?? device.operations;
  return new Set(known.filter((one) => device.operations.includes(one)));
}

function immediateBytes({ semantics }: DeviceFacts, isRdm: boolean, operations: ReadonlySet<string>): number {
  const bits = Number(semantics['imm_data_bits'] ?? 0);
  return isRdm && !operations.has('write-imm') ? 0 : bits >> 3;
}

/** What an ordered queue pair promises. Reads come back whenever they do, unless the sizes say more. */
function orderOf(semantics: Row): MessageOrder[] {
  const order: MessageOrder[] = ['WAS', 'SAW', 'SAS'];
  if (Number(semantics['max_rdma_waw_size'] ?? 0) > 0) order.push('WAW');
  if (Number(semantics['max_rdma_raw_size'] ?? 0) > 0) order.push('RAW');
  if (Number(semantics['max_rdma_war_size'] ?? 0) > 0) order.push('WAR');
  return MESSAGE_ORDERS.filter((one) => order.includes(one));
}

/** Of transmit and receive queues, unless told. */
const DEFAULT_SIZE = 1000;
/** Entries of a receive ring that are kept for calling receives back. */
export const RECEIVE_RESERVE = 16;
