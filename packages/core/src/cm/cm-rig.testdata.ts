/** Machines that talk over a link without devices, in simulated time. */
import { parseAddress } from '../base/ip-address.ts';
import { SeededRandom } from '../base/random.ts';
import { ipServiceId } from '../wire/roce/cm.ts';
import { MAD_BYTES } from '../wire/roce/mad.ts';
import { CmEngine, type CmReply, type CmRequest } from './cm-engine.ts';
import type { CmLimits } from './cm-limits.ts';
import type { CmEvent, CmLink, CmPeer } from './cm-link.ts';
import { type CmMessage, emitMessage, ipRequestData, parseMessage } from './messages.ts';

export interface LinkFaults {
  readonly loss?: number;
  readonly duplicate?: number;
  /** Chance that a message takes up to 20 ms longer. */
  readonly reorder?: number;
}

export class CmSide {
  readonly peer: CmPeer;
  readonly engine: CmEngine;
  readonly events: CmEvent[] = [];
  /** What came, oldest first. */
  readonly received: CmMessage[] = [];

  constructor(address: string, seed: number, limits: Partial<CmLimits>, pathMtu = 3) {
    this.peer = { key: address, address };
    const random = new SeededRandom(seed);
    this.engine = new CmEngine({ address, pathMtu, guid: BigInt(seed), random: () => random.uint32(), limits });
  }
}

export class CmRig {
  now = 1_000_000;
  readonly a: CmSide;
  readonly b: CmSide;
  /** What a program would do; called for each event. */
  onEvent: (side: CmSide, event: CmEvent) => void = () => {};
  readonly #random: SeededRandom;
  readonly #faults: LinkFaults;
  readonly #flying: { readonly due: number; readonly from: CmSide; readonly to: CmSide; readonly bytes: Uint8Array }[] =
    [];

  constructor(seed: number, faults: LinkFaults = {}, limits: Partial<CmLimits> = {}) {
    this.#random = new SeededRandom(seed);
    this.#faults = faults;
    this.a = new CmSide('10.0.0.1', seed * 2 + 1, limits);
    this.b = new CmSide('10.0.0.2', seed * 2 + 2, limits);
  }

  /** Runs until nothing is under way and nothing due before `until`, ns from now. */
  run(forNs = Number.POSITIVE_INFINITY): void {
    const until = this.now + forNs;
    for (let steps = 0; ; steps++) {
      if (steps > 200_000) throw new Error('the machines never come to rest');
      this.#drain(this.a, this.b);
      this.#drain(this.b, this.a);
      const due = Math.min(
        this.a.engine.deadline(),
        this.b.engine.deadline(),
        ...this.#flying.map((message) => message.due),
      );
      if (due > until || due === Number.POSITIVE_INFINITY) break;
      this.now = Math.max(this.now, due);
      this.a.engine.expire(this.now);
      this.b.engine.expire(this.now);
      for (const message of this.#flying.filter((one) => one.due <= this.now)) {
        this.#flying.splice(this.#flying.indexOf(message), 1);
        this.deliver(message.to, message.from.peer, message.bytes);
      }
    }
    if (until !== Number.POSITIVE_INFINITY) this.now = until;
  }

  /** Hands a message to a side at once. */
  deliver(to: CmSide, from: CmPeer, message: CmMessage | Uint8Array): void {
    const bytes = message instanceof Uint8Array ? message : bytesOf(message);
    const parsed = parseMessage(viewOf(bytes), 0, bytes.length);
    if (typeof parsed !== 'string') to.received.push(parsed);
    to.engine.receive(this.now, from, viewOf(bytes), 0, bytes.length);
    this.#drain(to, to === this.a ? this.b : this.a);
  }

  /** A request of `a` for port 7 of `b`, or the reverse. */
  connect(from: CmSide = this.a, to: CmSide = this.b, over: Partial<CmRequest> = {}, endsAt = 60e9): CmLink {
    return from.engine.connect(this.now, to.peer, request(from.peer, to.peer, over), this.now + endsAt)!;
  }

  #drain(from: CmSide, to: CmSide): void {
    for (let event = from.engine.take(); event !== undefined; event = from.engine.take()) {
      from.events.push(event);
      this.onEvent(from, event);
    }
    const bytes = new Uint8Array(MAD_BYTES);
    for (
      let peer = from.engine.transmit(viewOf(bytes), 0);
      peer !== undefined;
      peer = from.engine.transmit(viewOf(bytes), 0)
    ) {
      if (peer.key !== to.peer.key && peer.key !== from.peer.key) continue; // nobody is there
      const { loss = 0, duplicate = 0, reorder = 0 } = this.#faults;
      const copies = this.#random.chance(duplicate) ? 2 : 1;
      for (let i = 0; i < copies; i++) {
        if (this.#random.chance(loss)) continue;
        const due = this.now + 10_000 + (this.#random.chance(reorder) ? this.#random.below(20_000_000) : 0);
        this.#flying.push({ due, from, to: peer.key === to.peer.key ? to : from, bytes: bytes.slice() });
      }
    }
  }
}

export function request(from: CmPeer, to: CmPeer, over: Partial<CmRequest> = {}): CmRequest {
  const localGid = parseAddress(from.address)!;
  const remoteGid = parseAddress(to.address)!;
  return {
    serviceId: ipServiceId(6, 7),
    localCaGuid: 1n,
    localQpn: 0x11,
    responderResources: 4,
    initiatorDepth: 5,
    remoteCmResponseTimeout: 14,
    transportService: 0,
    startingPsn: 0x123456,
    localCmResponseTimeout: 14,
    retryCount: 6,
    pkey: 0xffff,
    pathMtu: 3,
    rnrRetryCount: 5,
    maxCmRetries: 15,
    srq: false,
    localGid,
    remoteGid,
    trafficClass: 0,
    localAckTimeout: 14,
    privateData: ipRequestData(40_000, localGid, remoteGid, true, Uint8Array.of(1, 2, 3)),
    ...over,
  };
}

export function reply(over: Partial<CmReply> = {}): CmReply {
  return {
    localQpn: 0x22,
    startingPsn: 0x654321,
    responderResources: 5,
    initiatorDepth: 4,
    targetAckDelay: 10,
    rnrRetryCount: 7,
    srq: false,
    localCaGuid: 2n,
    privateData: Uint8Array.of(9, 8),
    ...over,
  };
}

export function bytesOf(message: CmMessage): Uint8Array {
  const bytes = new Uint8Array(MAD_BYTES);
  emitMessage(message, viewOf(bytes), 0);
  return bytes;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
