/**
 * The seal stage: an engine whose packets are protected on their way out and opened on their way in. It stands between
 * the engine and any host, so a simulated host, a socket and a capture all see the same ciphertext.
 *
 *     host   receive -> open -> engine.receive          engine.transmit -> gather, seal -> host
 *
 * To the engine a path is (local address, peer address, secure domain). Whatever the engine compares paths for, it thereby
 * compares domains for: every packet type, first packets, shares of peers, memory of closed contexts. A clear packet never
 * meets a protected context. @spec uet:tss/15
 */
import { VerbsError } from '../../../base/verbs-error.ts';
import type { DmaSpace } from '../../../engine/dma.ts';
import type { Engine, EngineConfig, QueuePairConfig, Services } from '../../../engine/engine.ts';
import { HEADER_ROOM, type Packet } from '../../../engine/packet.ts';
import { Datagram, type PacketSeal } from '../../../engine/seal.ts';
import { Status } from '../../../engine/status.ts';
import type { Nanos } from '../../../engine/time.ts';
import type { CompletionRecord, Reach, ReceiveWork, SendWork } from '../../../engine/work.ts';
import { PdsType } from '../../../wire/uet/pds.ts';
import { SETTINGS, type SettingName } from '../attributes.ts';
import { DROP, type DropName } from '../drops.ts';
import { domainOf, PATHS } from './paths.ts';

export class SecuredEngine implements Engine {
  readonly #inner: Engine;
  readonly #services: DomainServices;
  readonly #seal: PacketSeal;
  readonly #dma: DmaSpace;
  readonly #peer: NonNullable<EngineConfig['peer']>;
  readonly #datagram = new Datagram();
  readonly #local: Uint8Array;
  /** Where packets are put together, with room in front and behind. */
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #region: number;

  /**
   * @param portsKnown - routes are what packets carry in the place of ports, so that it may be covered
   * @throws VerbsError `EINVAL` the host does not say which addresses packets have
   */
  constructor(
    create: (services: Services, config: EngineConfig) => Engine,
    services: Services,
    config: EngineConfig,
    seal: PacketSeal,
    portsKnown = false,
  ) {
    const { peer, local, payloadMtu } = config;
    if (peer === undefined || local === undefined) {
      throw new VerbsError('EINVAL', 'createEngine', 'protection covers addresses, and this host does not tell them', {
        missing: 'peer and local of the configuration',
      });
    }
    if (seal.coversPorts && !portsKnown) throw portsUnknown();
    checkMemory(config.settings);
    if (!seal.acceptsReplays && (config.settings?.['idempotentRequests'] ?? 0) !== 0) throw replayable();
    this.#seal = seal;
    this.#peer = peer;
    this.#local = local.address;
    this.#dma = services.dma;
    this.#bytes = new Uint8Array(seal.headBytes + HEADER_ROOM + payloadMtu + seal.tailBytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.#region = services.dma.attach({ bytes: this.#bytes, address: 0 });
    this.#services = new DomainServices(services, seal);
    this.#inner = create(this.#services, config);
  }

  get counters(): Engine['counters'] {
    return this.#inner.counters;
  }

  receive(now: Nanos, packet: Packet): void {
    const { path, at, length } = packet;
    this.#open(now, packet, path);
    // the window is the host's, which may use it again as it was
    packet.at = at;
    packet.length = length;
    packet.path = path;
  }

  #open(now: Nanos, packet: Packet, path: number): void {
    const peer = this.#peer(path);
    if (peer === undefined) return this.#drop('tss_domain');
    const datagram = this.#datagram;
    datagram.source = peer.address;
    datagram.destination = this.#local;
    datagram.sourcePort = packet.entropy;
    const seal = this.#seal;
    const reason = seal.open(now, packet, datagram);
    if (reason !== '') return this.#drop(reason as DropName);
    if (seal.domain !== 0 && !seal.acceptsReplays && isReplayable(packet)) return this.#drop('tss_replays');
    packet.path = path + seal.domain * PATHS;
    this.#inner.receive(now, packet);
  }

  transmit(now: Nanos, out: Packet): boolean {
    while (this.#inner.transmit(now, out)) {
      const domain = domainOf(out.path);
      out.path %= PATHS;
      if (domain === 0 && this.#seal.acceptsClear) return true;
      if (domain !== 0 && this.#protect(domain, out)) return true;
      this.#drop('tss_unsent');
      out.reset();
    }
    return false;
  }

  doorbell(now: Nanos, qp: number): void {
    this.#inner.doorbell(now, qp);
  }

  expire(now: Nanos): void {
    this.#inner.expire(now);
  }

  deadline(): Nanos {
    return this.#inner.deadline();
  }

  addQueuePair(now: Nanos, config: QueuePairConfig): string {
    const handle = this.#seal.handleOf(config.domain);
    if (handle < 0) return `secure domain ${domainText(config.domain)} is not known here`;
    if (handle === 0 && !this.#seal.acceptsClear)
      return 'packets of this address entry are protected: name a secure domain';
    const why = this.#inner.addQueuePair(now, { ...config, domain: handle });
    if (why === '') this.#services.domains.set(config.qp, handle);
    return why;
  }

  modifyQueuePair(now: Nanos, config: QueuePairConfig): void {
    this.#inner.modifyQueuePair?.(now, { ...config, domain: this.#services.domains.get(config.qp) ?? 0 });
  }

  removeQueuePair(now: Nanos, qp: number): void {
    this.#inner.removeQueuePair(now, qp);
    this.#services.domains.delete(qp);
  }

  addJob(jobId: number): void {
    this.#inner.addJob(jobId);
  }

  removeJob(jobId: number): void {
    this.#inner.removeJob(jobId);
  }

  close(now: Nanos): void {
    this.#inner.close(now);
  }

  quiet(): boolean {
    return this.#inner.quiet();
  }

  end(): void {
    this.#inner.end?.();
    this.#bytes.fill(0);
    this.#dma.detach(this.#region);
  }

  census(): Record<string, number> {
    return this.#inner.census();
  }

  connections(): readonly Readonly<Record<string, string | number | boolean>>[] {
    return (this.#inner.connections?.() ?? []).map((row) => {
      const path = Number(row['path']);
      return { ...row, path: path % PATHS, domain: this.#seal.identifierOf(domainOf(path)) };
    });
  }

  /** Puts the packet together, seals it, and makes `out` name the result. @returns false: it may not leave */
  #protect(domain: number, out: Packet): boolean {
    const bytes = this.#bytes;
    const head = this.#seal.headBytes;
    const clear = out.length;
    let length = clear;
    const total = clear + out.payloadLength() + out.padding;
    if (total > bytes.length - head - this.#seal.tailBytes) return false;
    for (let i = 0; i < clear; i++) bytes[head + i] = out.bytes[out.at + i]!;
    for (let i = 0; i < out.slices; i++) {
      const size = out.sliceLength[i]!;
      if (!this.#dma.fetch(out.sliceRegion[i]!, out.sliceOffset[i]!, bytes, head + length, size)) return false;
      length += size;
    }
    for (; length < total; length++) bytes[head + length] = 0;
    const peer = this.#peer(out.path);
    if (peer === undefined) return false;
    const datagram = this.#datagram;
    datagram.source = this.#local;
    datagram.destination = peer.address;
    datagram.sourcePort = out.entropy;
    const front = this.#seal.seal(domain, out.path, datagram, this.#view, bytes, head, length);
    if (front === 0) return false;
    const start = head - front;
    const sealed = front + length + this.#seal.tailBytes;
    // a small packet goes where headers go; of a large one the host takes the rest out of the region, which it must copy
    const inline = sealed <= HEADER_ROOM ? sealed : front;
    for (let i = 0; i < inline; i++) out.bytes[out.at + i] = bytes[start + i]!;
    out.length = inline;
    out.slices = 0;
    out.padding = 0;
    if (inline < sealed) out.gather(this.#region, start + inline, sealed - inline);
    return true;
  }

  #drop(reason: DropName): void {
    this.#inner.counters.add(DROP[reason]);
  }
}

/** The services of an engine, which knows paths with domains in them. */
class DomainServices implements Services {
  /** Handle of the domain of each queue pair. */
  readonly domains = new Map<number, number>();
  readonly dma: DmaSpace;
  readonly random: () => number;
  readonly #host: Services;
  readonly #seal: PacketSeal;

  constructor(host: Services, seal: PacketSeal) {
    this.#host = host;
    this.#seal = seal;
    this.dma = host.dma;
    this.random = () => host.random();
  }

  takeSend(qp: number, into: SendWork): boolean {
    if (!this.#host.takeSend(qp, into)) return false;
    const domain = this.domains.get(qp) ?? 0;
    if (into.status !== Status.SUCCESS) return true;
    into.path += domain * PATHS;
    // nothing that was to be protected leaves in the clear
    if (domain !== 0 && this.#seal.identifierOf(domain) === 0) into.status = Status.LOC_QP_OP_ERR;
    return true;
  }

  takeReceive(qp: number, into: ReceiveWork): boolean {
    if (!this.#host.takeReceive(qp, into)) return false;
    // a receive that is only for one peer means that peer under protection
    if (into.path !== 0) into.path += (this.domains.get(qp) ?? 0) * PATHS;
    return true;
  }

  reach(access: Reach): number {
    return this.#host.reach(access);
  }

  completeSend(qp: number, signaled: boolean, completion: CompletionRecord): void {
    completion.path %= PATHS;
    this.#host.completeSend(qp, signaled, completion);
  }

  completeReceive(qp: number, completion: CompletionRecord): void {
    completion.path %= PATHS;
    this.#host.completeReceive(qp, completion);
  }

  invalidate(qp: number, keyLo: number, keyHi: number): boolean {
    return this.#host.invalidate(qp, keyLo, keyHi);
  }

  fail(qp: number, fault: number): void {
    this.#host.fail(qp, fault);
  }

  route(path: number, into: Uint8Array): void {
    this.#host.route(path % PATHS, into);
  }

  raise(event: number, object: number): void {
    this.#host.raise(event, object);
  }
}

/** PDS keeps no track of these, and so executes a recorded one again. @spec uet:tss/14.1 */
const isReplayable = ({ view, at }: Packet): boolean => view.getUint8(at) >>> 3 === PdsType.RUDI_REQ;

const portsUnknown = (): VerbsError =>
  new VerbsError('EOPNOTSUPP', 'createEngine', 'the port of each packet is not seen here, and the framing covers it', {
    try: "framing: 'addresses'",
  });

const replayable = (): VerbsError =>
  new VerbsError(
    'EINVAL',
    'createEngine',
    'idempotent requests can be recorded and sent again, which protection does not see',
    {
      given: 'idempotentRequests 1',
      try: 'idempotentRequests: 0, or `replays: true` where that does no harm',
    },
  );

/**
 * A start that was told once must not be taken twice: closed contexts are remembered for as long as it could come again.
 *
 * @throws VerbsError `EINVAL`
 */
function checkMemory(settings: EngineConfig['settings'] = {}): void {
  const of = (name: SettingName) => settings[name] ?? SETTINGS.find((one) => one.name === name)!.value;
  const least = 2 * of('newPdcTime');
  if (of('synSafetyTime') >= least) return;
  throw new VerbsError(
    'EINVAL',
    'createEngine',
    `synSafetyTime = ${of('synSafetyTime')} ns lets recorded starts in again`,
    {
      try: `synSafetyTime of ${least} ns or more, or a smaller newPdcTime`,
    },
  );
}

const domainText = (sdi: number | undefined): string => (sdi === undefined ? 'by default' : `0x${sdi.toString(16)}`);
