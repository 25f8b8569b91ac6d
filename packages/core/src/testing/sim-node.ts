/** A device on the simulated network, with the port by which programs reach it. */
import { SeededRandom } from '../base/random.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { MemorySource } from '../device/call.ts';
import type { Device } from '../device/device.ts';
import { ALL_RIGHTS } from '../device/session.ts';
import { System } from '../device/system.ts';
import { DmaSpace, type DmaTarget } from '../engine/dma.ts';
import type { Transport } from '../engine/engine.ts';
import type { Nanos } from '../engine/time.ts';
import type { PeerAddress } from '../engine/wire-host.ts';
import type { KernelHost } from '../soft/kernel-host.ts';
import type { DeviceLimits } from '../soft/limits.ts';
import { SoftDevice } from '../soft/soft-device.ts';
import { MemoryKind } from '../uapi/layouts.ts';
import { OpenDevice } from '../verbs/device.ts';
import { type InlineHooks, InlinePort } from '../verbs/inline-port.ts';
import type { UserMemory } from '../verbs/kernel-port.ts';
import { type Attachment, SimWire } from './sim-wire.ts';

export interface SimNodeOptions {
  readonly index: number;
  readonly transport: Transport;
  readonly payloadMtu: number;
  readonly entropies: number;
  readonly seed: number;
  readonly local: PeerAddress;
  readonly settings: Readonly<Record<string, number>>;
  readonly limits: Partial<DeviceLimits>;
}

export class SimNode {
  readonly index: number;
  /** Text of the address. */
  readonly address: string;
  readonly local: PeerAddress;
  readonly wire: SimWire;
  readonly system: System;
  readonly kernel: SoftDevice;
  readonly registered: Device;
  readonly port: InlinePort;
  readonly device: OpenDevice;
  /** It was closed and is quiet: it may not send any more. */
  closed = false;
  /** It does nothing: crashed, or unplugged. Packets to it are lost. */
  dead = false;

  constructor(options: SimNodeOptions, attach: (dma: DmaSpace) => Attachment, hooks: InlineHooks) {
    const { index, transport, payloadMtu, entropies, seed, local, settings, limits } = options;
    const dma = new DmaSpace();
    const random = new SeededRandom(seed ^ SECRETS);
    this.index = index;
    this.local = local;
    this.address = [...local.address.subarray(12)].join('.');
    this.wire = new SimWire(attach(dma));
    const randomWords = (into: Uint32Array) => {
      for (let i = 0; i < into.length; i++) into[i] = random.uint32();
    };
    const host: KernelHost = { dma, seed, randomWords, ...SIM_MEMORY };
    const wire = { wire: this.wire, entropies, receiveBufferBytes: 0, localAddress: local, level: 'simulated' };
    this.kernel = new SoftDevice({ links: [{ transport, payloadMtu, settings, ...wire }], host, limits });
    this.system = new System(randomWords);
    this.registered = this.system.register(this.kernel, { name: `sim${index}` });
    const session = this.system.session({
      pid: index + 1,
      uid: 0,
      gid: 0,
      name: `node${index}`,
      rights: ALL_RIGHTS,
      wake: (number) => this.port?.wake(number),
    });
    this.port = new InlinePort(session, this.kernel, SIM_USER_MEMORY, hooks, false);
    this.device = new OpenDevice(this.port, `sim${index}`, async () => {
      await this.port.shutdown(SHUTDOWN);
    });
  }

  /** When it must be driven again. */
  deadline(): Nanos {
    return this.dead ? Number.POSITIVE_INFINITY : this.port.deadline();
  }
}

/** Memory of simulated hosts: ordinary arrays, which travel beside calls as they are. */
export const SIM_MEMORY: Pick<KernelHost, 'attachMemory' | 'detachMemory' | 'openUmem' | 'mapPage'> = {
  attachMemory: ({ attachment, offset, length }: MemorySource): DmaTarget => {
    if (attachment instanceof Uint8Array && offset + length <= attachment.length) {
      return { bytes: attachment.subarray(offset, offset + length), address: 0 };
    }
    throw new VerbsError('EINVAL', 'attachMemory', 'a simulated device cannot reach this memory', {
      try: 'a Uint8Array that is long enough',
    });
  },
  detachMemory: () => {},
  openUmem: (attachment) => {
    if (attachment instanceof Uint8Array) return { bytes: attachment, address: 0 };
    throw new VerbsError('EOPNOTSUPP', 'UMEM.CREATE', 'a simulated device shares only arrays', { try: 'kind FILE' });
  },
  mapPage: (bytes) => {
    const page = new Uint8Array(bytes);
    return { bytes: page, attachment: page, release: () => {} };
  },
};

/** Memory of simulated programs. */
export const SIM_USER_MEMORY: UserMemory = {
  allocate: (bytes) => new Uint8Array(bytes),
  release: () => {},
  name: (_context, bytes, attachments) => ({
    kind: MemoryKind.ATTACHMENT,
    index: attachments.push(bytes) - 1,
    offset: 0,
    length: bytes.length,
  }),
  map: (attachment) => attachment as Uint8Array,
  unmap: () => {},
};

/** Keys come from another sequence than the engine's chance. */
const SECRETS = 0x5ec2e75;
const SHUTDOWN: Nanos = 60_000_000_000;
