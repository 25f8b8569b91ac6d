/**
 * A queue pair that reaches many peers, made of connected ones: one for each peer, connected when it is needed, with one
 * queue of receives for all. So programs written for requests with addresses run over transports that have connected
 * queue pairs only.
 *
 * A request that fails takes its connection to ERR, and what was posted behind it is flushed. The next request connects
 * anew first, both ends, as two programs would who talk about it.
 */
import type { SeededRandom } from '../base/random.ts';
import type { QpState } from '../uapi/objects/qp.ts';
import type { AccessRight } from '../verbs/access-rights.ts';
import type { CompletionCounter, CountedOperation } from '../verbs/completion-counter.ts';
import type { MemoryRegion } from '../verbs/memory-region.ts';
import type { BindRequest, MemoryWindow } from '../verbs/memory-window.ts';
import type { ProtectionDomain } from '../verbs/protection-domain.ts';
import type { QueuePair, QueuePairOptions } from '../verbs/queue-pair.ts';
import type { QueuePairChange, QueuePairInfo } from '../verbs/queue-pair-state.ts';
import type { SharedReceiveQueue } from '../verbs/shared-receive-queue.ts';
import type { ReceiveRequest, WorkRequest } from '../verbs/work-request.ts';
import { type ConnectionOptions, connect } from './connection.ts';

/** What programs of a test bed do with a queue pair, whatever kind it is. */
export type EndQueuePair = Pick<
  QueuePair,
  | ('qpn' | 'sourceId' | 'state' | 'sendSpace' | 'receiveSpace')
  | ('post' | 'tryPost' | 'postReceive' | 'tryPostReceive' | 'bindWindow' | 'invalidate')
  | ('attachMemory' | 'detachMemory' | 'attachCounter' | 'modify' | 'query' | 'close')
>;

export interface DirectoryOptions extends ConnectionOptions {
  /** First PSN of each connection, both ways. Default: another one each time, as it must be where old packets are about. */
  readonly firstPsn: number;
}

/** Who is where, so that both ends of a connection can be made ready. */
export class PeerDirectory {
  readonly random: SeededRandom;
  readonly options: Partial<DirectoryOptions>;
  readonly #queues = new Map<string, PeerQueuePairs>();
  #numbers = FIRST_NUMBER;

  constructor(random: SeededRandom, options: Partial<DirectoryOptions> = {}) {
    this.random = random;
    this.options = options;
  }

  /** @returns the number by which others name it */
  enter(address: string, queue: PeerQueuePairs): number {
    const number = this.#numbers++;
    this.#queues.set(`${address} ${number}`, queue);
    return number;
  }

  find(address: string, number: number): PeerQueuePairs | undefined {
    return this.#queues.get(`${address} ${number}`);
  }

  /** The first of another node. */
  stranger(address: string): PeerQueuePairs | undefined {
    for (const queue of this.#queues.values()) if (queue.address !== address) return queue;
    return undefined;
  }
}

export class PeerQueuePairs implements EndQueuePair {
  readonly address: string;
  readonly qpn: number;
  readonly sourceId: number;
  readonly #pd: ProtectionDomain;
  readonly #directory: PeerDirectory;
  readonly #options: QueuePairOptions;
  readonly #receives: SharedReceiveQueue | undefined;
  /** By address and number of the peer. */
  readonly #halves = new Map<string, Half>();
  readonly #attached = new Set<MemoryRegion>();
  #access: readonly AccessRight[] = ['remote-write', 'remote-read', 'remote-atomic'];
  #last: Half | undefined;
  #isClosed = false;

  /** @param address - of the node that it belongs to */
  constructor(pd: ProtectionDomain, address: string, directory: PeerDirectory, options: QueuePairOptions) {
    this.#pd = pd;
    this.address = address;
    this.#directory = directory;
    this.#receives =
      options.srq === undefined ? pd.createSharedReceiveQueue({ depth: options.receiveDepth ?? 1024 }) : undefined;
    this.#options = { ...options, srq: options.srq ?? this.#receives! };
    this.qpn = this.sourceId = directory.enter(address, this);
    // what is wrong with the options shows now, not when the first peer is met
    if (directory.stranger(address) !== undefined) this.#main();
    else pd.createQueuePair(this.#options).close();
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#pd.context.isOpen;
  }

  /** Of the connection that was used last. */
  get state(): QpState {
    return this.#last?.qp.state ?? 'RTS';
  }

  get sendSpace(): number {
    return (this.#last ?? this.#main()).qp.sendSpace;
  }

  get receiveSpace(): number {
    return this.#receives?.receiveSpace ?? 0;
  }

  post(request: WorkRequest): void {
    const { half, work } = this.#route(request);
    half.qp.post(work);
  }

  tryPost(request: WorkRequest): boolean {
    const { half, work } = this.#route(request);
    return half.qp.tryPost(work);
  }

  postReceive(request: ReceiveRequest): void {
    if (this.#receives === undefined) this.#main().qp.postReceive(request);
    else this.#receives.postReceive(request);
  }

  tryPostReceive(request: ReceiveRequest): boolean {
    if (this.#receives === undefined) return this.#main().qp.tryPostReceive(request);
    return this.#receives.tryPostReceive(request);
  }

  bindWindow(mw: MemoryWindow, request: BindRequest): bigint {
    return this.#ready(this.#last ?? this.#main()).qp.bindWindow(mw, request);
  }

  invalidate(rkey: bigint, options?: { readonly id?: number | bigint; readonly signaled?: boolean }): void {
    this.#ready(this.#last ?? this.#main()).qp.invalidate(rkey, options);
  }

  attachMemory(region: MemoryRegion): void {
    this.#main();
    for (const { qp } of this.#halves.values()) qp.attachMemory(region);
    this.#attached.add(region);
  }

  detachMemory(region: MemoryRegion): void {
    this.#main();
    for (const { qp } of this.#halves.values()) qp.detachMemory(region);
    this.#attached.delete(region);
  }

  attachCounter(counter: CompletionCounter, operations: readonly CountedOperation[]): void {
    this.#main();
    for (const { qp } of this.#halves.values()) qp.attachCounter(counter, operations);
  }

  modify(change: QueuePairChange): void {
    if (change.access !== undefined) this.#access = change.access;
    this.#ready(this.#last ?? this.#main());
    for (const { qp } of this.#halves.values()) if (qp.state === 'RTS') qp.modify(change);
  }

  query(): QueuePairInfo {
    return (this.#last ?? this.#main()).qp.query();
  }

  /** Connects again what has failed. */
  revive(): void {
    for (const half of this.#halves.values()) this.#ready(half);
  }

  close(): void {
    this.#isClosed = true;
    for (const { qp } of this.#halves.values()) qp.close();
    this.#receives?.close();
  }

  /** The connection that a request is for, ready, and the request as a connected queue pair takes it. */
  #route(request: WorkRequest): { readonly half: Half; readonly work: WorkRequest } {
    const { to, qpn = to?.qpn, ...work } = request;
    if (to === undefined || qpn === undefined) return { half: this.#ready(this.#last ?? this.#main()), work };
    return { half: this.#ready(this.#half(to.address, qpn)), work };
  }

  /** The connection to the first peer there is. */
  #main(): Half {
    const other = this.#directory.stranger(this.address);
    if (other === undefined) throw new Error('there is nobody to connect to');
    return this.#half(other.address, other.qpn);
  }

  #half(address: string, number: number): Half {
    const key = `${address} ${number}`;
    let half = this.#halves.get(key);
    if (half === undefined) {
      half = { address, number, qp: this.#pd.createQueuePair(this.#options), peerQpn: number & 0xff_ffff, psn: 0 };
      this.#halves.set(key, half);
      for (const region of this.#attached) half.qp.attachMemory(region);
    }
    return half;
  }

  /** Connects unless both ends are connected. */
  #ready(half: Half): Half {
    this.#last = half;
    const peer = this.#directory.find(half.address, half.number);
    const other = peer?.isOpen === true ? peer.#half(this.address, this.qpn) : undefined;
    if (half.qp.state === 'RTS' && (other === undefined || other.qp.state === 'RTS')) return half;
    const { firstPsn } = this.#directory.options;
    const own = firstPsn ?? this.#farFrom(half.psn);
    const theirs = firstPsn ?? this.#farFrom(other?.psn ?? 0);
    if (other !== undefined) half.peerQpn = other.qp.qpn;
    this.#connect(half, own, theirs);
    if (peer !== undefined && other !== undefined) {
      other.peerQpn = half.qp.qpn;
      peer.#connect(other, theirs, own);
    }
    return half;
  }

  /** A PSN that is nowhere near those of the connection before. */
  #farFrom(psn: number): number {
    return (psn + PSNS / 16 + this.#directory.random.below(PSNS / 2)) % PSNS;
  }

  #connect(half: Half, sqPsn: number, rqPsn: number): void {
    const { qp, address, peerQpn } = half;
    half.psn = sqPsn;
    connect(qp, { address, qpn: peerQpn, sqPsn, rqPsn }, { ...this.#directory.options, access: this.#access });
  }
}

/** One side of a connection. */
interface Half {
  readonly qp: QueuePair;
  /** The peer. */
  readonly address: string;
  readonly number: number;
  /** Its connected queue pair; where there is none, the number that was asked for. */
  peerQpn: number;
  /** The first that it sent with. */
  psn: number;
}

const PSNS = 0x100_0000;
/** Numbers of such queue pairs; no transport assigns them. */
const FIRST_NUMBER = 0xf0_0001;
