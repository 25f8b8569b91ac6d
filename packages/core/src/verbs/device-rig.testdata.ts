/** Devices on a wire without loss, in simulated time: what the tests of this folder and of `device` run on. */

import { parseAddress } from '../base/ip-address.ts';
import { SeededRandom } from '../base/random.ts';
import type { Device } from '../device/device.ts';
import { ALL_RIGHTS, type Session } from '../device/session.ts';
import { System } from '../device/system.ts';
import { DmaSpace } from '../engine/dma.ts';
import type { Transport } from '../engine/engine.ts';
import { type Nanos, NEVER } from '../engine/time.ts';
import type { KernelHost } from '../soft/kernel-host.ts';
import type { DeviceLimits } from '../soft/limits.ts';
import { SoftDevice } from '../soft/soft-device.ts';
import { MemoryFabric } from '../testing/memory-wire.ts';
import { SIM_MEMORY, SIM_USER_MEMORY } from '../testing/sim-node.ts';
import { loop } from '../transports/loop/index.ts';
import { OpenDevice } from './device.ts';
import { InlinePort } from './inline-port.ts';

export interface RigOptions {
  readonly transport?: Transport;
  readonly payloadMtu?: number;
  readonly settings?: Readonly<Record<string, number>>;
  readonly limits?: Partial<DeviceLimits>;
}

export class Rig {
  now: Nanos = 1_000;
  readonly fabric = new MemoryFabric();
  readonly devices: RigDevice[] = [];
  readonly soon: (() => void)[] = [];
  readonly later: { due: Nanos; run: () => void }[] = [];

  device(address: string, options: RigOptions = {}): RigDevice {
    const device = new RigDevice(this, address, options);
    this.devices.push(device);
    return device;
  }

  /** Drives all devices until nothing happens any more without time passing. */
  turn(): void {
    for (let work = 1, turns = 0; work > 0; turns++) {
      if (turns > 100_000) throw new Error('the rig never comes to rest');
      for (const run of this.soon.splice(0)) run();
      work = 0;
      for (const { port } of this.devices) work += port.progress();
    }
  }

  /** Lets time pass up to the next thing that is due. @returns false when there is none */
  advance(): boolean {
    let due = NEVER;
    for (const { port } of this.devices) due = Math.min(due, port.deadline());
    for (const one of this.later) due = Math.min(due, one.due);
    if (due === NEVER) return false;
    this.now = Math.max(this.now + 1, due);
    for (const one of this.later.filter((timer) => timer.due <= this.now)) {
      this.later.splice(this.later.indexOf(one), 1);
      one.run();
    }
    return true;
  }

  /** Runs until a promise settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const watched = promise.finally(() => (settled = true));
    watched.catch(() => {});
    for (let rounds = 0; !settled; rounds++) {
      if (rounds > 10_000) throw new Error('nothing settles the promise');
      this.turn();
      for (let i = 0; i < 20 && !settled; i++) await null;
      if (!settled) this.advance();
    }
    return watched;
  }
}

export class RigDevice {
  readonly kernel: SoftDevice;
  readonly system: System;
  readonly registered: Device;
  readonly session: Session;
  readonly port: InlinePort;
  readonly device: OpenDevice;
  readonly memory = { allocated: 0 };
  /** All memory ever given out: doorbell page, rings, and what tests asked for, in this order. */
  readonly allocations: Uint8Array[] = [];

  constructor(rig: Rig, address: string, options: RigOptions) {
    const transport: Transport = options.transport ?? loop;
    const local = { address: parseAddress(address)!, port: transport.udpPort };
    const dma = new DmaSpace();
    const wire = rig.fabric.connect(local, dma);
    const secret = new SeededRandom(rig.devices.length + 77);
    const randomWords = (into: Uint32Array) => {
      for (let i = 0; i < into.length; i++) into[i] = secret.uint32();
    };
    const host: KernelHost = {
      dma,
      seed: rig.devices.length + 1,
      randomWords,
      ...SIM_MEMORY,
      mapPage: (bytes) => {
        const page = new Uint8Array(bytes);
        this.allocations.push(page);
        return { bytes: page, attachment: page, release: () => {} };
      },
    };
    const { payloadMtu = 1024, settings = {}, limits = {} } = options;
    const link = { transport, payloadMtu, settings, wire, entropies: 4, receiveBufferBytes: 0, localAddress: local };
    this.kernel = new SoftDevice({ links: [{ ...link, level: 'simulated' }], host, limits });
    this.system = new System(randomWords);
    const name = `dev${rig.devices.length}`;
    this.registered = this.system.register(this.kernel, { name });
    this.session = this.system.session({
      ...{ pid: 1, uid: 0, gid: 0, name: 'rig', rights: ALL_RIGHTS },
      wake: (number) => this.port?.wake(number),
    });
    const memory = {
      ...SIM_USER_MEMORY,
      allocate: (bytes: number) => {
        this.memory.allocated++;
        const made = new Uint8Array(new ArrayBuffer(bytes));
        this.allocations.push(made);
        return made;
      },
      release: () => {
        this.memory.allocated--;
      },
    };
    const hooks = {
      now: () => rig.now,
      soon: (run: () => void) => void rig.soon.push(run),
      after: (delay: number, run: () => void) => {
        const timer = { due: rig.now + delay, run };
        rig.later.push(timer);
        return () => {
          const at = rig.later.indexOf(timer);
          if (at >= 0) rig.later.splice(at, 1);
        };
      },
      watch: () => {},
    };
    this.port = new InlinePort(this.session, this.kernel, memory, hooks, false);
    this.device = new OpenDevice(this.port, name, async () => {
      await this.port.shutdown(1e9);
    });
    this.allocations.length = 0; // opening a device looks at it through a context of its own
  }
}
