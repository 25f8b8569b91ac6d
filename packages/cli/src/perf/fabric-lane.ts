/** One side of a measurement through the fabric API: an endpoint with one queue, and memory in slots. */
import { isVerbsError, transportOfAddress } from '@verbena/core';
import {
  CompletionBatch,
  type CompletionQueue,
  type Domain,
  Fabric,
  type Endpoint as FabricEndpoint,
  type FabricHints,
  fabricErrorName,
  fabricErrorText,
  type MemoryRegion,
  RemoteKey,
} from '@verbena/core/fabric';
import { refusal } from '../failure.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Place } from '../session/link.ts';
import type { Lane, LaneCard, LaneShape } from './lane.ts';
import { fillPattern, RECEIVES } from './perf-lane.ts';
import { ATOMIC_BYTES, type FabricTest, type PerfTest } from './perf-tests.ts';

export class FabricLane implements Lane {
  readonly endpoint: Endpoint;
  readonly size: number;
  readonly depth: number;
  readonly connection: string;
  readonly delivery: string;
  readonly fabricEndpoint: FabricEndpoint;
  readonly queue: CompletionQueue;
  readonly batch = new CompletionBatch(64);
  /** What is sent, or added. */
  readonly out: MemoryRegion;
  /** Where data arrives: messages, what atomics bring back, or the word that peers add to. */
  readonly in: MemoryRegion;
  readonly #fabric: Fabric;
  readonly #domain: Domain;
  readonly #vector: ReturnType<Domain['openAddressVector']>;
  readonly #slotBytes: number;
  readonly #slots: number;
  #peer = -1;
  #remote: RemoteKey | undefined;

  constructor(endpoint: Endpoint, test: FabricTest, shape: LaneShape) {
    this.endpoint = endpoint;
    this.size = shape.size;
    this.depth = shape.depth;
    this.#slotBytes = Math.max(64, Math.ceil(shape.size / 64) * 64);
    this.#fabric = new Fabric(endpoint.device, transportOfAddress, { keepDevice: true });
    try {
      const infos = this.#fabric.getInfo(hintsOf(test, shape));
      const info = infos.find(({ sgidIndex }) => sgidIndex === endpoint.sgidIndex);
      if (info === undefined) throw refusal('ENODATA', 'perf', 'the address entry has no such endpoints');
      this.#domain = this.#fabric.openDomain(info, { authKey: endpoint.job.export() });
      this.#vector = this.#domain.openAddressVector({ size: 16 });
      this.queue = this.#domain.openCompletionQueue({ size: shape.depth + RECEIVES });
      const { domain } = endpoint;
      const options = domain === undefined ? {} : { secureDomain: domain };
      this.fabricEndpoint = this.#domain.openEndpoint(info, options);
      this.fabricEndpoint.bind(this.#vector);
      this.fabricEndpoint.bind(this.queue, { transmit: true, receive: true });
      this.fabricEndpoint.enable();
      const bytes = Math.max(BUFFER_BYTES, this.#slotBytes);
      this.#slots = Math.min(RECEIVES, Math.floor(bytes / this.#slotBytes));
      this.out = this.#domain.allocate(bytes);
      const peers = { remoteRead: true, remoteWrite: true, remoteAtomic: true };
      this.in = this.#domain.allocate(
        bytes,
        test.operation === 'atomic' ? { read: true, ...peers } : { receive: true },
      );
      this.connection = 'RDM';
      this.delivery = info.transmit.messageOrder.length > 0 ? 'ordered' : 'unordered';
    } catch (thrown) {
      void this.#fabric.close();
      throw thrown;
    }
  }

  /** Number of the peer. */
  get peer(): number {
    return this.#peer;
  }

  /** Memory of the peer. */
  get remote(): RemoteKey {
    if (this.#remote === undefined) throw new Error('the lane is not connected');
    return this.#remote;
  }

  connect(_place: Place, card: LaneCard): void {
    if (card.name === undefined) {
      throw refusal('EPROTONOSUPPORT', 'perf', 'the other side does not say the address of its endpoint', {
        try: 'the same version on both sides',
      });
    }
    this.#peer = this.#vector.insert(Uint8Array.from(Buffer.from(card.name, 'hex')));
    this.#remote = new RemoteKey(card.in);
  }

  get card(): LaneCard {
    const name = this.fabricEndpoint.getName();
    const view = new DataView(name.buffer, name.byteOffset);
    return {
      ...{ qpn: view.getUint32(12), psn: 0, mtu: this.endpoint.payloadMtu },
      ...{ in: this.in.key, out: this.out.key, name: Buffer.from(name).toString('hex') },
    };
  }

  fill(seed: number): void {
    fillPattern(this.out.bytes, seed);
  }

  /** Where message `number` lies. */
  offset(number: number): number {
    return (number % this.#slots) * this.#slotBytes;
  }

  verify({ operation }: PerfTest, messages: number, seed: number): boolean {
    if (operation === 'atomic') {
      // each of them has added 1 to the first word
      return new DataView(this.in.bytes.buffer, this.in.bytes.byteOffset).getBigUint64(0, true) === BigInt(messages);
    }
    const expected = new Uint8Array(this.in.length);
    fillPattern(expected, seed);
    for (let slot = 0; slot < Math.min(messages, this.#slots); slot++) {
      const at = slot * this.#slotBytes;
      const arrived = this.in.bytes.subarray(at, at + this.size);
      if (Buffer.compare(arrived, expected.subarray(0, this.size)) !== 0) return false;
    }
    return true;
  }

  async idle(): Promise<void> {
    try {
      await this.queue.wait({ timeoutMs: IDLE_MS });
    } catch (thrown) {
      if (!isVerbsError(thrown) || thrown.code !== 'ETIMEDOUT') throw thrown;
    }
  }

  close(): void {
    void this.#fabric.close();
  }
}

function hintsOf(test: FabricTest, { size, depth, ordered }: LaneShape): FabricHints {
  const queues = {
    transmit: { size: depth, ...(ordered ? { messageOrder: ['SAS'] as const } : {}) },
    receive: { size: RECEIVES },
    endpoint: { type: 'rdm', maxMessageBytes: size },
  } as const;
  if (test.operation === 'tagged') return { ...queues, caps: { tagged: true } };
  if (size !== ATOMIC_BYTES) throw refusal('EINVAL', 'perf', `an atomic has ${ATOMIC_BYTES} bytes, not ${size}`);
  return { ...queues, caps: { atomic: true } };
}

/** The first completion of a batch that failed, as an error. */
export function checkRows({ error, providerError, count }: CompletionBatch): void {
  for (let row = 0; row < count; row++) {
    if (error[row] === 0) continue;
    const errno = error[row]!;
    throw refusal('EIO', 'perf', `an operation failed: FI_${fabricErrorName(errno)}`, {
      given: `code of the transport 0x${providerError[row]!.toString(16)}`,
      try: fabricErrorText(errno),
    });
  }
}

const IDLE_MS = 5;
/** Stays in the processor's cache. */
const BUFFER_BYTES = 2 ** 20;
