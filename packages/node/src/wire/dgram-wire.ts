/**
 * UDP through Node's own sockets: the fall-back that runs everywhere. Packets arrive while the event loop turns, wait
 * in a bounded queue, and go to the engine in `receive`.
 *
 * Node has no way to say that packets may not be fragmented, which is what makes the identification of IPv4 packets
 * known, and seals right for everybody. Where there is a C library, such sockets come from it. Elsewhere only peers that do
 * not see the identification themselves, such as this program, take sealed packets over IPv4; they are counted.
 */
import { type BindOptions, createSocket, type Socket } from 'node:dgram';
import {
  type DmaSpace,
  type Engine,
  HEADER_ROOM,
  type Nanos,
  NEVER,
  Packet,
  type PeerAddress,
  VerbsError,
} from '@verbena/core';
import { formatAddress, isIpv4, parseAddress } from '@verbena/core/wire';
import { type Libc, libcProblem } from '../memory/libc.ts';
import type { MemoryPool } from '../memory/mapped-memory.ts';
import { notAnAddress } from './gso-wire.ts';
import {
  type LiveWire,
  type LocalAddress,
  MAX_DATAGRAM,
  MAX_ENTROPIES,
  MAX_PACKETS,
  type WireOptions,
} from './live-wire.ts';
import { PathMtuNotices } from './path-mtu-notices.ts';
import { PeerTable } from './peer-table.ts';
import { Sealer } from './sealer.ts';
import { openUdpSocket, SCRATCH_BYTES, socketError } from './udp-socket.ts';
import { parseZonedAddress, withZone, type ZonedAddress } from './zoned-address.ts';

export class DgramWire implements LiveWire {
  readonly level = 'dgram';
  readonly polls = false;
  readonly local: LocalAddress;
  readonly entropies: number;
  readonly ports: readonly number[];
  readonly receiveBufferBytes: number;
  dma: DmaSpace;

  readonly #sockets: Socket[];
  readonly #peers: PeerTable;
  readonly #sealer: Sealer | undefined;
  /** The identification of packets is known. */
  readonly #identified: boolean;
  readonly #zone: string;
  readonly #notices: PathMtuNotices;
  readonly #texts: string[] = [];
  readonly #arrived: Arrival[] = [];
  #nextArrival = 0;
  readonly #receiveArena = new Uint8Array(RECEIVE_BYTES);
  readonly #received: Packet;
  readonly #slotArena = new Uint8Array(HEADER_ROOM + MAX_DATAGRAM);
  readonly #slot: Packet;
  /** Buffers of packets on their way through the socket, given back when it is done with them. */
  readonly #free: Buffer[] = [];
  #buffers = 0;
  readonly #counts = { ...NO_COUNTS };
  #woken: (() => void) | undefined;
  #held = false;
  #closed = false;

  /**
   * @param system - for what Node's sockets have no call for
   * @throws VerbsError `EINVAL` · `EADDRINUSE` · `EADDRNOTAVAIL` · `EACCES` · `EIO`
   */
  static async open(dma: DmaSpace, options: WireOptions, system?: System): Promise<DgramWire> {
    const zoned = parseZonedAddress(options.address);
    if (zoned === undefined) throw notAnAddress(options.address);
    if (options.ipProtocol !== undefined) throw needsLibc();
    if (options.classesAsked === true) throw setsNoClass();
    const { address, text } = zoned;
    const entropies = Math.max(1, Math.min(options.entropies, MAX_ENTROPIES));
    const sockets: Socket[] = [];
    const whole = options.seal !== undefined && isIpv4(address) ? system : undefined;
    try {
      for (let i = 0; i < entropies; i++) {
        const socket = createSocket({
          type: isIpv4(address) ? 'udp4' : 'udp6',
          ipv6Only: !isIpv4(address),
          // Addresses are numbers already; Node's own lookup would cost a turn of the event loop.
          lookup: (host, _options, done) => done(null, host, isIpv4(address) ? 4 : 6),
        });
        sockets.push(socket);
        const port = i === 0 ? options.port : 0;
        await bind(socket, whole === undefined ? { address: text, port } : { fd: openWhole(whole, zoned, port) });
      }
    } catch (error) {
      for (const socket of sockets) socket.close();
      if (error instanceof VerbsError) throw error;
      throw socketError((error as NodeJS.ErrnoException).code ?? String(error), text, options.port);
    }
    const local = { text: formatAddress(address), address, port: sockets[0]!.address().port };
    const identified = !isIpv4(address) || whole !== undefined;
    return new DgramWire(sockets, local, zoned.zone, dma, options, identified);
  }

  private constructor(
    sockets: Socket[],
    local: LocalAddress,
    zone: string,
    dma: DmaSpace,
    { peerPort, seal }: WireOptions,
    identified: boolean,
  ) {
    this.#sockets = sockets;
    this.local = local;
    this.#zone = zone;
    this.#notices = new PathMtuNotices(local.text);
    this.dma = dma;
    this.entropies = sockets.length;
    this.ports = sockets.map((socket) => socket.address().port);
    this.#peers = new PeerTable(local.address, peerPort);
    this.#sealer = seal === undefined ? undefined : new Sealer(seal, local, this.ports, this.#peers);
    this.#identified = identified;
    this.#received = new Packet(this.#receiveArena);
    this.#slot = new Packet(this.#slotArena);
    const main = sockets[0]!;
    this.receiveBufferBytes = enlargeBuffers(main);
    main.on('message', (bytes, from) => this.#arrive(bytes, from.address, from.port));
    for (const socket of sockets) {
      socket.on('error', () => this.#counts.receiveErrors++);
      socket.unref();
    }
  }

  receive(now: Nanos, engine: Engine): number {
    const packet = this.#received;
    let packets = 0;
    let at = 0;
    while (packets < MAX_BATCH && this.#nextArrival < this.#arrived.length) {
      const { path, port, bytes } = this.#arrived[this.#nextArrival]!;
      if (at + bytes.length > RECEIVE_BYTES) break;
      this.#nextArrival++;
      // Copied to one arena, so that views on received payload can be kept.
      this.#receiveArena.set(bytes, at);
      packet.reset();
      packet.at = at;
      packet.length = bytes.length;
      packet.path = path;
      at += (bytes.length + 63) & ~63;
      packets++;
      this.#sealer?.open(packet, port);
      engine.receive(now, packet);
    }
    if (this.#nextArrival === this.#arrived.length) {
      this.#arrived.length = 0;
      this.#nextArrival = 0;
    }
    return packets;
  }

  slot(): Packet | undefined {
    if (this.#closed || (this.#free.length === 0 && this.#buffers === MAX_BUFFERS)) return undefined;
    const packet = this.#slot;
    packet.reset();
    packet.at = 0;
    return packet;
  }

  send(_now: Nanos): void {
    const packet = this.#slot;
    const text = this.#text(packet.path);
    const sealer = this.#sealer;
    const covered = packet.length + packet.payloadLength() + packet.padding;
    const total = covered + (sealer?.bytes ?? 0);
    if (text === undefined || total === 0 || total > MAX_DATAGRAM) {
      this.#counts.unsendable++;
      return;
    }
    const buffer = this.#buffer(total);
    buffer.set(this.#slotArena.subarray(0, packet.length));
    let at = packet.length;
    for (let i = 0; i < packet.slices; i++) {
      const length = packet.sliceLength[i]!;
      if (!this.dma.fetch(packet.sliceRegion[i]!, packet.sliceOffset[i]!, buffer, at, length)) {
        this.#counts.unsendable++;
        this.#free.push(buffer);
        return;
      }
      at += length;
    }
    buffer.fill(0, at, at + packet.padding);
    const entropy = this.#peers.own[packet.path] === 1 ? 0 : packet.entropy % this.entropies;
    if (sealer !== undefined) {
      sealer.write(packet, buffer, 0, covered, entropy, 0);
      if (!this.#identified) this.#counts.sentUnidentified++;
    }
    this.#counts.bursts++;
    this.#counts.sentDatagrams++;
    this.#counts.sentBytes += total;
    const { path } = packet;
    this.#sockets[entropy]!.send(buffer, 0, total, this.#peers.port(path), text, (error) => {
      this.#free.push(buffer);
      if (error !== null) this.#failed(error as NodeJS.ErrnoException, path, total);
    });
  }

  flush(_now: Nanos): void {}

  deadline(): Nanos {
    // More than one batch came in: drive on at once.
    return this.#arrived.length > 0 ? 0 : NEVER;
  }

  path(address: PeerAddress): number {
    if (isIpv4(address.address) !== isIpv4(this.local.address)) return 0;
    return this.#peers.path(address);
  }

  peer(path: number): PeerAddress | undefined {
    return this.#peers.peer(path);
  }

  counters(): Record<string, number> {
    return { ...this.#counts };
  }

  wakeOnPacket(woken: () => void): void {
    this.#woken = woken;
  }

  stopWaking(): void {
    this.#woken = undefined;
  }

  hold(alive: boolean): void {
    if (alive === this.#held || this.#closed) return;
    this.#held = alive;
    if (alive) this.#sockets[0]!.ref();
    else this.#sockets[0]!.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#woken = undefined;
    this.#arrived.length = 0;
    for (const socket of this.#sockets) socket.close();
  }

  #arrive(bytes: Buffer, address: string, port: number): void {
    this.#counts.receivedDatagrams++;
    this.#counts.receivedBytes += bytes.length;
    const zone = address.indexOf('%');
    const from = parseAddress(zone < 0 ? address : address.slice(0, zone));
    if (from === undefined) return;
    const words = new Int32Array(from.buffer);
    const path = this.#peers.arrival(words[0]!, words[1]!, words[2]!, words[3]!, port);
    if (path === 0) this.#counts.unknown++;
    else if (this.#arrived.length - this.#nextArrival >= MAX_ARRIVED) this.#counts.receiveQueueFull++;
    else this.#arrived.push({ path, port, bytes });
    const woken = this.#woken;
    this.#woken = undefined;
    woken?.();
  }

  #text(path: number): string | undefined {
    const known = this.#texts[path];
    if (known !== undefined) return known;
    const peer = this.#peers.peer(path);
    if (peer === undefined) return undefined;
    const text = withZone(peer.address, this.#zone);
    this.#texts[path] = text;
    return text;
  }

  #buffer(bytes: number): Buffer {
    const free = this.#free.pop();
    if (free !== undefined && free.length >= bytes) return free;
    if (free === undefined) this.#buffers++;
    return Buffer.allocUnsafeSlow(Math.max(bytes, BUFFER_BYTES));
  }

  #failed(error: NodeJS.ErrnoException, path: number, bytes: number): void {
    if (error.code === 'ECONNREFUSED') this.#counts.refused++;
    else if (error.code === 'EMSGSIZE') {
      this.#counts.sendTooLong++;
      const peer = this.#peers.peer(path);
      if (peer !== undefined && this.#notices.isNew(path)) this.#notices.say(peer, bytes, UDP_BYTES, 0);
    } else this.#counts.sendErrors++;
  }
}

interface System {
  readonly libc: Libc;
  readonly pool: MemoryPool;
}

interface Arrival {
  readonly path: number;
  /** UDP source port. */
  readonly port: number;
  readonly bytes: Uint8Array;
}

function bind(socket: Socket, to: BindOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ ...to, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

/** Opens a socket whose packets may not be fragmented, for Node to take over. @returns its descriptor */
function openWhole({ libc, pool }: System, { address, text, scope }: ZonedAddress, port: number): number {
  const scratch = pool.allocate(SCRATCH_BYTES);
  try {
    return openUdpSocket(libc, scratch, address, text, port, SOCKET_BUFFER_BYTES, scope).fd;
  } finally {
    scratch.release();
  }
}

/** @returns what was granted for receiving */
function enlargeBuffers(socket: Socket): number {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
    return socket.getRecvBufferSize() >> 1;
  } catch {
    return 0;
  }
}

const NO_COUNTS = {
  bursts: 0,
  sentDatagrams: 0,
  sentBytes: 0,
  sendTooLong: 0,
  sendErrors: 0,
  unsendable: 0,
  /** Sealed packets whose IPv4 identification the seal had to guess: peers that see it drop them. */
  sentUnidentified: 0,
  refused: 0,
  receiveErrors: 0,
  receivedDatagrams: 0,
  receivedBytes: 0,
  unknown: 0,
  /** Packets that the program did not take in time. */
  receiveQueueFull: 0,
};

const needsLibc = (): VerbsError =>
  new VerbsError('EOPNOTSUPP', 'openDevice', "Node's own sockets cannot send packets directly over IP", {
    given: `I/O level dgram${libcProblem() === '' ? '' : `: ${libcProblem()}`}`,
    try: "encapsulation: 'udp'; or io: 'auto' with the optional package koffi, on Linux",
  });

const setsNoClass = (): VerbsError =>
  new VerbsError('EOPNOTSUPP', 'openDevice', "Node's own sockets cannot set the traffic class of packets", {
    given: `I/O level dgram${libcProblem() === '' ? '' : `: ${libcProblem()}`}`,
    try: "no option dscp; or io: 'auto' with the optional package koffi, on Linux",
  });

const UDP_BYTES = 8;
const MAX_BATCH = 64;
const MAX_ARRIVED = 2048;
/** Packets inside Node's sockets at a time. */
const MAX_BUFFERS = 4 * MAX_PACKETS;
const BUFFER_BYTES = 4608;
const RECEIVE_BYTES = 4 * 65_536;
const SOCKET_BUFFER_BYTES = 4 * 2 ** 20;
