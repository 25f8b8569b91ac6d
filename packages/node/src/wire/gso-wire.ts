/**
 * UDP through the C library: bursts out with one system call (UDP_SEGMENT), bursts in with one (UDP_GRO).
 *
 * Without segmentation the same code sends and receives single packets, many with one system call: level `batch`.
 * Packets directly over IP, from a raw socket, always travel like that.
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
import { formatAddress, isIpv4 } from '@verbena/core/wire';
import { ERRNO, LINUX, type Libc, type Watch } from '../memory/libc.ts';
import type { MappedMemory, MemoryPool } from '../memory/mapped-memory.ts';
import { openIpSocket } from './ip-socket.ts';
import {
  type IoLevel,
  type LiveWire,
  type LocalAddress,
  MAX_ENTROPIES,
  NO_CLASSES,
  type WireOptions,
} from './live-wire.ts';
import { MessageHeaders } from './message-headers.ts';
import { PathMtuNotices } from './path-mtu-notices.ts';
import { MAX_PATHS, PeerTable } from './peer-table.ts';
import { ENTROPY_BYTES, ReceiveBatch } from './receive-batch.ts';
import { Sealer } from './sealer.ts';
import { SendQueue } from './send-queue.ts';
import {
  openUdpSocket,
  pathMtu,
  SCRATCH_BYTES,
  SOCKET_ADDRESS_BYTES,
  setOption,
  type UdpSocket,
  writeSocketAddress,
} from './udp-socket.ts';
import { parseZonedAddress, type ZonedAddress } from './zoned-address.ts';

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
  /** Of descriptors that are only held. */
  readonly #claims: readonly number[];
  /** Packets directly over IP. */
  readonly #native: boolean;
  readonly #scope: number;
  readonly #notices: PathMtuNotices;
  readonly #peers: PeerTable;
  readonly #queue: SendQueue;
  readonly #batch: ReceiveBatch;
  readonly #sealer: Sealer | undefined;
  readonly #scratch: MappedMemory;
  readonly #names: MappedMemory;
  readonly #named = new Uint8Array(MAX_PATHS + 1);
  readonly #messages: MessageHeaders;
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
    const zoned = parseZonedAddress(options.address);
    if (zoned === undefined) throw notAnAddress(options.address);
    const { address, text } = zoned;
    const { seal, classes = NO_CLASSES } = options;
    const v4 = isIpv4(address);
    this.#libc = libc;
    this.#pool = pool;
    this.#scratch = pool.allocate(SCRATCH_BYTES);
    this.#native = options.ipProtocol !== undefined;
    this.#scope = zoned.scope;
    this.#notices = new PathMtuNotices(text);
    this.entropies = Math.max(1, Math.min(options.entropies, MAX_ENTROPIES));
    const sockets = this.#openSockets(zoned, options);
    const main = sockets[0]!;
    this.#sockets = sockets.map((socket) => socket.fd);
    this.#claims = sockets.flatMap(({ claim }) => claim ?? []);
    // directly over IP a packet carries the number of its route
    this.ports = this.#native ? Array.from({ length: this.entropies }, (_, i) => i) : sockets.map(({ port }) => port);
    this.fd = main.fd;
    this.receiveBufferBytes = main.receiveBufferBytes;
    this.sendBufferBytes = main.sendBufferBytes;
    this.local = { text: formatAddress(address), address, port: main.port };
    this.#gso = level === 'gso' && !this.#native && this.#offloads();
    if (v4) setOption(libc, this.#scratch, main.fd, LINUX.SOL_IP, LINUX.IP_RECVTOS, 1);
    else setOption(libc, this.#scratch, main.fd, LINUX.SOL_IPV6, LINUX.IPV6_RECVTCLASS, 1);
    this.#peers = new PeerTable(address, this.#native ? 0 : options.peerPort);
    // Where a seal covers the packet, peers may leave the sum of UDP out, as RoCEv2 does; with IPv6 the kernel would drop it.
    if (!v4 && seal !== undefined && !this.#native)
      setOption(libc, this.#scratch, main.fd, LINUX.SOL_UDP, LINUX.UDP_NO_CHECK6_RX, 1);
    const ports = this.#native ? undefined : this.ports;
    this.#sealer = seal === undefined ? undefined : new Sealer(seal, this.local, ports, this.#peers);
    this.#queue = new SendQueue(libc, pool, dma, classes, this.#sealer, this.#native ? ENTROPY_BYTES : 0);
    if (!this.#gso) this.#queue.maxSegments = 1;
    const [sealer, native] = [this.#sealer, this.#native];
    this.#batch = new ReceiveBatch(libc, pool, main.fd, this.#peers, { v4, native, classes, sealer });
    this.#names = pool.allocate((MAX_PATHS + 1) * SOCKET_ADDRESS_BYTES);
    this.#messages = new MessageHeaders(pool, this.#queue, v4);
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
    if (!queue.push(this.#native ? MAX_ENTROPY_VALUES : this.entropies)) this.#counts.unsendable++;
    // a full burst need not wait for the flush: the peer works on it while the next is gathered
    else if (queue.bursts - this.#sent > (this.#gso ? EAGER_BURSTS : EAGER_PACKETS) && this.#retryAt === NEVER)
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
    return this.#peers.path(this.#native ? { address: address.address, port: 0 } : address);
  }

  peer(path: number): PeerAddress | undefined {
    return this.#peers.peer(path);
  }

  counters(): Record<string, number> {
    const { datagrams, bytes, truncated, malformed, unknown } = this.#batch;
    const arrived = { receivedDatagrams: datagrams, receivedBytes: bytes, truncated, unknown };
    return { ...this.#counts, ...arrived, ...(this.#native ? { malformed } : {}) };
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
    for (const fd of [...this.#sockets, ...this.#claims]) this.#libc.close(fd);
    this.#queue.close();
    this.#batch.close();
    this.#messages.release();
    for (const memory of [this.#scratch, this.#names, this.#single]) memory?.release();
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
    for (let burst = this.#sent; burst < end; ) {
      const done = this.#send(burst, end);
      burst += done;
      if (done > 0) continue;
      this.#sent = burst;
      this.#counts.sendWouldBlock++;
      this.#retryAt = now + RETRY_NS;
      this.#queue.settle(burst);
      return false;
    }
    this.#sent = end;
    return true;
  }

  /** Sends one burst; of single packets as many as one system call takes. @returns bursts done with; 0: not now */
  #send(burst: number, end: number): number {
    const queue = this.#queue;
    const path = queue.path[burst]!;
    if (!this.#name(path)) {
      this.#counts.unsendable += queue.segments[burst]!;
      return 1;
    }
    const fd = this.#socketOf(burst);
    this.#messages.fill(0, burst, this.#nameOf(path));
    let count = 1;
    if (!this.#gso) {
      for (let next = burst + 1; next < end && this.#socketOf(next) === fd && this.#name(queue.path[next]!); next++) {
        this.#messages.fill(count++, next, this.#nameOf(queue.path[next]!));
      }
    }
    const { first } = this.#messages;
    let sent = 1;
    if (count > 1) sent = this.#libc.sendmmsg(fd, first[0], count, LINUX.MSG_DONTWAIT);
    else if (this.#libc.sendmsg(fd, first[0], LINUX.MSG_DONTWAIT) < 0) sent = -1;
    if (sent < 0) return this.#refused(burst, fd) ? 1 : 0;
    this.#counts.bursts++;
    for (let i = burst; i < burst + sent; i++) {
      this.#counts.sentDatagrams += queue.segments[i]!;
      this.#counts.sentBytes += queue.bytes[i]!;
    }
    return sent;
  }

  #socketOf(burst: number): number {
    if (this.#native) return this.fd;
    const queue = this.#queue;
    return this.#sockets[this.#peers.own[queue.path[burst]!] === 1 ? 0 : queue.entropy[burst]!]!;
  }

  #nameOf(path: number): number {
    return this.#names.address + path * SOCKET_ADDRESS_BYTES;
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
    if (error === ERRNO.EMSGSIZE) this.#tooLong(queue.path[burst]!, queue.segment[burst]!, segments);
    else this.#counts.sendErrors += segments;
    return true; // lost, as on any network: the transport recovers, and the counter tells
  }

  /**
   * The kernel or the device does not segment after all, or the packets do not fit the path. If the kernel accepts them
   * singly, it gets them singly from now on.
   */
  #sendSingly(burst: number, fd: number, error: number): boolean {
    this.#single ??= this.#pool.allocate(SINGLE_IOV_AT + 16);
    const queue = this.#queue;
    const path = queue.path[burst]!;
    const segment = queue.segment[burst]!;
    const total = queue.bytes[burst]!;
    queue.flatten(burst, this.#single.address);
    const iov = this.#single.address + SINGLE_IOV_AT;
    const iovWords = new Uint32Array(this.#single.bytes.buffer, SINGLE_IOV_AT, 4);
    this.#messages.fillSingle(burst, this.#nameOf(path), iov);
    let fits = true;
    for (let at = 0; at < total; at += segment) {
      const from = this.#single.address + at;
      iovWords[0] = from % WORD;
      iovWords[1] = (from / WORD) | 0;
      const length = Math.min(segment, total - at);
      this.#sealer?.single(this.#single.bytes, at, length, path, queue.entropy[burst]!, at / segment);
      iovWords[2] = length;
      if (this.#libc.sendmsg(fd, this.#messages.first[0], LINUX.MSG_DONTWAIT) >= 0) {
        this.#counts.sentDatagrams++;
        this.#counts.sentBytes += length;
      } else if (this.#libc.errno() === ERRNO.EMSGSIZE) {
        fits = false;
        this.#tooLong(path, length, 1);
      } else this.#counts.sendErrors++;
    }
    if (fits && error !== ERRNO.EMSGSIZE) {
      this.#gso = false;
      this.#queue.maxSegments = 1;
    }
    return true;
  }

  #tooLong(path: number, bytes: number, packets: number): void {
    this.#counts.sendTooLong += packets;
    const peer = this.#peers.peer(path);
    if (peer === undefined || !this.#notices.isNew(path)) return;
    const mtu = pathMtu(this.#libc, this.#scratch, peer.address, this.#scope);
    this.#notices.say(peer, bytes, this.#native ? 0 : UDP_BYTES, mtu);
  }

  /** Writes the socket address of a path on first use. @returns false for a path that does not exist */
  #name(path: number): boolean {
    if (this.#named[path] === 1) return true;
    const peer = this.#peers.peer(path);
    if (peer === undefined) return false;
    const at = path * SOCKET_ADDRESS_BYTES;
    writeSocketAddress(this.#names.bytes, at, peer.address, peer.port, this.#scope);
    this.#named[path] = 1;
    return true;
  }

  /** The socket that receives, and, with UDP, the others that only send. */
  #openSockets({ address, text, scope }: ZonedAddress, options: WireOptions): OpenSocket[] {
    const { port, ipProtocol } = options;
    const sockets: OpenSocket[] = [];
    try {
      if (ipProtocol !== undefined) {
        return [openIpSocket(this.#libc, this.#scratch, address, text, ipProtocol, BUFFER_BYTES, scope)];
      }
      while (sockets.length < this.entropies) {
        const own = sockets.length === 0 ? port : 0;
        sockets.push(openUdpSocket(this.#libc, this.#scratch, address, text, own, BUFFER_BYTES, scope));
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

type OpenSocket = UdpSocket & { readonly claim?: number };

export function notAnAddress(text: string): VerbsError {
  return new VerbsError('EINVAL', 'openDevice', `\`${text}\` is not an IP address`, {
    try: 'an address of this machine in numbers, such as 127.0.0.1, ::1 or fe80::1%eth0; names are not looked up',
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
/** The same for packets that leave one by one, or the calls would cost more than they save. */
const EAGER_PACKETS = 16;
/** After a full send buffer. */
const RETRY_NS: Nanos = 50_000;
const WORD = 2 ** 32;
const UDP_BYTES = 8;
/** Of an entropy header. */
const MAX_ENTROPY_VALUES = 2 ** 16;
const SINGLE_IOV_AT = 65_536;
