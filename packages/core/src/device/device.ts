/**
 * A device: a driver under a name, with the contexts that programs opened and the objects that they made.
 *
 *   registered ──► removing ──► gone
 *
 * Removal never waits for programs. A call that runs is finished first; then clients let go, last one first; then every
 * context is emptied and left as a shell.
 * @spec rdma-core 3 · rdma-core 8 · rdma-core 13
 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Row } from '../uapi/rows.ts';
import { coreMethods } from './core-methods.ts';
import { destroyAll } from './destroy.ts';
import type { DeviceContext } from './device-context.ts';
import type { DeviceObject } from './device-object.ts';
import type { Driver } from './driver.ts';
import { EventValue } from './events.ts';
import { MethodTable } from './method-table.ts';
import type { Namespace } from './namespace.ts';
import type { System } from './system.ts';

/** Bounds that the core keeps, whatever the driver holds. */
export interface ContextLimits {
  readonly contexts: number;
  /** Objects of one context. */
  readonly handles: number;
  /** Events that wait for one reader; the oldest go first. */
  readonly events: number;
}

export class Device {
  readonly system: System;
  readonly driver: Driver;
  /** Never given out again soon. */
  readonly index: number;
  readonly methods: MethodTable;
  readonly limits: ContextLimits;
  readonly parent: Device | undefined;
  readonly contexts = new Set<DeviceContext>();
  name: string;
  namespace: Namespace;
  state: 'registered' | 'removing' | 'gone' = 'registered';
  /** Objects by kind and number, for tools. */
  readonly #objects = new Map<string, Map<number, DeviceObject>>();
  readonly #ids = new Map<string, number>();
  /** Sums of counters of objects that ended. */
  readonly #history: Record<string, number> = {};
  /** Calls that run now. */
  #running = 0;
  readonly #whenIdle: (() => void)[] = [];

  constructor(
    system: System,
    driver: Driver,
    identity: {
      readonly name: string;
      readonly index: number;
      readonly namespace: Namespace;
      readonly parent: Device | undefined;
    },
    limits: Partial<ContextLimits> = {},
  ) {
    this.system = system;
    this.driver = driver;
    this.name = identity.name;
    this.index = identity.index;
    this.namespace = identity.namespace;
    this.parent = identity.parent;
    this.limits = { ...DEFAULTS, ...limits };
    this.methods = new MethodTable(driver, coreMethods(driver));
  }

  /** Live objects of a kind. */
  objects(kind: string): ReadonlyMap<number, DeviceObject> {
    return this.#objects.get(kind) ?? NOTHING;
  }

  /** A number for a new object of a kind, going round. */
  nextId(kind: string): number {
    const taken = this.#objects.get(kind);
    let id = this.#ids.get(kind) ?? 0;
    do id = id >= MAX_ID ? 1 : id + 1;
    while (taken?.has(id) === true);
    this.#ids.set(kind, id);
    return id;
  }

  /** For the dispatcher: the object exists from now on. */
  list(object: DeviceObject): void {
    let kind = this.#objects.get(object.kind);
    if (kind === undefined) this.#objects.set(object.kind, (kind = new Map()));
    kind.set(object.id, object);
  }

  /** For the dispatcher: it does not exist any more. */
  unlist(object: DeviceObject): void {
    this.#objects.get(object.kind)?.delete(object.id);
    this.contained(() => this.#count(this.#history, object));
  }

  /** Something happened that no completion tells: to an object, or (a port number, or 0) to all of the device. */
  raise(event: number, about: DeviceObject | number): void {
    if (typeof about !== 'number') {
      const file = about.events ?? about.context.defaultEvents;
      if (file.push(event, about.handle)) about.context.session.wake(file.wake);
      return;
    }
    for (const context of this.contexts) {
      for (const file of context.eventFiles.values()) if (file.push(event, about)) context.session.wake(file.wake);
    }
  }

  /** Runs a call: the device is not taken away before it is over. */
  guard<T>(work: () => T): T {
    this.#running++;
    try {
      return work();
    } finally {
      this.#running--;
      if (this.#running === 0)
        for (let run = this.#whenIdle.shift(); run !== undefined; run = this.#whenIdle.shift()) run();
    }
  }

  /** Runs what a driver or a client must do and must not refuse; what it throws is counted, and stops nothing. */
  contained(run: () => void): void {
    try {
      run();
    } catch {
      this.system.failures++;
    }
  }

  /** Runs something when no call runs: at once, or right after the last one. */
  whenIdle(run: () => void): void {
    if (this.#running === 0) run();
    else this.#whenIdle.push(run);
  }

  /**
   * Starts the hardware anew without taking the device away: queue pairs fail, programs are told, contexts stay.
   *
   * @throws VerbsError EOPNOTSUPP the driver cannot
   */
  reset(): void {
    if (this.driver.reset === undefined) {
      throw new VerbsError('EOPNOTSUPP', 'reset', `the driver ${this.driver.name} cannot reset a device`, {
        object: `device ${this.name}`,
        try: 'remove the device and add it again',
      });
    }
    this.whenIdle(() => {
      if (this.state !== 'registered') return;
      this.driver.reset?.();
      this.raise(EventValue.DEVICE_FATAL, 0);
    });
  }

  /** Empties every context and leaves shells; for removal and for moves between namespaces. */
  disassociate(): void {
    this.contained(() => this.driver.disassociate?.());
    for (const context of this.contexts) {
      context.dead = true;
      destroyAll(context, 'DRIVER_REMOVE');
      for (const file of context.eventFiles.values()) {
        const asleep = file.push(EventValue.DEVICE_FATAL, 0);
        if (file.end() || asleep) context.session.wake(file.wake);
      }
      context.maps.clear();
      this.contained(() => this.driver.closeContext?.(context));
      context.charge?.release();
      context.session.wakeAll(context);
    }
    this.contexts.clear();
  }

  /** What the driver counted, and the sums over objects of what it counted for each: ended ones stay in. */
  statistics(): Record<string, number> {
    const sums = { ...this.#history };
    for (const kind of this.#objects.values()) for (const object of kind.values()) this.#count(sums, object);
    return { ...this.driver.counters?.(), ...sums };
  }

  #count(sums: Record<string, number>, object: DeviceObject): void {
    for (const [name, count] of Object.entries(this.driver.objectCounters?.(object) ?? {})) {
      const key = `${object.schema.short}_${name}`;
      sums[key] = (sums[key] ?? 0) + count;
    }
  }

  /** Counts of live objects by kind, and the driver's protocol state. */
  census(): Record<string, number> {
    const counts: Record<string, number> = { contexts: this.contexts.size };
    for (const { name, plural } of this.methods.objects)
      if (name !== 'DEVICE') counts[plural] = this.objects(name).size;
    // the event file that each context has from the start is no object of the program
    return { ...counts, ...this.driver.census?.() };
  }

  /** Every live object as a row; two phases of destruction never show half an object. */
  *rows(kind?: string): IterableIterator<Row> {
    if (kind === undefined || kind === 'DEVICE') {
      for (const context of this.contexts) yield contextRow(context);
    }
    for (const { name } of this.methods.objects) {
      if (kind !== undefined && kind !== name) continue;
      for (const object of this.objects(name).values()) if (object.live) yield this.rowOf(object);
    }
  }

  rowOf(object: DeviceObject): Row {
    const { context } = object;
    return {
      kind: object.schema.short,
      id: object.id,
      handle: object.handle,
      ctx: context.id,
      pid: context.session.credentials.pid,
      comm: context.session.credentials.name,
      uses: object.uses,
      ...(object.pd === undefined ? {} : { pd: object.pd.id }),
      ...this.driver.describe?.(object),
    };
  }
}

export function contextRow(context: DeviceContext): Row {
  const { credentials, group } = context.session;
  return {
    kind: 'ctx',
    id: context.id,
    pid: credentials.pid,
    uid: credentials.uid,
    comm: credentials.name,
    objects: context.objects.size,
    group: group.path,
  };
}

const NOTHING: ReadonlyMap<number, DeviceObject> = new Map();
const DEFAULTS: ContextLimits = { contexts: 4096, handles: 65_536, events: 256 };
const MAX_ID = 0x7fff_ffff;
