/**
 * The engine contract: one transport's protocol logic for one device port, without clock, socket or thread.
 *
 * The one rule for a host: give inputs (`receive`, `doorbell`, `expire`; as many as are at hand), then drain
 * `transmit` until it returns false, then read `deadline`. `now` never decreases.
 */
import type { CodeTable } from '../base/code-table.ts';
import type { Counters } from '../base/counters.ts';
import type { DmaSpace } from './dma.ts';
import type { Packet } from './packet.ts';
import type { PacketSeal, Seal } from './seal.ts';
import type { Nanos } from './time.ts';
import type { PeerAddress } from './wire-host.ts';
import type { CompletionRecord, Reach, ReceiveWork, SendWork } from './work.ts';

/** All that an engine can reach. Behind it there is no clock, socket, timer, console or Math.random. */
export interface Services {
  readonly dma: DmaSpace;
  /** Copies the next send request of a queue pair out of its ring. @returns false when there is none */
  takeSend(qp: number, into: SendWork): boolean;
  /** Copies the next receive of a queue pair out of its ring. @returns false when there is none */
  takeReceive(qp: number, into: ReceiveWork): boolean;
  /** Checks a remote access and says where the bytes are. @returns one of `AccessFault` */
  reach(access: Reach): number;
  /** Finishes one send request (also unsignaled ones: the device decides what becomes visible). */
  completeSend(qp: number, signaled: boolean, completion: CompletionRecord): void;
  /** Finishes one receive, or reports a write with immediate data. */
  completeReceive(qp: number, completion: CompletionRecord): void;
  /** Ends remote access under a key that a peer names in a SEND with invalidate. @returns false when there is no such key */
  invalidate(qp: number, keyLo: number, keyHi: number): boolean;
  /** The queue pair failed, and no completion says so: raises one of `QpFault`, and takes it to ERR when the step ends. */
  fail(qp: number, fault: number): void;
  /** Writes the {@link GRH_BYTES} that a datagram receiver finds in front of its data: from whom to whom. */
  route(path: number, into: Uint8Array): void;
  /** Asynchronous events: the number of an `EVENTS` row and the object that it is about. */
  raise(event: number, object: number): void;
  /** Seeded by the host, uniform in [0, 1). */
  random(): number;
}

/** Bytes of a global routing header in front of a received datagram. @spec verbs/3.5 */
export const GRH_BYTES = 40;

/** What QP.MODIFY told a queue pair, as numbers of the user API; 0 for what its kind has not. @spec verbs/2.3 */
export interface QueuePairAttributes {
  /** Payload bytes of a full packet to the peer. */
  pathMtu: number;
  /** First PSN to expect, and to send. */
  rqPsn: number;
  sqPsn: number;
  /** 4.096 µs · 2^n; 0 for never. */
  timeout: number;
  retryCount: number;
  /** 7: for ever. */
  rnrRetry: number;
  /** Code of the wait that a peer is told while there is no receive. */
  minRnrTimer: number;
  /** Reads and atomics under way at a time, as requester and as responder. */
  maxRdAtomic: number;
  maxDestRdAtomic: number;
  pkeyIndex: number;
  qkey: number;
}

export const noAttributes = (): QueuePairAttributes => ({
  ...{ pathMtu: 0, rqPsn: 0, sqPsn: 0, timeout: 0, retryCount: 0, rnrRetry: 0, minRnrTimer: 0 },
  ...{ maxRdAtomic: 0, maxDestRdAtomic: 0, pkeyIndex: 0, qkey: 0 },
});

/** What an engine must know about a queue pair. Numbers are handles of the device. */
export interface QueuePairConfig {
  readonly qp: number;
  /** Kind: RC, UC, UD, GSI, RU. */
  readonly type: string;
  /** Belongs to the device, which changes it before `modifyQueuePair`. */
  readonly attributes: Readonly<QueuePairAttributes>;
  /** The number that peers use. UET: bit 31 absolute, 23..12 resource index, 11..0 PIDonFEP. */
  readonly qpn: number;
  readonly pd: number;
  /** The job a relative queue pair belongs to; 0 for none. */
  readonly jobId: number;
  /** Source identity shown to the peer (UET initiator), 32 bits. */
  readonly sourceId: number;
  /** Messages to one peer are to arrive in the order of posting (UET: ROD). */
  readonly ordered: boolean;
  /** Its writes and reads may be executed more than once (UET: RUDI). */
  readonly idempotent?: boolean;
  /** Receives say what they take, and messages that none takes are kept for a while: see `ReceiveWork`. */
  readonly matching?: boolean;
  /** Path to the one peer of a connected queue pair: nobody else is served. Without it everybody may come. */
  readonly peerPath?: number;
  /** Number of the one peer. */
  readonly peerQpn?: number;
  /** Identifier of the secure domain that protects its packets; the usual one of the address entry when left out. */
  readonly domain?: number;
}

export interface Engine {
  /** A packet arrived. When this returns the bytes are the host's again. */
  receive(now: Nanos, packet: Packet): void;
  /** Work was posted to this queue pair, or receives that the engine was waiting for. */
  doorbell(now: Nanos, qp: number): void;
  /** The deadline has passed; early or repeated calls are harmless. */
  expire(now: Nanos): void;
  /** Fills `out` with the next packet; false when there is none now. */
  transmit(now: Nanos, out: Packet): boolean;
  /** When to call `expire`; NEVER while no timer is armed. */
  deadline(): Nanos;

  /** @returns '' or why the queue pair is refused */
  addQueuePair(now: Nanos, config: QueuePairConfig): string;
  /** Its attributes changed, or it may send from now on; a doorbell follows. Engines that take nothing from them have none. */
  modifyQueuePair?(now: Nanos, config: QueuePairConfig): void;
  /** Flushes what is queued, gives up what is in flight. Afterwards the number is unknown to the engine. */
  removeQueuePair(now: Nanos, qp: number): void;
  /** Makes a job known (BAD_JOB_ID otherwise). Calls nest. */
  addJob(jobId: number): void;
  removeJob(jobId: number): void;
  /** Begins an orderly close of everything that peers hold state for. Poll `quiet` while driving on. */
  close(now: Nanos): void;
  /** No connection state, timer or buffer is left. */
  quiet(): boolean;
  /** Gives back what it holds of its host from the start. Nothing is called afterwards. */
  end?(): void;
  readonly counters: Counters;
  /** Live protocol state for tools and leak checks: name to count. */
  census(): Record<string, number>;
  /** Connection state that no handle names, as rows for tools: `path`, `id`, `state` and what else it has. */
  connections?(): readonly Readonly<Record<string, string | number | boolean>>[];
}

/** What a host tells an engine about itself. */
export interface EngineConfig {
  /** Payload bytes of a full packet; the same at both ends. */
  readonly payloadMtu: number;
  /** Routes the host can tell apart for one path (entropy values 0..n-1). */
  readonly entropies: number;
  /** Bytes the host can buffer on receive before packets are lost; 0 = unknown. */
  readonly receiveBufferBytes: number;
  /** Names of the transport's own settings to values; unknown names are refused. */
  readonly settings?: Readonly<Record<string, number>>;
  /** Bytes between IP and the transport; those of UDP when left out. */
  readonly frontBytes?: number;
  /** The address that packets leave from, and the peer behind a path: for what covers addresses. */
  readonly local?: PeerAddress;
  readonly peer?: (path: number) => PeerAddress | undefined;
}

export interface TransportLimits {
  readonly maxQueuePairs: number;
  readonly maxMessageBytes: number;
  /** Most payload of one packet, bytes. */
  readonly maxPayloadMtu: number;
  readonly maxWorkRequests: number;
  readonly maxSegments: number;
  readonly maxInlineBytes: number;
  readonly maxJobs: number;
  /** Largest job id. */
  readonly maxJobId: number;
  /** Reads and atomics of one queue pair under way at a time, in each direction; 16 when left out. */
  readonly maxRdAtomic?: number;
}

/** Capabilities as data: absent is not the same as failing. */
export interface TransportAttributes {
  /** Type of the address table entries that choose this transport, as `ibv_devinfo` prints it. */
  readonly addressType: string;
  readonly queuePairTypes: readonly string[];
  readonly operations: readonly Operation[];
  /** Bits of immediate data, 32 or 64, and of remote keys, at most 48. */
  readonly immediateBits: number;
  readonly keyBits: number;
  /** Programs may choose keys that are an index below 4096 with bit 62 set; short headers can carry those. */
  readonly indexKeys?: boolean;
  /**
   * Memory may be registered as safe to access more than once. Bit 63 of its key says so, whatever `keyBits` is, and
   * requests that may be executed more than once reach no other memory.
   */
  readonly idempotentKeys?: boolean;
  /** Packets name the job they belong to. Without that, a queue pair's peer belongs to the job of the queue pair. */
  readonly jobsOnWire: boolean;
  /** A write with immediate data takes a receive, and waits for one. Without that it is reported beside them. */
  readonly noticesTakeReceives?: boolean;
  /** The payload sizes that packets can have, where not every size will do; ascending, bytes. */
  readonly payloadMtus?: readonly number[];
  readonly ordering: readonly ('ordered' | 'unordered')[];
  readonly reliable: boolean;
  /** Queue pairs may have their writes and reads executed more than once, which needs less state. */
  readonly idempotent?: boolean;
  readonly limits: TransportLimits;
  /** What 'atomic' and 'fetching-atomic' can do: `AtomicOp` and `AtomicType` values, and bytes of one request. */
  readonly atomics?: { readonly ops: readonly number[]; readonly types: readonly number[]; readonly maxBytes: number };
  /** Sets of features that a specification gives a name to. */
  readonly profiles?: readonly Profile[];
  /** Settings with default value, unit and text. */
  readonly settings: readonly Setting[];
}

/** A named set of features: what it demands, and what of that is there. */
export interface Profile {
  readonly name: string;
  readonly demands: readonly { readonly feature: string; readonly met: boolean; readonly section: string }[];
}

/** What work requests can ask for. */
export type Operation =
  | 'send'
  | 'send-inv'
  | 'write'
  | 'write-imm'
  | 'read'
  | 'cmp-swap'
  | 'fetch-add'
  /** Messages with a tag, and queue pairs that match. */
  | 'tagged'
  | 'atomic'
  | 'fetching-atomic'
  | 'tagged-atomic';

export interface Setting {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly text: string;
  readonly min: number;
  readonly max: number;
}

/** A reason to drop a packet: counted under `dropped_<name>`. */
export interface DropReason {
  readonly name: string;
  readonly text: string;
  /** What a user can do about it, where something can be done. */
  readonly advice?: string;
  readonly section: string;
}

export interface Transport {
  readonly name: string;
  /** UDP port that the transport's packets are sent to by default. */
  readonly udpPort: number;
  /** Bytes of headers in front of a full packet's payload, behind UDP. */
  readonly headerBytes: number;
  readonly attributes: TransportAttributes;
  readonly drops: readonly DropReason[];
  /** Codes of its packets, for tools that explain them. */
  readonly codes?: readonly CodeTable[];
  /** What hosts put behind each packet, and check before an engine sees it. A simulated link needs none. */
  readonly seal?: Seal;
  /** The seal that the settings of a link ask for, where that is a choice; room for it is in `headerBytes`. */
  sealFor?(settings: Readonly<Record<string, number>>): Seal | undefined;
  /** The same transport with protected packets. Hosts use it in the place of this one, for engines and for sizes. */
  secured?(seal: PacketSeal): Transport;
  /** Packets of queue pairs with a secure domain are protected. */
  readonly protects?: boolean;
  /** The same transport directly over IP, where there is such a form: its address entries have a type of their own. */
  readonly overIp?: Transport;
  /**
   * Number of the IP protocol that packets are, usually; absent where they travel in UDP. The host puts an entropy header
   * in front of each: route (2 bytes) and zeros (2 bytes). In a `Datagram` these are the two ports.
   */
  readonly ipProtocol?: number;
  /** Assigns a queue pair number that `addQueuePair` will accept. */
  assignQpn(used: (qpn: number) => boolean, random: () => number, pidOfPd: number | undefined): number;
  createEngine(services: Services, config: EngineConfig): Engine;
}
