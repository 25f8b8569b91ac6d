/** The wire of a simulated node: gathers each packet, checks it, and puts it on the network. */
import type { DmaSpace } from '../engine/dma.ts';
import type { Engine } from '../engine/engine.ts';
import { HEADER_ROOM, MAX_SLICES, Packet } from '../engine/packet.ts';
import { type Nanos, NEVER } from '../engine/time.ts';
import type { PeerAddress, WireHost } from '../engine/wire-host.ts';
import type { InFlight } from './network.ts';

/** The other side of the wire. */
export interface Attachment {
  readonly dma: DmaSpace;
  /** Header and payload bytes of the largest packet. */
  readonly mtuBytes: number;
  readonly headerBytes: number;
  /** Number of the node at an address; -1 when nobody is there. */
  nodeAt(peer: PeerAddress): number;
  addressOf(node: number): PeerAddress;
  carry(now: Nanos, to: number, bytes: Uint8Array, length: number, packet: Packet): void;
  /** A packet that an engine must not send. */
  violation(text: string): void;
  release(one: InFlight): void;
}

export class SimWire implements WireHost {
  readonly #attachment: Attachment;
  readonly #out = new Packet(new Uint8Array(HEADER_ROOM));
  readonly #wire: Uint8Array;
  readonly #inbox: InFlight[] = [];
  /** Place in these lists is the path, less one. */
  readonly #peers: PeerAddress[] = [];
  readonly #nodes: number[] = [];
  /** The host takes no packets now: back-pressure. */
  full = false;

  constructor(attachment: Attachment) {
    this.#attachment = attachment;
    this.#wire = new Uint8Array(attachment.mtuBytes + HEADER_ROOM);
  }

  /** A packet arrived; it waits until the device looks. */
  put(one: InFlight): void {
    this.#inbox.push(one);
  }

  get waiting(): number {
    return this.#inbox.length;
  }

  receive(now: Nanos, engine: Engine): number {
    const count = Math.min(BATCH, this.#inbox.length);
    for (let i = 0; i < count; i++) {
      const one = this.#inbox[i]!;
      const { packet } = one;
      packet.path = this.path(this.#attachment.addressOf(one.from));
      engine.receive(now, packet);
      this.#attachment.release(one);
    }
    this.#inbox.splice(0, count);
    return count;
  }

  slot(): Packet | undefined {
    if (this.full) return undefined;
    this.#out.reset();
    return this.#out;
  }

  send(now: Nanos): void {
    const out = this.#out;
    const { dma, mtuBytes, violation } = this.#attachment;
    const length = out.length + out.payloadLength() + out.padding;
    if (out.length > HEADER_ROOM) return violation(`${out.length} header bytes, there is room for ${HEADER_ROOM}`);
    if (length > mtuBytes) return violation(`a packet of ${length} bytes, the MTU is ${mtuBytes}`);
    if (out.slices > MAX_SLICES) return violation(`a packet of ${out.slices} slices`);
    const wire = this.#wire;
    for (let i = 0; i < out.length; i++) wire[i] = out.bytes[out.at + i]!;
    let at = out.length;
    for (let i = 0; i < out.slices; i++) {
      const size = out.sliceLength[i]!;
      const region = out.sliceRegion[i]!;
      if (size < 0 || dma.target(region) === undefined || !dma.fetch(region, out.sliceOffset[i]!, wire, at, size)) {
        return violation(`slice of ${size} bytes at ${out.sliceOffset[i]} of region ${region} names no memory`);
      }
      at += size;
    }
    for (let i = 0; i < out.padding; i++) wire[at + i] = 0;
    const to = this.#nodes[out.path - 1];
    if (to === undefined) return violation(`path ${out.path} is unknown`);
    this.#attachment.carry(now, to, wire, length, out);
  }

  flush(): void {}

  deadline(): Nanos {
    return this.#inbox.length > 0 ? 0 : NEVER;
  }

  path(address: PeerAddress): number {
    const known = this.#peers.findIndex((one) => isSame(one, address));
    if (known >= 0) return known + 1;
    if (this.#peers.length >= MAX_PATHS) return 0;
    this.#peers.push({ address: address.address.slice(), port: address.port });
    return this.#nodes.push(this.#attachment.nodeAt(address));
  }

  peer(path: number): PeerAddress | undefined {
    return this.#peers[path - 1];
  }
}

export const isSame = (a: PeerAddress, b: PeerAddress): boolean =>
  a.port === b.port && a.address.every((byte, i) => byte === b.address[i]);

/** Packets that a device takes in at a time. */
const BATCH = 32;
const MAX_PATHS = 1024;
