/**
 * The whole: devices by name, the sessions of programs, clients that want to see every device, namespaces, resource
 * groups, jobs. One per process that owns devices: a program, a worker thread, or a daemon.
 * @spec rdma-core 3 · rdma-core 4 · rdma-core 8
 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Nanos } from '../engine/time.ts';
import type { Row } from '../uapi/rows.ts';
import { type ContextLimits, Device } from './device.ts';
import type { Driver } from './driver.ts';
import { JobRegistry } from './job-registry.ts';
import { Namespace } from './namespace.ts';
import { ResourceGroup } from './resource-group.ts';
import type { SecureDomains } from './secure-domains.ts';
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
  /** That the device belongs to. */
  readonly namespace: Namespace;
  /** Name before, for `rename`. */
  readonly before?: string;
}

/** Makes devices while the system runs, where its host can do that. */
export interface DeviceFactory {
  /**
   * Adds a device.
   *
   * @param options - named values, which the host defines; at least `name` and `address`
   * @returns it, registered and ready
   * @throws VerbsError what is wrong with the options, or what opening it says
   */
  add(options: Row): Device;
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
  /** Keys of secure domains, where the host has cryptography. */
  secureDomains: SecureDomains | undefined;
  readonly sessions = new Set<Session>();
  readonly devices = new Map<number, Device>();
  readonly randomWords: (into: Uint32Array) => void;
  /** shared: all namespaces see all devices; exclusive: only their own. */
  namespaceMode: 'shared' | 'exclusive' = 'shared';
  /** Time of the newest call. */
  now: Nanos = 0;
  /** Objects whose driver refused to end them. */
  leaked = 0;
  /** Call-backs of clients, watchers and drivers that threw where they must not. */
  failures = 0;
  /** Told of every call of the management channel, for debugging. */
  readonly managementTaps = new Set<(call: Row) => void>();
  /** How to add devices at run time; without it this program cannot. Removing is {@link remove}: the host notices. */
  deviceFactory: DeviceFactory | undefined;
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
    driver.attached?.(device);
    this.devices.set(device.index, device);
    this.#attached.set(device, []);
    // a client that wants it gone at once gets that when all others have seen it
    device.guard(() => {
      for (const client of [...this.#clients]) this.#attach(client, device);
      this.#tell('register', device);
    });
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
      this.#forgetCharges(device);
      this.devices.delete(device.index);
      this.#tell('unregister', device);
      device.state = 'gone';
      device.contained(() => device.driver.detached?.());
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
    this.root.rename(before, name);
    this.#tell('rename', device, { before });
  }

  /**
   * Moves a device to another namespace: like unplugging it here and plugging it in there.
   *
   * @param name - its name there, when the one that it has is taken
   * @throws VerbsError `EOPNOTSUPP` in shared mode, or the driver cannot let go · `EEXIST` the name is taken there ·
   *   `EINVAL` no name
   */
  move(device: Device, to: Namespace, name = device.name): void {
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
    checkName(name);
    if (this.#named(name, to) !== undefined) {
      throw new VerbsError('EEXIST', call, `namespace ${to.name} has a device ${name}`, {
        try: 'a name for it to have there',
      });
    }
    device.whenIdle(() => this.#transfer(device, to, name));
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

  /**
   * A namespace ends: its devices go back to the first one, under another name where theirs is taken there.
   *
   * @throws VerbsError EBUSY sessions are in it
   */
  endNamespace(namespace: Namespace): void {
    if (namespace === this.initialNamespace || !this.namespaces.has(namespace.name)) return;
    if (namespace.sessions > 0) {
      throw new VerbsError('EBUSY', 'namespace', `${namespace.sessions} programs are in namespace ${namespace.name}`);
    }
    for (const device of [...this.devices.values()]) {
      if (device.namespace !== namespace) continue;
      device.whenIdle(() => this.#transfer(device, this.initialNamespace, this.#nameAtHome(device)));
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

  /** A device by name or index, also one that other namespaces do not see. */
  findAnywhere(name: string): Device | undefined {
    const all = [...this.devices.values()].filter(({ state }) => state === 'registered');
    return all.find((one) => one.name === name) ?? all.find(({ index }) => String(index) === name);
  }

  /** @returns what takes the client out again: it lets go of all devices, last one first */
  addClient(client: Client): () => void {
    this.#clients.push(client);
    for (const device of [...this.devices.values()]) {
      if (device.state === 'registered') device.guard(() => this.#attach(client, device));
    }
    return () => {
      this.#clients.splice(this.#clients.indexOf(client), 1);
      for (const [device, attached] of [...this.#attached].reverse()) {
        const at = attached.indexOf(client);
        if (at < 0) continue;
        attached.splice(at, 1);
        device.contained(() => client.remove(device));
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

  #transfer(device: Device, to: Namespace, name: string): void {
    if (device.state !== 'registered') return;
    this.#tell('unregister', device);
    this.#detachClients(device);
    device.disassociate();
    this.#forgetCharges(device);
    device.namespace = to;
    device.name = name;
    this.#attached.set(device, []);
    for (const client of this.#clients) this.#attach(client, device);
    this.#tell('register', device);
  }

  #nameAtHome({ name, index }: Device): string {
    for (let free = name, n = index; ; free = `${name.slice(0, 48)}-${n++}`) {
      if (this.#named(free, this.initialNamespace, index) === undefined) return free;
    }
  }

  /** Records of resource groups go by name; another device may have the same one elsewhere. */
  #forgetCharges({ name, index }: Device): void {
    for (const one of this.devices.values()) if (one.name === name && one.index !== index) return;
    this.root.forget(name);
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
      const leaving = client;
      device.contained(() => leaving.remove(device));
    }
    this.#attached.delete(device);
  }

  #tell(
    what: MonitorEvent['event'],
    { index, name, namespace }: Device,
    more: { readonly before?: string } = {},
  ): void {
    const event: MonitorEvent = { event: what, index, name, namespace, ...more };
    for (const watcher of [...this.#watchers]) {
      try {
        watcher(event);
      } catch {
        this.failures++;
      }
    }
  }

  #named(name: string, namespace: Namespace, except = 0): Device | undefined {
    for (const device of this.devices.values()) {
      if (device.index === except) continue;
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
