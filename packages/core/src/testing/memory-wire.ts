/** Wires in memory: what one device sends is there when the other one looks next, whole and in order. */
import { formatAddress } from '../base/ip-address.ts';
import type { DmaSpace } from '../engine/dma.ts';
import type { Engine } from '../engine/engine.ts';
import { HEADER_ROOM, Packet } from '../engine/packet.ts';
import { type Nanos, NEVER } from '../engine/time.ts';
import type { PeerAddress, WireHost } from '../engine/wire-host.ts';

/** The network between memory wires: ends by address and port. */
export class MemoryFabric {
  readonly #ends = new Map<string, MemoryWire>();

  /** @param dma - where payload of this end is gathered from */
  connect(local: PeerAddress, dma: DmaSpace): MemoryWire {
    const wire = new MemoryWire(this, local, dma);
    this.#ends.set(keyOf(local), wire);
    return wire;
  }

  /** The cable is pulled: packets to it are lost, and it sends nothing. */
  pull(wire: MemoryWire): void {
    if (this.#ends.get(keyOf(wire.local)) === wire) this.#ends.delete(keyOf(wire.local));
  }

  end(address: PeerAddress): MemoryWire | undefined {
    return this.#ends.get(keyOf(address));
  }
}

export class MemoryWire implements WireHost {
  readonly local: PeerAddress;
  /** Packets that left here, also those that nobody got. */
  sent = 0;
  readonly #fabric: MemoryFabric;
  readonly #dma: DmaSpace;
  readonly #arrived: { readonly from: PeerAddress; readonly bytes: Uint8Array }[] = [];
  readonly #peers: PeerAddress[] = [];
  readonly #slot = new Packet(new Uint8Array(HEADER_ROOM));

  constructor(fabric: MemoryFabric, local: PeerAddress, dma: DmaSpace) {
    this.#fabric = fabric;
    this.local = local;
    this.#dma = dma;
  }

  receive(now: Nanos, engine: Engine): number {
    const arrived = this.#arrived.splice(0);
    for (const { from, bytes } of arrived) {
      const packet = new Packet(bytes);
      packet.length = bytes.length;
      packet.path = this.path(from);
      engine.receive(now, packet);
    }
    return arrived.length;
  }

  slot(): Packet {
    this.#slot.reset();
    return this.#slot;
  }

  send(): void {
    const out = this.#slot;
    this.sent++;
    const to = this.peer(out.path);
    const end = to === undefined ? undefined : this.#fabric.end(to);
    if (end === undefined || this.#fabric.end(this.local) !== this) return;
    const bytes = new Uint8Array(out.length + out.payloadLength() + out.padding);
    bytes.set(out.bytes.subarray(out.at, out.at + out.length));
    for (let i = 0, at = out.length; i < out.slices; at += out.sliceLength[i++]!) {
      this.#dma.fetch(out.sliceRegion[i]!, out.sliceOffset[i]!, bytes, at, out.sliceLength[i]!);
    }
    if (end.#arrived.length < MAX_WAITING) end.#arrived.push({ from: this.local, bytes });
  }

  flush(): void {}

  deadline(): Nanos {
    return NEVER;
  }

  path(address: PeerAddress): number {
    const found = this.#peers.findIndex((one) => keyOf(one) === keyOf(address));
    return found >= 0 ? found + 1 : this.#peers.push(address);
  }

  peer(path: number): PeerAddress | undefined {
    return this.#peers[path - 1];
  }
}

const keyOf = ({ address, port }: PeerAddress): string => `${formatAddress(address)} ${port}`;
/** More packets than this are lost, as in any network. */
const MAX_WAITING = 4096;
