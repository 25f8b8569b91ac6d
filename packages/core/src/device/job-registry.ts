/**
 * Jobs of the whole system. A job is made by a privileged party and realised on each device where somebody joins it;
 * whoever holds a capability may join, and nobody can guess one.
 *
 *   container (system) ─── device job (one per device) ─── holders (JOB objects of contexts)
 */
import { VerbsError } from '../base/verbs-error.ts';
import { TOKEN_BYTES } from '../uapi/objects/job.ts';
import type { Device } from './device.ts';
import type { DeviceObject } from './device-object.ts';
import type { Namespace } from './namespace.ts';

/** A job, wherever it is realised. */
export class JobContainer {
  /** Number on the wire, unless a device has its own. */
  readonly id: number;
  /** For tools; '' when nobody gave one. */
  readonly name: string;
  readonly maxAddresses: number | undefined;
  readonly namespace: Namespace;
  readonly owner: { readonly pid: number; readonly uid: number };
  /** Made through the management channel: lives without holders. */
  readonly kept: boolean;
  readonly tokens = new Set<string>();
  readonly onDevices = new Map<Device, DeviceJob>();

  constructor(options: JobOptions) {
    this.id = options.id;
    this.name = options.name ?? '';
    this.maxAddresses = options.maxAddresses;
    this.namespace = options.namespace;
    this.owner = options.owner;
    this.kept = options.kept ?? false;
  }
}

export interface JobOptions {
  readonly id: number;
  readonly name?: string | undefined;
  readonly maxAddresses?: number | undefined;
  readonly namespace: Namespace;
  readonly owner: { readonly pid: number; readonly uid: number };
  readonly kept?: boolean;
}

/** A job on one device: what all of its holders share. */
export interface DeviceJob {
  readonly container: JobContainer;
  readonly id: number;
  /** The driver's. */
  readonly state: unknown;
  readonly entries: number;
  readonly sgidIndex: number;
  readonly holders: Set<DeviceObject>;
}

export class JobRegistry {
  readonly containers = new Set<JobContainer>();
  readonly #byToken = new Map<string, JobContainer>();
  readonly #randomWords: (into: Uint32Array) => void;

  constructor(randomWords: (into: Uint32Array) => void) {
    this.#randomWords = randomWords;
  }

  /** @throws VerbsError EEXIST the name is taken · EINVAL a name that is too long */
  add(options: JobOptions): JobContainer {
    const { name = '' } = options;
    if (name.length > MAX_NAME) {
      throw new VerbsError('EINVAL', 'JOB.ALLOC', `the name has ${name.length} characters`, {
        try: `at most ${MAX_NAME}`,
      });
    }
    if (name !== '' && this.named(name, options.namespace) !== undefined) {
      throw new VerbsError('EEXIST', 'JOB.ALLOC', `a job named '${name}' exists`, { try: 'another name' });
    }
    if (this.containers.size >= MAX_JOBS) {
      throw new VerbsError('ENOSPC', 'JOB.ALLOC', `there are ${MAX_JOBS} jobs, the most there can be`);
    }
    const container = new JobContainer(options);
    this.containers.add(container);
    return container;
  }

  named(name: string, namespace: Namespace): JobContainer | undefined {
    for (const one of this.containers) if (one.name === name && one.namespace === namespace) return one;
    return undefined;
  }

  /** A job with this number on a device. */
  onDevice(device: Device, id: number): DeviceJob | undefined {
    for (const one of this.containers) {
      const here = one.onDevices.get(device);
      if (here?.id === id) return here;
    }
    return undefined;
  }

  /** A new capability. @throws VerbsError ENOSPC too many */
  export(container: JobContainer): Uint8Array {
    if (container.tokens.size >= MAX_TOKENS) {
      throw new VerbsError('ENOSPC', 'JOB.EXPORT', `${MAX_TOKENS} capabilities of this job exist`, {
        try: 'JOB.REVOKE',
      });
    }
    const words = new Uint32Array(TOKEN_BYTES / 4);
    this.#randomWords(words);
    const token = new Uint8Array(words.buffer);
    container.tokens.add(textOf(token));
    this.#byToken.set(textOf(token), container);
    return token;
  }

  /** @returns undefined for what is no capability, or not any more */
  import(token: Uint8Array): JobContainer | undefined {
    return this.#byToken.get(textOf(token));
  }

  revoke(container: JobContainer): void {
    for (const token of container.tokens) this.#byToken.delete(token);
    container.tokens.clear();
  }

  remove(container: JobContainer): void {
    this.revoke(container);
    this.containers.delete(container);
  }

  /** The last holder on a device let go. */
  release(container: JobContainer, device: Device): void {
    container.onDevices.delete(device);
    if (container.onDevices.size === 0 && !container.kept) this.remove(container);
  }
}

const textOf = (token: Uint8Array): string => Array.from(token, (byte) => byte.toString(16).padStart(2, '0')).join('');

const MAX_NAME = 64;
const MAX_JOBS = 65_536;
const MAX_TOKENS = 4096;
