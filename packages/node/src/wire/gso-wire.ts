/**
 * UDP through the C library: bursts out with one system call (UDP_SEGMENT), bursts in with one (UDP_GRO).
 *
 * Without segmentation the same code sends and receives single packets: level `batch`.
 */
import {
  type DmaSpace,
  type Engine,
  type Nanos,
  NEVER,
  type Packet,
  type PeerAddress,
  VerbsError,
} from '@verbena/core';
import { formatAddress, isIpv4, parseAddress } from '@verbena/core/wire';
import { ERRNO, LINUX, type Libc, type Pointer, type Watch } from '../memory/libc.ts';
import type { MappedMemory, MemoryPool } from '../memory/mapped-memory.ts';
import { type IoLevel, type LiveWire, type LocalAddress, MAX_ENTROPIES, type WireOptions } from './live-wire.ts';
import { MAX_PATHS, PeerTable } from './peer-table.ts';
import { ReceiveBatch } from './receive-batch.ts';
import { Sealer } from './sealer.ts';
import { SEGMENT_CONTROL_BYTES, SendQueue, writeSendControl } from './send-queue.ts';
import {
  IPV4_ADDRESS_BYTES,
  IPV6_ADDRESS_BYTES,
  openUdpSocket,
  SCRATCH_BYTES,
  SOCKET_ADDRESS_BYTES,
  setOption,
  type UdpSocket,
  writeSocketAddress,
} from './udp-socket.ts';

export class GsoWire implements LiveWire {
  readonly polls = true;
  readonly local: LocalAddress;
  readonly entropies: number;
  readonly ports: readonly number[];
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  /** The main socket's descriptor, to wait on. */
  readonly fd: number;

  readonly #libc: Libc;
  readonly #pool: MemoryPool;
  readonly #sockets: readonly number[];
  readonly #peers: PeerTable;
  readonly #queue: SendQueue;
  readonly #batch: ReceiveBatch;
  readonly #sealer: Sealer | undefined;
  readonly #scratch: MappedMemory;
  readonly #names: MappedMemory;
  readonly #named = new Uint8Array(MAX_PATHS + 1);
  readonly #header: MappedMemory;
  readonly #message: Pointer;
  readonly #words: Uint32Array;
  readonly #headerView: DataView;
  readonly #nameLength: number;
  readonly #counts = { ...NO_COUNTS };
  #gso: boolean;
  #retryAt: Nanos = NEVER;
  #watch: Watch | undefined;
  #woken: (() => void) | undefined;
  #closed = false;
  /** Bursts of this flush that have left already. */
  #sent = 0;
  #held = false;
  /** Where a burst is cut up when the kernel refuses to. */
  #single: MappedMemory | undefined;

  /** @param level - `batch` never uses the kernel's segmentation */
  constructor(libc: Libc, pool: MemoryPool, dma: DmaSpace, options: WireOptions, level: 'gso' | 'batch') {
    const address = parseAddress(options.address);
    if (address === undefined) throw notAnAddress(options.address);
    const v4 = isIpv4(address);
    this.#libc = libc;
    this.#pool = pool;
    this.#scratch = pool.allocate(SCRATCH_BYTES);
    this.entropies = Math.max(1, Math.min(options.entropies, MAX_ENTROPIES));
    const text = formatAddress(address);
    const sockets = this.#openSockets(address, text, options.port);
    const main = sockets[0]!;
    this.#sockets = sockets.map((socket) => socket.fd);
    this.ports = sockets.map((socket) => socket.port);
    this.fd = main.fd;
    this.receiveBufferBytes = main.receiveBufferBytes;
    this.sendBufferBytes = main.sendBufferBytes;
    this.local = { text, address, port: main.port };
    this.#gso = level === 'gso' && this.#offloads();
    if (v4) setOption(libc, this.#scratch, main.fd, LINUX.SOL_IP, LINUX.IP_RECVTOS, 1);
    else setOption(libc, this.#scratch, main.fd, LINUX.SOL_IPV6, LINUX.IPV6_RECVTCLASS, 1);
    this.#peers = new PeerTable(address, options.peerPort);
    const { seal } = options;
    // Where a seal covers the packet, peers may leave the sum of UDP out, as RoCEv2 does; with IPv6 the kernel would drop it.
    if (!v4 && seal !== undefined) setOption(libc, this.#scratch, main.fd, LINUX.SOL_UDP, LINUX.UDP_NO_CHECK6_RX, 1);
    this.#sealer = seal === undefined ? undefined : new Sealer(seal, this.local, this.ports, this.#peers);
    this.#queue = new SendQueue(libc, pool, dma, this.#sealer);
    if (!this.#gso) this.#queue.maxSegments = 1;
    this.#batch = new ReceiveBatch(libc, pool, main.fd, v4, this.#peers, this.#sealer);
    this.#names = pool.allocate((MAX_PATHS + 1) * SOCKET_ADDRESS_BYTES);
    this.#nameLength = v4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
    this.#header = pool.allocate(HEADER_BYTES);
    this.#message = [this.#header.address, null];
    this.#words = new Uint32Array(this.#header.bytes.buffer);
    this.#headerView = new DataView(this.#header.bytes.buffer);
    writeSendControl(this.#headerView, CONTROL_AT, v4);
    this.#words[2] = this.#nameLength;
  }

  get level(): IoLevel {
    return this.#gso ? 'gso' : 'batch';
  }

  get dma(): DmaSpace {
    return this.#queue.dma;
  }

  set dma(dma: DmaSpace) {
    this.#queue.dma = dma;
  }

  receive(now: Nanos, engine: Engine): number {
    if (this.#closed) return 0;
    const packets = this.#batch.receive(now, engine);
    if (packets >= 0) return packets;
    const error = this.#libc.errno();
    if (error !== ERRNO.EAGAIN && error !== ERRNO.EINTR) this.#counts.receiveErrors++;
    return 0;
  }

  slot(): Packet | undefined {
    return this.#closed ? undefined : this.#queue.slot();
  }

  send(now: Nanos): void {
    const queue = this.#queue;
    if (!queue.push(this.entropies)) this.#counts.unsendable++;
    // a full burst need not wait for the flush: the peer works on it while the next is gathered
    else if (queue.bursts - this.#sent > EAGER_BURSTS && this.#retryAt === NEVER)
      this.#sendBursts(now, queue.bursts - 1);
  }

  flush(now: Nanos): void {
    const queue = this.#queue;
    if (queue.bursts === 0 || this.#closed || !this.#sendBursts(now, queue.bursts)) return;
    this.#sent = 0;
    this.#retryAt = NEVER;
    queue.clear();
  }

  deadline(): Nanos {
    return this.#retryAt;
  }

  path(address: PeerAddress): number {
    if (isIpv4(address.address) !== isIpv4(this.local.address)) return 0;
    return this.#peers.path(address);
  }

  peer(path: number): PeerAddress | undefined {
    return this.#peers.peer(path);
  }

  counters(): Record<string, number> {
    const { datagrams, bytes, truncated, unknown } = this.#batch;
    return { ...this.#counts, receivedDatagrams: datagrams, receivedBytes: bytes, truncated, unknown };
  }

  wakeOnPacket(woken: () => void): void {
    if (this.#closed) return;
    this.#woken = woken;
    if (this.#watch === undefined) {
      this.#watch = this.#libc.watch(this.fd, () => this.#wake());
      if (!this.#held) this.#watch.unref();
    } else this.#watch.start();
  }

  stopWaking(): void {
    if (this.#woken === undefined) return;
    this.#woken = undefined;
    this.#watch?.stop();
  }

  hold(alive: boolean): void {
    if (alive === this.#held) return;
    this.#held = alive;
    if (alive) this.#watch?.ref();
    else this.#watch?.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#woken = undefined;
    this.#watch?.stop();
    this.#watch?.close();
    for (const fd of this.#sockets) this.#libc.close(fd);
    this.#queue.close();
    this.#batch.close();
    for (const memory of [this.#scratch, this.#names, this.#header, this.#single]) memory?.release();
  }

  /** The watcher is level-triggered: it is stopped before anybody is told, or an idle loop would spin. */
  #wake(): void {
    const woken = this.#woken;
    this.#woken = undefined;
    this.#watch?.stop();
    woken?.();
  }

  /** Sends the bursts before `end` that have not left yet. @returns false when the kernel takes no more now */
  #sendBursts(now: Nanos, end: number): boolean {
    for (let burst = this.#sent; burst < end; burst++) {
      if (this.#sendBurst(burst)) continue;
      this.#sent = burst;
      this.#counts.sendWouldBlock++;
      this.#retryAt = now + RETRY_NS;
      this.#queue.settle(burst);
      return false;
    }
    this.#sent = end;
    return true;
  }

  /** @returns false when the kernel cannot take it now */
  #sendBurst(burst: number): boolean {
    const queue = this.#queue;
    const path = queue.path[burst]!;
    if (!this.#name(path)) {
      this.#counts.unsendable += queue.segments[burst]!;
      return true;
    }
    const segments = queue.segments[burst]!;
    const ecn = queue.ecn[burst]!;
    const words = this.#words;
    const name = this.#names.address + path * SOCKET_ADDRESS_BYTES;
    words[0] = name % WORD;
    words[1] = (name / WORD) | 0;
    const iov = queue.iovAddress(burst);
    words[4] = iov % WORD;
    words[5] = (iov / WORD) | 0;
    words[6] = queue.iovCount(burst);
    const first = segments > 1 ? CONTROL_AT : CONTROL_AT + SEGMENT_CONTROL_BYTES;
    const controlBytes = CONTROL_AT + (ecn === 0 ? 1 : 2) * SEGMENT_CONTROL_BYTES - first;
    if (controlBytes > 0) {
      const control = this.#header.address + first;
      words[8] = control % WORD;
      words[9] = (control / WORD) | 0;
      if (segments > 1) this.#headerView.setUint16(CONTROL_AT + CONTROL_HEADER, queue.segment[burst]!, true);
      if (ecn !== 0) words[(CONTROL_AT + SEGMENT_CONTROL_BYTES + CONTROL_HEADER) >> 2] = ecn;
    } else {
      words[8] = 0;
      words[9] = 0;
    }
    words[10] = controlBytes;
    const entropy = this.#peers.own[path] === 1 ? 0 : queue.entropy[burst]!;
    const fd = this.#sockets[entropy]!;
    if (this.#libc.sendmsg(fd, this.#message[0], LINUX.MSG_DONTWAIT) < 0) return this.#refused(burst, fd);
    this.#counts.bursts++;
    this.#counts.sentDatagrams += segments;
    this.#counts.sentBytes += queue.bytes[burst]!;
    return true;
  }

  /** @returns false when the burst is to be kept */
  #refused(burst: number, fd: number): boolean {
    const error = this.#libc.errno();
    const queue = this.#queue;
    const segments = queue.segments[burst]!;
    switch (error) {
      case ERRNO.EAGAIN:
      case ERRNO.ENOBUFS:
      case ERRNO.EINTR:
        return false;
      case ERRNO.ECONNREFUSED:
        // An earlier packet met a closed port; the error does not concern this one, which was not sent.
        this.#counts.refused++;
        return false;
      case ERRNO.EINVAL:
      case ERRNO.EIO:
      case ERRNO.EMSGSIZE:
      case ERRNO.EOPNOTSUPP:
        if (segments > 1) return this.#sendSingly(burst, fd, error);
    }
    if (error === ERRNO.EMSGSIZE) this.#counts.sendTooLong += segments;
    else this.#counts.sendErrors += segments;
    return true; // lost, as on any network: the transport recovers, and the counter tells
  }

  /** The kernel or the device does not segment after all. What it accepts singly, it gets singly from now on. */
  #sendSingly(burst: number, fd: number, error: number): boolean {
    if (error !== ERRNO.EMSGSIZE) {
      this.#gso = false;
      this.#queue.maxSegments = 1;
    }
    this.#single ??= this.#pool.allocate(SINGLE_IOV_AT + 16);
    const queue = this.#queue;
    const words = this.#words;
    const segment = queue.segment[burst]!;
    const total = queue.bytes[burst]!;
    queue.flatten(burst, this.#single.address);
    const iov = this.#single.address + SINGLE_IOV_AT;
    const iovWords = new Uint32Array(this.#single.bytes.buffer, SINGLE_IOV_AT, 4);
    words[4] = iov % WORD;
    words[5] = (iov / WORD) | 0;
    words[6] = 1;
    words[8] = 0;
    words[9] = 0;
    words[10] = 0;
    for (let at = 0; at < total; at += segment) {
      const from = this.#single.address + at;
      iovWords[0] = from % WORD;
      iovWords[1] = (from / WORD) | 0;
      const length = Math.min(segment, total - at);
      this.#sealer?.single(this.#single.bytes, at, length, queue.path[burst]!, queue.entropy[burst]!, at / segment);
      iovWords[2] = length;
      if (this.#libc.sendmsg(fd, this.#message[0], LINUX.MSG_DONTWAIT) < 0) this.#counts.sendErrors++;
      else {
        this.#counts.sentDatagrams++;
        this.#counts.sentBytes += iovWords[2];
      }
    }
    return true;
  }

  /** Writes the socket address of a path on first use. @returns false for a path that does not exist */
  #name(path: number): boolean {
    if (this.#named[path] === 1) return true;
    const peer = this.#peers.peer(path);
    if (peer === undefined) return false;
    writeSocketAddress(this.#names.bytes, path * SOCKET_ADDRESS_BYTES, peer.address, peer.port);
    this.#named[path] = 1;
    return true;
  }

  /** The socket that receives, and the others that only send. */
  #openSockets(address: Uint8Array, text: string, port: number): UdpSocket[] {
    const sockets: UdpSocket[] = [];
    try {
      while (sockets.length < this.entropies) {
        const own = sockets.length === 0 ? port : 0;
        sockets.push(openUdpSocket(this.#libc, this.#scratch, address, text, own, BUFFER_BYTES));
      }
      return sockets;
    } catch (error) {
      for (const { fd } of sockets) this.#libc.close(fd);
      this.#scratch.release();
      throw error;
    }
  }

  /** Turns receive offload on and asks whether the kernel segments. */
  #offloads(): boolean {
    const libc = this.#libc;
    const fd = this.#sockets[0]!;
    if (!setOption(libc, this.#scratch, fd, LINUX.SOL_UDP, LINUX.UDP_SEGMENT, 0)) return false;
    return setOption(libc, this.#scratch, fd, LINUX.SOL_UDP, LINUX.UDP_GRO, 1);
  }
}

export function notAnAddress(text: string): VerbsError {
  return new VerbsError('EINVAL', 'openDevice', `\`${text}\` is not an IP address`, {
    try: 'an address of this machine in numbers, such as 127.0.0.1 or ::1; names are not looked up',
  });
}

const NO_COUNTS = {
  bursts: 0,
  sentDatagrams: 0,
  sentBytes: 0,
  /** Bursts that the system did not take at once; they were kept and sent later. */
  sendWouldBlock: 0,
  /** Packets that do not fit the route. */
  sendTooLong: 0,
  sendErrors: 0,
  /** Packets that named no path or memory. */
  unsendable: 0,
  /** Notices that a peer's port is closed. */
  refused: 0,
  receiveErrors: 0,
};

/** What is asked of the system for each direction of a socket. */
const BUFFER_BYTES = 8 * 2 ** 20;
/** Bursts that are gathered before the first of them leaves. */
const EAGER_BURSTS = 2;
/** After a full send buffer. */
const RETRY_NS: Nanos = 50_000;
const WORD = 2 ** 32;
// struct msghdr, then the control messages.
const CONTROL_AT = 64;
const CONTROL_HEADER = 16;
const HEADER_BYTES = 4096;
const SINGLE_IOV_AT = 65_536;
