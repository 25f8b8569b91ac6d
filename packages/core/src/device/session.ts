/** One program's connection to the system: its contexts, its rights, and what wakes it. */
import { VerbsError } from '../base/verbs-error.ts';
import type { Nanos } from '../engine/time.ts';
import { UAPI } from '../uapi/index.ts';
import type { Message } from '../uapi/message.ts';
import type { Capture } from './capture.ts';
import { destroyAll } from './destroy.ts';
import type { Device } from './device.ts';
import { DeviceContext } from './device-context.ts';
import { DeviceObject } from './device-object.ts';
import { dispatch } from './dispatcher.ts';
import { EventFile } from './event-file.ts';
import type { Feed } from './feed.ts';
import type { Namespace } from './namespace.ts';
import type { ResourceGroup } from './resource-group.ts';
import type { System } from './system.ts';

/** What a caller may do beyond using devices. Held from the start of a session: later changes give nothing. */
export interface Rights {
  /** Change the system. */
  readonly admin: boolean;
  /** Make and revoke jobs. */
  readonly job: boolean;
  /** Raw packets and numbers of one's own choosing where that is guarded. */
  readonly raw: boolean;
}

export const ALL_RIGHTS: Rights = { admin: true, job: true, raw: true };
export const NO_RIGHTS: Rights = { admin: false, job: false, raw: false };

/** Who is at the other end, as the host knows it; never as the program says. */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Name of the program, for tools. */
  readonly name: string;
  readonly rights: Rights;
  readonly namespace?: Namespace;
  readonly group?: ResourceGroup;
  /** Most bytes of registered memory, like RLIMIT_MEMLOCK. Without it there is no limit. */
  readonly memlockBytes?: number;
  /** How the host reaches the program's memory; the core never looks. */
  readonly identity?: unknown;
  /** Wakes whoever waits at the other end. */
  readonly wake: (number: number) => void;
}

export class Session {
  readonly system: System;
  readonly credentials: Credentials;
  /** For tools. */
  readonly id: number;
  readonly contexts = new Map<number, DeviceContext>();
  /** What it is told through the management channel, by name. */
  readonly feeds = new Map<string, Feed>();
  /** Frames of a device that it asked for, until it has read all. */
  capture: Capture | undefined;
  readonly namespace: Namespace;
  /** Charged for what is made from now on; what was charged before stays where it is. */
  group: ResourceGroup;
  /** Bytes of registered memory. */
  pinnedBytes = 0;
  #nextContext = 1;
  #nextWake = 1;

  constructor(system: System, credentials: Credentials) {
    this.system = system;
    this.id = system.nextBirth();
    this.credentials = credentials;
    this.namespace = credentials.namespace ?? system.initialNamespace;
    this.group = credentials.group ?? system.root;
    this.namespace.sessions++;
  }

  /** Serves one request. Never throws: what is wrong stands in the answer. */
  invoke(request: Message, now: Nanos = this.system.now): Message {
    this.system.now = Math.max(now, this.system.now);
    return dispatch(this, request);
  }

  wake(number: number): void {
    this.credentials.wake(number);
  }

  /** Wakes everybody who waits for anything of a context. */
  wakeAll(context: DeviceContext): void {
    for (const file of context.eventFiles.values()) this.wake(file.wake);
    for (const number of context.wakes) this.wake(number);
  }

  /** A number by which somebody can be woken. */
  nextWake(): number {
    return this.#nextWake++;
  }

  /**
   * Opens a context.
   *
   * @throws VerbsError `EAGAIN` the resource group has no more · `ENOSPC` the device has no more · `EBUSY` the device
   *   serves one program at a time
   */
  openContext(device: Device, rights: Rights): DeviceContext {
    if (device.contexts.size >= device.limits.contexts) {
      throw new VerbsError('ENOSPC', 'DEVICE.OPEN', `${device.limits.contexts} contexts of ${device.name} are open`, {
        try: 'close one',
      });
    }
    if (device.driver.exclusive === true && device.contexts.size > 0) {
      throw new VerbsError('EBUSY', 'DEVICE.OPEN', `${device.name} serves one program at a time`, {
        object: 'the device cannot keep processes apart',
        try: 'when the other program has closed it',
      });
    }
    const charge = this.group.charge(device.name, 'hca_handle');
    const events = new EventFile(this.nextWake(), device.limits.events);
    const context = new DeviceContext(this, device, this.#nextContext++, device.nextId('DEVICE'), rights, events);
    context.charge = charge;
    const file = context.objects.add((handle) => new DeviceObject(UAPI.ASYNC_EVENT, context, handle, 0));
    if (file !== undefined) {
      // its own use: it ends with the context only
      file.uses = 1;
      file.state = events;
      context.eventFiles.set(file.handle, events);
      context.defaultEventsHandle = file.handle;
      file.live = true;
    }
    this.contexts.set(context.number, context);
    device.contexts.add(context);
    return context;
  }

  /** Closes a context; while a call runs on its device, right after that call. */
  closeContext(context: DeviceContext): void {
    if (context.dead) this.#forget(context);
    else context.device.whenIdle(() => this.#closeNow(context));
  }

  #closeNow(context: DeviceContext): void {
    if (!context.dead) {
      const { device } = context;
      destroyAll(context, 'CLOSE');
      context.maps.clear();
      device.contained(() => device.driver.closeContext?.(context));
      context.charge?.release();
      device.contexts.delete(context);
    }
    this.#forget(context);
  }

  #forget(context: DeviceContext): void {
    context.dead = true;
    this.contexts.delete(context.number);
    this.wakeAll(context);
  }

  /** The program is gone, or done: nothing of it is left. */
  close(): void {
    for (const feed of this.feeds.values()) feed.end();
    this.feeds.clear();
    this.capture?.end();
    this.capture = undefined;
    for (const context of [...this.contexts.values()].reverse()) this.closeContext(context);
    if (this.system.sessions.delete(this)) this.namespace.sessions--;
  }
}
