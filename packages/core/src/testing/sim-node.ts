/** A device on the simulated network, with the port by which programs reach it. */
import { SeededRandom } from '../base/random.ts';
import { VerbsError } from '../base/verbs-error.ts';
import { KernelDevice } from '../device/kernel-device.ts';
import type { KernelHost, MemoryShare } from '../device/kernel-host.ts';
import type { DeviceLimits } from '../device/limits.ts';
import { DmaSpace, type DmaTarget } from '../engine/dma.ts';
import type { Transport } from '../engine/engine.ts';
import type { Nanos } from '../engine/time.ts';
import type { PeerAddress } from '../engine/wire-host.ts';
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
  readonly kernel: KernelDevice;
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
    const host: KernelHost = {
      wire: this.wire,
      dma,
      entropies,
      receiveBufferBytes: 0,
      localAddress: local,
      level: 'simulated',
      seed,
      randomWords(into) {
        for (let i = 0; i < into.length; i++) into[i] = random.uint32();
      },
      attachMemory: targetOf,
      detachMemory: () => {},
      wake: (handle) => this.port?.wake(handle),
    };
    this.kernel = new KernelDevice({ name: `sim${index}`, transport, host, payloadMtu, settings, limits });
    this.port = new InlinePort(this.kernel, MEMORY, hooks, false);
    this.device = new OpenDevice(this.port, async () => {
      await this.port.shutdown(SHUTDOWN);
    });
  }

  /** When it must be driven again. */
  deadline(): Nanos {
    return this.dead ? Number.POSITIVE_INFINITY : this.port.deadline();
  }
}

function targetOf(share: MemoryShare): DmaTarget {
  if (share.kind === 'bytes') return { bytes: share.bytes, address: 0 };
  throw new VerbsError('EINVAL', 'registerMemory', `a simulated device cannot reach memory of kind '${share.kind}'`, {
    try: 'an ordinary Uint8Array',
  });
}

const MEMORY: UserMemory = {
  allocate: (bytes) => new Uint8Array(bytes),
  release: () => {},
  share: (bytes) => ({ kind: 'bytes', bytes }),
};

/** Keys come from another sequence than the engine's chance. */
const SECRETS = 0x5ec2e75;
const SHUTDOWN: Nanos = 60_000_000_000;
