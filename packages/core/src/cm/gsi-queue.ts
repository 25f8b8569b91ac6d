/** Management datagrams in and out of the GSI queue pair of one address entry. @spec IBTA vol. 1 §13.5.1 */
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import { Status } from '../engine/status.ts';
import type { AbortSignalLike } from '../verbs/abort-signal.ts';
import type { AddressHandle } from '../verbs/address-handle.ts';
import { CompletionBatch } from '../verbs/completion-batch.ts';
import type { CompletionQueue } from '../verbs/completion-queue.ts';
import type { Context } from '../verbs/context.ts';
import type { MemoryRegion } from '../verbs/memory-region.ts';
import type { ProtectionDomain } from '../verbs/protection-domain.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';
import { GSI_QKEY, GSI_QP, MAD_BYTES } from '../wire/roce/mad.ts';
import type { CmPeer } from './cm-link.ts';

/** A peer, and how to reach it while that is known. */
export class GsiPeer implements CmPeer {
  readonly key: string;
  readonly address: string;
  readonly udpPort: number;
  handle: AddressHandle | undefined;

  constructor(handle: AddressHandle) {
    this.key = keyOf(handle);
    this.address = handle.address;
    this.udpPort = handle.port;
    this.handle = handle;
  }
}

/** Takes a datagram that came; the bytes are only there during the call. */
export type Deliver = (peer: GsiPeer, view: DataView, at: number, length: number) => void;

export class GsiQueue {
  readonly context: Context;
  readonly pd: ProtectionDomain;
  readonly #sgidIndex: number;
  readonly #cq: CompletionQueue;
  readonly #qp: QueuePair;
  readonly #memory: Uint8Array;
  readonly #view: DataView;
  readonly #region: MemoryRegion;
  readonly #batch = new CompletionBatch(16);
  readonly #freeSends = Array.from({ length: SENDS }, (_, i) => i);
  /** Peers with an address handle, longest unused first. */
  readonly #peers = new Map<string, GsiPeer>();
  readonly #byPath = new Map<number, GsiPeer>();
  /** Datagrams that came from another queue pair than the one for management, or from nowhere. */
  strangers = 0;

  /**
   * @throws VerbsError `EEXIST` somebody else has the GSI queue pair · `EOPNOTSUPP` the protocol has none · `ENOSPC`,
   *   `ENOMEM`
   */
  constructor(context: Context, pd: ProtectionDomain, sgidIndex: number, port: number) {
    this.context = context;
    this.pd = pd;
    this.#sgidIndex = sgidIndex;
    const made: { close(): void }[] = [];
    try {
      const cq = (this.#cq = context.createCompletionQueue({ entries: 2 * (RECEIVES + SENDS) }));
      made.push(cq);
      this.#qp = createGsi(pd, cq, sgidIndex);
      made.push(this.#qp);
      this.#memory = context.allocate(RECEIVES * RECEIVE_BYTES + SENDS * MAD_BYTES);
      made.push({ close: () => context.release(this.#memory) });
      this.#view = new DataView(this.#memory.buffer, this.#memory.byteOffset, this.#memory.byteLength);
      const region = (this.#region = pd.registerMemory(this.#memory, { access: ['local-write'] }));
      made.push({ close: () => region.deregister() });
      this.#qp.modify({ state: 'INIT', pkeyIndex: 0, port, qkey: GSI_QKEY });
      for (let slot = 0; slot < RECEIVES; slot++) this.#postReceive(slot);
      this.#qp.modify({ state: 'RTR' });
      this.#qp.modify({ state: 'RTS', sqPsn: 0 });
    } catch (thrown) {
      for (const one of made.reverse()) one.close();
      throw thrown;
    }
  }

  /** Takes what came. @returns how much was done @throws VerbsError EIO the device failed */
  poll(deliver: Deliver): number {
    const batch = this.#batch;
    const count = this.#cq.poll(batch);
    for (let row = 0; row < count; row++) {
      const slot = batch.id[row]!;
      const failed = batch.status[row] !== Status.SUCCESS;
      if (slot >= RECEIVES) this.#freeSends.push(slot - RECEIVES);
      else if (!failed) this.#deliver(slot, row, deliver);
      if (slot < RECEIVES && this.#qp.state !== 'ERR') this.#postReceive(slot);
    }
    // a datagram that could not be sent stops the others
    if (count > 0 && this.#qp.state === 'SQE') this.#qp.modify({ state: 'RTS' });
    return count;
  }

  /** Sends a datagram if there is room. @param fill - writes it and says to whom; undefined: there is none */
  send(fill: (view: DataView, at: number) => CmPeer | undefined): boolean {
    const slot = this.#freeSends.at(-1);
    if (slot === undefined) return false;
    const offset = RECEIVES * RECEIVE_BYTES + slot * MAD_BYTES;
    const peer = fill(this.#view, offset);
    if (peer === undefined) return false;
    const to = this.#reach(peer as GsiPeer);
    // a peer that cannot be reached any more is like a datagram that was lost
    if (to === undefined || this.#qp.state !== 'RTS') return true;
    this.#freeSends.pop();
    const data = { region: this.#region, offset, length: MAD_BYTES };
    this.#qp.post({ opcode: 'send', id: RECEIVES + slot, ...data, to, qpn: GSI_QP, qkey: GSI_QKEY });
    return true;
  }

  /** Sleeps until something comes, without keeping the program alive. @throws VerbsError ETIMEDOUT nothing came */
  rest(timeoutMs: number | undefined, signal: AbortSignalLike): Promise<void> {
    return this.#cq.wait(timeoutMs, { signal, background: true });
  }

  /** A peer by its address. @throws VerbsError `EINVAL` not an address · `ENOSPC` too many peers */
  peer(address: string, udpPort: number | undefined): GsiPeer {
    const at = udpPort === undefined ? { address } : { address, port: udpPort };
    return this.#keep(this.pd.createAddressHandle({ ...at, sgidIndex: this.#sgidIndex, qpn: GSI_QP }));
  }

  /** Gives everything back; also after the context was closed. */
  close(): void {
    if (!this.context.isOpen) return;
    for (const { handle } of this.#peers.values()) if (handle?.isOpen) handle.destroy();
    if (this.#qp.isOpen) this.#qp.close();
    if (this.#cq.isOpen) this.#cq.close();
    if (this.#region.isOpen) this.#region.deregister();
    this.context.release(this.#memory);
  }

  #deliver(slot: number, row: number, deliver: Deliver): void {
    const { byteLength, remoteQpn, path } = this.#batch;
    const peer = remoteQpn[row] === GSI_QP ? this.#peerOfPath(path[row]!) : undefined;
    if (peer === undefined) this.strangers++;
    else deliver(peer, this.#view, slot * RECEIVE_BYTES + GRH_BYTES, Math.max(0, byteLength[row]! - GRH_BYTES));
  }

  #postReceive(slot: number): void {
    const offset = slot * RECEIVE_BYTES;
    this.#qp.postReceive({ id: slot, region: this.#region, offset, length: GRH_BYTES + MAD_BYTES });
  }

  #peerOfPath(path: number): GsiPeer | undefined {
    const known = this.#byPath.get(path);
    if (known !== undefined) return this.#used(known);
    try {
      return this.#keep(this.pd.createAddressHandle({ path, sgidIndex: this.#sgidIndex, qpn: GSI_QP }));
    } catch (thrown) {
      if (isVerbsError(thrown) && thrown.code !== 'EIO') return undefined;
      throw thrown;
    }
  }

  /** The way to a peer, found anew if it was given up meanwhile. */
  #reach(peer: GsiPeer): AddressHandle | undefined {
    if (peer.handle?.isOpen === true) return peer.handle;
    try {
      return this.peer(peer.address, peer.udpPort).handle;
    } catch (thrown) {
      if (isVerbsError(thrown) && thrown.code !== 'EIO') return undefined;
      throw thrown;
    }
  }

  #keep(handle: AddressHandle): GsiPeer {
    const known = this.#peers.get(keyOf(handle));
    if (known?.handle !== undefined) {
      if (handle.path === known.handle.path) {
        handle.destroy();
        return this.#used(known);
      }
      this.#forget(known);
    }
    for (const oldest of this.#peers.values()) {
      if (this.#peers.size < MAX_PEERS) break;
      this.#forget(oldest);
    }
    const peer = new GsiPeer(handle);
    this.#peers.set(peer.key, peer);
    this.#byPath.set(handle.path, peer);
    return peer;
  }

  #used(peer: GsiPeer): GsiPeer {
    this.#peers.delete(peer.key);
    this.#peers.set(peer.key, peer);
    return peer;
  }

  #forget(peer: GsiPeer): void {
    const { handle } = peer;
    this.#peers.delete(peer.key);
    peer.handle = undefined;
    if (handle === undefined) return;
    this.#byPath.delete(handle.path);
    if (handle.isOpen) handle.destroy();
  }
}

function createGsi(pd: ProtectionDomain, cq: CompletionQueue, sgidIndex: number): QueuePair {
  try {
    const depths = { sendDepth: SENDS, receiveDepth: RECEIVES };
    return pd.createQueuePair({ type: 'GSI', sendCq: cq, recvCq: cq, sgidIndex, ...depths });
  } catch (thrown) {
    if (!isVerbsError(thrown) || thrown.code !== 'EEXIST') throw thrown;
    throw new VerbsError('EEXIST', 'ConnectionManager.open', 'the GSI queue pair of this address is taken', {
      object: `address entry ${sgidIndex}`,
      try: 'one connection manager for each address entry: use the one that is open, or close the other program',
      see: 'docs/connection-manager.md',
    });
  }
}

const keyOf = ({ address, port }: AddressHandle): string => `${address} ${port}`;

/** Room for a routing header stands in front of each datagram. @spec IBTA vol. 1 §11.4.1.2 */
const GRH_BYTES = 40;
/** Place of one receive, a multiple of 64. */
const RECEIVE_BYTES = 320;
const RECEIVES = 128;
const SENDS = 64;
/** Peers to which a way is kept. */
const MAX_PEERS = 256;
