/**
 * The whole: devices by name, the sessions of programs, clients that want to see every device, namespaces, resource
 * groups, jobs. One per process that owns devices: a program, a worker thread, or a daemon.
 * @spec rdma-core 3 · rdma-core 4 · rdma-core 8
 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Nanos } from '../engine/time.ts';
import { type ContextLimits, Device } from './device.ts';
import type { Driver } from './driver.ts';
import { JobRegistry } from './job-registry.ts';
import { Namespace } from './namespace.ts';
import { ResourceGroup } from './resource-group.ts';
import { type Credentials, Session } from './session.ts';

/** Somebody who wants to know every device. */
export interface Client {
  readonly name: string;
  /** Skips devices that lack what verbs need. */
  readonly needsVerbs?: boolean;
  /** A throw means "not for me": no further call-back for this device. */
  add(device: Device): void;
  /** Let go of everything on the device before returning. */
  remove(device: Device): void;
}

/** What watchers are told. @spec rdma-core 19.2 */
export interface MonitorEvent {
  readonly event: 'register' | 'unregister' | 'rename' | 'move' | 'attach' | 'detach';
  readonly index: number;
  readonly name: string;
  /** Name before, for `rename`. */
  readonly before?: string;
}

export interface DeviceRegistration {
  /** A name, or a pattern with `%d` for the lowest free number. */
  readonly name: string;
  readonly namespace?: Namespace;
  readonly parent?: Device;
  readonly limits?: Partial<ContextLimits>;
}

export class System {
  readonly root = new ResourceGroup('');
  readonly initialNamespace = new Namespace('init');
  readonly namespaces = new Map<string, Namespace>([['init', this.initialNamespace]]);
  readonly jobs: JobRegistry;
  readonly sessions = new Set<Session>();
  readonly devices = new Map<number, Device>();
  readonly randomWords: (into: Uint32Array) => void;
  /** shared: all namespaces see all devices; exclusive: only their own. */
  namespaceMode: 'shared' | 'exclusive' = 'shared';
  /** Time of the newest call. */
  now: Nanos = 0;
  /** Objects whose driver refused to end them. */
  leaked = 0;
  /** Called before each step of each call; tests throw from it. */
  inject: ((step: string) => void) | undefined;
  /** Called at each step of a removal, for tests and traces. */
  trace: ((step: string) => void) | undefined;
  readonly #clients: Client[] = [];
  /** Clients that took a device, in the order they did. */
  readonly #attached = new Map<Device, Client[]>();
  readonly #watchers = new Set<(event: MonitorEvent) => void>();
  #nextIndex = 1;
  #births = 0;

  constructor(randomWords: (into: Uint32Array) => void) {
    this.randomWords = randomWords;
    this.jobs = new JobRegistry(randomWords);
  }

  /**
   * Registers a device: it must be able to serve every call before this is called.
   *
   * @throws VerbsError `ENFILE` the name is taken · `EINVAL` no name, or a driver whose declarations clash
   */
  register(driver: Driver, options: DeviceRegistration): Device {
    const namespace = options.namespace ?? this.initialNamespace;
    const name = this.#freeName(options.name, namespace);
    const identity = { name, index: this.#nextIndex++, namespace, parent: options.parent };
    const device = new Device(this, driver, identity, options.limits);
    this.devices.set(device.index, device);
    driver.attached?.(device);
    this.#attached.set(device, []);
    for (const client of this.#clients) this.#attach(client, device);
    this.#tell({ event: 'register', index: device.index, name });
    return device;
  }

  /**
   * Takes a device away, whoever uses it. Never fails, and may be asked for twice, also from within a call: then it
   * happens right after the call.
   */
  remove(device: Device): void {
    if (device.state !== 'registered') return;
    device.state = 'removing';
    device.whenIdle(() => {
      this.trace?.('hide');
      this.#detachClients(device);
      this.trace?.('disassociate');
      device.disassociate();
      this.trace?.('unlist');
      this.root.forget(device.name);
      this.devices.delete(device.index);
      this.#tell({ event: 'unregister', index: device.index, name: device.name });
      device.state = 'gone';
      device.driver.detached?.();
      this.trace?.('free');
    });
  }

  /** @throws VerbsError `EEXIST` the name is taken · `EINVAL` no name */
  rename(device: Device, name: string): void {
    if (name === device.name) return;
    checkName(name);
    if (this.#named(name, device.namespace) !== undefined) {
      throw new VerbsError('EEXIST', 'rename', `a device ${name} exists`, { try: 'another name' });
    }
    const before = device.name;
    device.name = name;
    this.#tell({ event: 'rename', index: device.index, name, before });
  }

  /**
   * Moves a device to another namespace: like unplugging it here and plugging it in there.
   *
   * @throws VerbsError `EOPNOTSUPP` in shared mode, or the driver cannot let go · `EEXIST` the name is taken there
   */
  move(device: Device, to: Namespace): void {
    const call = 'move';
    if (this.namespaceMode === 'shared') {
      throw new VerbsError('EOPNOTSUPP', call, 'devices do not move while all namespaces share them', {
        try: 'verbena system set netns exclusive',
      });
    }
    if (device.driver.disassociate === undefined) {
      throw new VerbsError('EOPNOTSUPP', call, `the driver ${device.driver.name} cannot take a device from programs`);
    }
    if (device.namespace === to) return;
    if (this.#named(device.name, to) !== undefined) {
      throw new VerbsError('EEXIST', call, `namespace ${to.name} has a device ${device.name}`, {
        try: 'rename it first',
      });
    }
    device.whenIdle(() => {
      if (device.state !== 'registered') return;
      this.#tell({ event: 'unregister', index: device.index, name: device.name });
      this.#detachClients(device);
      device.disassociate();
      device.namespace = to;
      this.#attached.set(device, []);
      for (const client of this.#clients) this.#attach(client, device);
      this.#tell({ event: 'register', index: device.index, name: device.name });
    });
  }

  /** @throws VerbsError EBUSY another namespace than the first exists */
  setNamespaceMode(mode: 'shared' | 'exclusive'): void {
    if (mode === this.namespaceMode) return;
    const others = [...this.namespaces.values()].filter((one) => one !== this.initialNamespace);
    if (others.length > 0) {
      throw new VerbsError(
        'EBUSY',
        'system.set',
        `other namespaces exist: ${others.map((one) => one.name).join(', ')}`,
        {
          try: 'before they are made, or after they are gone',
        },
      );
    }
    this.namespaceMode = mode;
  }

  /** A namespace by what the host knows it by; made when it is new. */
  namespaceOf(identity: string, name = identity): Namespace {
    for (const one of this.namespaces.values()) if (one.identity === identity) return one;
    const made = new Namespace(name, identity);
    this.namespaces.set(name, made);
    return made;
  }

  /** A namespace ends: its devices go back to the first one. @throws VerbsError EBUSY sessions are in it */
  endNamespace(namespace: Namespace): void {
    if (namespace === this.initialNamespace || !this.namespaces.has(namespace.name)) return;
    if (namespace.sessions > 0) {
      throw new VerbsError('EBUSY', 'namespace', `${namespace.sessions} programs are in namespace ${namespace.name}`);
    }
    for (const device of [...this.devices.values()]) {
      if (device.namespace === namespace) this.move(device, this.initialNamespace);
    }
    this.namespaces.delete(namespace.name);
  }

  /** A group by path, made with all above it when it is new. */
  groupOf(path: string): ResourceGroup {
    let group = this.root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      let child = group.children.get(name);
      if (child === undefined) group.children.set(name, (child = new ResourceGroup(name, group)));
      group = child;
    }
    return group;
  }

  /** Begins a session: one program's connection. Rights are those of the opener, for good. */
  session(credentials: Credentials): Session {
    const session = new Session(this, credentials);
    this.sessions.add(session);
    return session;
  }

  /** Devices that a namespace sees. */
  *visible(namespace: Namespace): IterableIterator<Device> {
    for (const device of this.devices.values()) {
      if (device.state === 'registered' && (this.namespaceMode === 'shared' || device.namespace === namespace))
        yield device;
    }
  }

  /** A device by name, or by index in digits; undefined while it is removed. */
  find(name: string, namespace: Namespace = this.initialNamespace): Device | undefined {
    for (const device of this.visible(namespace)) if (device.name === name) return device;
    if (!/^\d{1,9}$/.test(name)) return undefined;
    for (const device of this.visible(namespace)) if (device.index === Number(name)) return device;
    return undefined;
  }

  /** @returns what takes the client out again: it lets go of all devices, last one first */
  addClient(client: Client): () => void {
    this.#clients.push(client);
    for (const device of this.devices.values()) if (device.state === 'registered') this.#attach(client, device);
    return () => {
      this.#clients.splice(this.#clients.indexOf(client), 1);
      for (const [device, attached] of [...this.#attached].reverse()) {
        const at = attached.indexOf(client);
        if (at < 0) continue;
        attached.splice(at, 1);
        client.remove(device);
      }
    };
  }

  /** @returns what ends watching */
  watch(watcher: (event: MonitorEvent) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** For objects only. */
  nextBirth(): number {
    return ++this.#births;
  }

  #attach(client: Client, device: Device): void {
    if (client.needsVerbs === true && !isVerbsDevice(device)) return;
    try {
      client.add(device);
    } catch {
      return;
    }
    this.#attached.get(device)?.push(client);
  }

  #detachClients(device: Device): void {
    const attached = this.#attached.get(device) ?? [];
    for (let client = attached.pop(); client !== undefined; client = attached.pop()) {
      this.trace?.(`client ${client.name}`);
      client.remove(device);
    }
    this.#attached.delete(device);
  }

  #tell(event: MonitorEvent): void {
    for (const watcher of [...this.#watchers]) watcher(event);
  }

  #named(name: string, namespace: Namespace): Device | undefined {
    for (const device of this.devices.values()) {
      if (device.name === name && (this.namespaceMode === 'shared' || device.namespace === namespace)) return device;
    }
    return undefined;
  }

  #freeName(pattern: string, namespace: Namespace): string {
    if (pattern.includes('%d')) {
      for (let n = 0; ; n++) {
        const name = pattern.replace('%d', String(n));
        if (this.#named(name, namespace) === undefined) {
          checkName(name);
          return name;
        }
      }
    }
    checkName(pattern);
    if (this.#named(pattern, namespace) === undefined) return pattern;
    throw new VerbsError('ENFILE', 'register', `a device ${pattern} exists`, {
      try: `another name, or a pattern such as '${pattern.replace(/\d+$/, '')}%d'`,
    });
  }
}

/** Has what programs of the common kind need. @spec rdma-core 2 */
export function isVerbsDevice(device: Device): boolean {
  return VERBS.every((name) => device.methods.has(name));
}

function checkName(name: string): void {
  if (/^[A-Za-z][\w.-]{0,62}$/.test(name)) return;
  throw new VerbsError('EINVAL', 'register', `'${name}' is no name of a device`, {
    try: 'a letter, then up to 62 letters, digits, dots, hyphens and underscores',
  });
}

const VERBS = [
  'DEVICE.QUERY',
  'DEVICE.QUERY_PORT',
  'PD.ALLOC',
  'PD.DEALLOC',
  'MR.REG',
  'MR.DEREG',
  'CQ.CREATE',
  'CQ.DESTROY',
  'QP.CREATE',
  'QP.MODIFY',
  'QP.DESTROY',
];
