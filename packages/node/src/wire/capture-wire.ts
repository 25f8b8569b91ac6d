/**
 * A wire that shows what passes: records of a pcapng file with whole IP packets, both directions, as a packet
 * sniffer would have seen them. Sits directly on the live wire, so faults injected above it show. Where the records go
 * is up to its sinks: a file of this program, or whoever looks at a device from outside.
 *
 * What only the system knows is filled in: identification 0, 64 hops, for packets that came in the source port that
 * the peer listens on. Seals are made again for these headers, so that they fit whenever the real one did.
 */
import {
  type CaptureSink,
  Datagram,
  type DmaSpace,
  type Engine,
  type Nanos,
  type Packet,
  type PeerAddress,
  type Seal,
  type WireHost,
} from '@verbena/core';
import {
  EntropyHeader,
  IpProtocol,
  Ipv4,
  Ipv6,
  ipv4Checksum,
  isIpv4,
  LinkType,
  pcapngInterface,
  pcapngPacket,
  pcapngSection,
  Udp,
  udpChecksum,
} from '@verbena/core/wire';
import { spoilSeal } from './sealer.ts';
import type { SendClasses } from './send-queue.ts';

/** What the wire below knows, and packets do not. */
export interface CapturePlace {
  readonly local: PeerAddress;
  /** UDP source port of a send route. */
  readonly sourcePort: (entropy: number) => number;
  /** What the wire below puts behind packets and takes off them. */
  readonly seal?: Seal | undefined;
  /** Of packets directly over IP. */
  readonly ipProtocol?: number | undefined;
  /** DSCP of what is sent. */
  readonly classes?: SendClasses | undefined;
}

/** What stands before the frames of a file. @param device - name of the interface */
export function captureHeader(device: string): Uint8Array {
  const section = pcapngSection({ application: 'Verbena' });
  const about = pcapngInterface({ linkType: LinkType.RAW, name: device });
  const header = new Uint8Array(section.length + about.length);
  header.set(section);
  header.set(about, section.length);
  return header;
}

export class CaptureWire implements WireHost {
  readonly #inner: WireHost;
  readonly #dma: DmaSpace;
  readonly #place: CapturePlace;
  readonly #sinks = new Set<CaptureSink>();
  /** Those that have room for the packet at hand. */
  readonly #takers: CaptureSink[] = [];
  readonly #frame = new Uint8Array(MAX_FRAME);
  readonly #view = new DataView(this.#frame.buffer);
  readonly #datagram = new Datagram();
  /** Wall clock minus the monotonic one, at the start: later jumps of the wall clock do not reorder the file. */
  readonly #epochNs = BigInt(Math.round(performance.timeOrigin * 1e3)) * 1000n;
  readonly #tap: Engine;
  #engine: Engine | undefined;
  #slot: Packet | undefined;

  constructor(inner: WireHost, dma: DmaSpace, place: CapturePlace) {
    this.#inner = inner;
    this.#dma = dma;
    this.#place = place;
    // A wire only ever calls `receive` of the engine that it is given.
    this.#tap = {
      receive: (now: Nanos, packet: Packet) => {
        this.#arrived(packet);
        this.#engine?.receive(now, packet);
      },
    } as unknown as Engine;
  }

  /** Frames go there, too, from now on. The header is the caller's business. */
  add(sink: CaptureSink): void {
    this.#sinks.add(sink);
  }

  remove(sink: CaptureSink): void {
    this.#sinks.delete(sink);
  }

  /** Somebody gets what passes. */
  get used(): boolean {
    return this.#sinks.size > 0;
  }

  receive(now: Nanos, engine: Engine): number {
    this.#engine = engine;
    return this.#inner.receive(now, this.#tap);
  }

  slot(): Packet | undefined {
    this.#slot = this.#inner.slot();
    return this.#slot;
  }

  send(now: Nanos): void {
    if (this.#slot !== undefined) this.#departs(this.#slot);
    this.#inner.send(now);
  }

  flush(now: Nanos): void {
    this.#inner.flush(now);
  }

  deadline(): Nanos {
    return this.#inner.deadline();
  }

  path(address: PeerAddress): number {
    return this.#inner.path(address);
  }

  peer(path: number): PeerAddress | undefined {
    return this.#inner.peer(path);
  }

  #arrived(packet: Packet): void {
    const peer = this.#inner.peer(packet.path);
    if (peer === undefined || this.#unwanted(packet.length + this.#sealBytes)) return;
    const from = this.#native ? { address: peer.address, port: packet.entropy } : peer;
    const at = this.#payloadAt();
    this.#frame.set(packet.bytes.subarray(packet.at, packet.at + packet.length), at);
    const { local, seal } = this.#place;
    const headers =
      seal === undefined ? 0 : Math.min(seal.headerLength(packet.bytes, packet.at, packet.length), packet.length);
    this.#record('in', from, local, headers, packet.length, packet);
  }

  #departs(packet: Packet): void {
    const peer = this.#inner.peer(packet.path);
    const length = packet.length + packet.payloadLength() + packet.padding;
    if (peer === undefined || this.#unwanted(length + this.#sealBytes)) return;
    let at = this.#payloadAt();
    this.#frame.set(packet.bytes.subarray(packet.at, packet.at + packet.length), at);
    at += packet.length;
    for (let i = 0; i < packet.slices; i++) {
      const bytes = packet.sliceLength[i]!;
      this.#dma.fetch(packet.sliceRegion[i]!, packet.sliceOffset[i]!, this.#frame, at, bytes);
      at += bytes;
    }
    this.#frame.fill(0, at, at + packet.padding);
    const { local, sourcePort } = this.#place;
    const source = { address: local.address, port: sourcePort(packet.entropy) };
    this.#record('out', source, peer, packet.length, length, packet);
  }

  get #sealBytes(): number {
    return this.#place.seal?.bytes ?? 0;
  }

  /** Whether nobody has room for a packet of so many bytes behind UDP. */
  #unwanted(length: number): boolean {
    const takers = this.#takers;
    takers.length = 0;
    const size = length <= MAX_PAYLOAD ? length + RECORD_OVERHEAD : Number.POSITIVE_INFINITY;
    for (const sink of this.#sinks) if (sink.room(size)) takers.push(sink);
    return takers.length === 0;
  }

  #payloadAt(): number {
    return (isIpv4(this.#place.local.address) ? IPV4_BYTES : IPV6_BYTES) + this.#frontBytes;
  }

  get #native(): boolean {
    return this.#place.ipProtocol !== undefined;
  }

  /** Between IP and the transport. */
  get #frontBytes(): number {
    return this.#native ? ENTROPY_BYTES : UDP_BYTES;
  }

  /**
   * Writes what stands around the transport's bytes, and hands on the frame.
   *
   * @param headers - of these bytes, for the seal
   * @param covered - how many they are
   */
  #record(
    direction: 'in' | 'out',
    from: PeerAddress,
    to: PeerAddress,
    headers: number,
    covered: number,
    { ecn, damaged, control }: Packet,
  ): void {
    const { address: source, port: sourcePort } = from;
    const { address: destination, port: destinationPort } = to;
    const { seal, classes, ipProtocol: protocol = IpProtocol.UDP } = this.#place;
    // what came in says only what the class makes of it
    const dscp = direction === 'in' || classes === undefined ? 0 : control ? classes.control : classes.data;
    if (seal !== undefined) this.#seal(seal, from, to, headers, covered, damaged);
    const length = covered + this.#sealBytes;
    const view = this.#view;
    const v4 = isIpv4(this.#place.local.address);
    const at = v4 ? IPV4_BYTES : IPV6_BYTES;
    const behind = this.#frontBytes + length;
    this.#frame.fill(0, 0, at + this.#frontBytes);
    if (v4) {
      Ipv4.version.set(view, 0, 4);
      Ipv4.ihl.set(view, 0, IPV4_BYTES / 4);
      Ipv4.dscp.set(view, 0, dscp);
      Ipv4.ecn.set(view, 0, ecn);
      Ipv4.totalLength.set(view, 0, at + behind);
      Ipv4.df.set(view, 0, 1);
      Ipv4.ttl.set(view, 0, HOPS);
      Ipv4.protocol.set(view, 0, protocol);
      this.#frame.set(source.subarray(12), 12);
      this.#frame.set(destination.subarray(12), 16);
      Ipv4.checksum.set(view, 0, ipv4Checksum(view, 0, IPV4_BYTES));
    } else {
      Ipv6.version.set(view, 0, 6);
      Ipv6.dscp.set(view, 0, dscp);
      Ipv6.ecn.set(view, 0, ecn);
      Ipv6.payloadLength.set(view, 0, behind);
      Ipv6.nextHeader.set(view, 0, protocol);
      Ipv6.hopLimit.set(view, 0, HOPS);
      this.#frame.set(source, 8);
      this.#frame.set(destination, 24);
    }
    if (this.#native) EntropyHeader.entropy.set(view, at, sourcePort);
    else {
      Udp.sourcePort.set(view, at, sourcePort);
      Udp.destinationPort.set(view, at, destinationPort);
      Udp.length.set(view, at, behind);
      Udp.checksum.set(view, at, udpChecksum(view, v4 ? 12 : 8, v4 ? 8 : 32, at, behind));
    }
    const timestampNs = this.#epochNs + BigInt(Math.round(performance.now() * 1e6));
    const data = this.#frame.subarray(0, at + behind);
    const record = pcapngPacket({ timestampNs, data, direction });
    for (const sink of this.#takers) sink.write(record);
  }

  #seal(seal: Seal, from: PeerAddress, to: PeerAddress, headers: number, covered: number, damaged: boolean): void {
    const datagram = this.#datagram;
    datagram.source = from.address;
    datagram.sourcePort = from.port;
    datagram.destination = to.address;
    datagram.destinationPort = to.port;
    datagram.length = covered + seal.bytes;
    datagram.identification = 0;
    const frame = this.#frame;
    const at = this.#payloadAt();
    const begun = seal.headers(seal.begin(datagram), frame, at, headers);
    const sum = seal.update(begun, frame, at + headers, covered - headers);
    seal.write(sum, frame, at + covered);
    datagram.identification = -1;
    if (damaged) spoilSeal(seal, sum, datagram, frame, at + covered, covered);
  }
}

const HOPS = 64;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const UDP_BYTES = 8;
const ENTROPY_BYTES = 4;
const MAX_FRAME = 65_536;
const MAX_PAYLOAD = MAX_FRAME - IPV6_BYTES - UDP_BYTES;
/** At most what a packet takes in the file beside its payload: block, headers, padding, options. */
const RECORD_OVERHEAD = 128;
