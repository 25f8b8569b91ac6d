/**
 * Jobs of the whole system. A job is made by a privileged party and realised at each address entry where somebody joins
 * it; whoever holds a capability may join, and nobody can guess one.
 *
 *   container (system) ─── device job (one per device and address entry) ─── holders (JOB objects of contexts)
 *
 * A number means something at one address only: two devices, or two address entries of one, may each have their own
 * job 7, and one job may have different numbers on different devices.
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
  /** Grows with each job. */
  serial = 0;
  readonly tokens = new Set<string>();
  /** Where it is alive. */
  readonly realised = new Set<DeviceJob>();
  /** Numbers on devices that do not use {@link id}. */
  readonly ids: ReadonlyMap<Device, number>;

  constructor(options: JobOptions) {
    this.id = options.id;
    this.name = options.name ?? '';
    this.maxAddresses = options.maxAddresses;
    this.namespace = options.namespace;
    this.owner = options.owner;
    this.kept = options.kept ?? false;
    this.ids = options.ids ?? NO_IDS;
  }

  /** Its number on a device. */
  idOn(device: Device): number {
    return this.ids.get(device) ?? this.id;
  }

  /** The job on a device: at an address entry, or at any. */
  on(device: Device, sgidIndex?: number): DeviceJob | undefined {
    for (const one of this.realised) {
      if (one.device === device && (sgidIndex === undefined || one.sgidIndex === sgidIndex)) return one;
    }
    return undefined;
  }
}

export interface JobOptions {
  readonly id: number;
  readonly name?: string | undefined;
  readonly maxAddresses?: number | undefined;
  readonly namespace: Namespace;
  readonly owner: { readonly pid: number; readonly uid: number };
  readonly kept?: boolean;
  readonly ids?: ReadonlyMap<Device, number>;
}

/** A job at one address entry of a device: what all of its holders there share. */
export interface DeviceJob {
  readonly container: JobContainer;
  readonly device: Device;
  readonly id: number;
  /** The driver's. */
  readonly state: unknown;
  readonly entries: number;
  readonly sgidIndex: number;
  readonly holders: Set<DeviceObject>;
  /** Holders that were cut off: they keep the object, and can do nothing with it. */
  readonly cut: WeakSet<DeviceObject>;
}

export class JobRegistry {
  readonly containers = new Set<JobContainer>();
  readonly #byToken = new Map<string, JobContainer>();
  readonly #byName = new Map<string, JobContainer>();
  /** By device, address entry and number. */
  readonly #byPlace = new Map<string, DeviceJob>();
  readonly #randomWords: (into: Uint32Array) => void;
  #serials = 0;

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
    container.serial = ++this.#serials;
    this.containers.add(container);
    if (name !== '') this.#byName.set(nameKey(name, options.namespace), container);
    return container;
  }

  named(name: string, namespace: Namespace): JobContainer | undefined {
    return this.#byName.get(nameKey(name, namespace));
  }

  /** The job that has a number at an address entry of a device. */
  at(device: Device, sgidIndex: number, id: number): DeviceJob | undefined {
    return this.#byPlace.get(placeKey(device, sgidIndex, id));
  }

  /** A job is alive at an address entry from now on. */
  realise(job: DeviceJob): void {
    job.container.realised.add(job);
    this.#byPlace.set(placeKey(job.device, job.sgidIndex, job.id), job);
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

  /** One capability ends. */
  forget(token: Uint8Array): void {
    const text = textOf(token);
    this.#byToken.get(text)?.tokens.delete(text);
    this.#byToken.delete(text);
  }

  /** All capabilities of a job end. */
  revoke(container: JobContainer): void {
    for (const token of container.tokens) this.#byToken.delete(token);
    container.tokens.clear();
  }

  remove(container: JobContainer): void {
    this.revoke(container);
    const key = nameKey(container.name, container.namespace);
    if (this.#byName.get(key) === container) this.#byName.delete(key);
    this.containers.delete(container);
  }

  /** The last holder at an address entry let go. */
  release(job: DeviceJob): void {
    const { container, device, sgidIndex, id } = job;
    container.realised.delete(job);
    const key = placeKey(device, sgidIndex, id);
    if (this.#byPlace.get(key) === job) this.#byPlace.delete(key);
    if (container.realised.size === 0 && !container.kept) this.remove(container);
  }
}

const nameKey = (name: string, namespace: Namespace): string => `${namespace.name} ${name}`;
const placeKey = (device: Device, sgidIndex: number, id: number): string => `${device.index} ${sgidIndex} ${id}`;
const textOf = (token: Uint8Array): string => Array.from(token, (byte) => byte.toString(16).padStart(2, '0')).join('');

const NO_IDS: ReadonlyMap<Device, number> = new Map();
const MAX_NAME = 64;
const MAX_JOBS = 65_536;
const MAX_TOKENS = 4096;
