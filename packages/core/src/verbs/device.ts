/** A device as a program sees it after a host opened it. */
import { VerbsError } from '../base/verbs-error.ts';
import type { DeviceAttributes } from '../device/attributes.ts';
import type { ResourceRow } from '../device/kernel-calls.ts';
import { Context } from './context.ts';
import type { KernelPort } from './kernel-port.ts';

export interface DeviceHandle extends AsyncDisposable {
  readonly name: string;
  /** Name of its transport. */
  readonly transport: string;
  /** 16 hexadecimal digits. */
  readonly guid: string;
  readonly attributes: DeviceAttributes;
  /** I/O level in use: 'gso', 'batch', 'dgram' or 'simulated'. */
  readonly level: string;
  /** False: packets arrive only when the event loop turns, so polling without pause is in vain. */
  readonly polls: boolean;
  /** @throws VerbsError EINVAL the device is closed */
  open(): Context;
  /** What was counted so far, by name. */
  counters(): Record<string, number>;
  /** What is alive now, by name. */
  census(): Record<string, number>;
  /** Every live object as a row. */
  resources(): ResourceRow[];
  /** Closes all contexts, then the device. */
  close(): Promise<void>;
}

/** A device behind a port. */
export class OpenDevice implements DeviceHandle {
  readonly name: string;
  readonly transport: string;
  readonly guid: string;
  readonly attributes: DeviceAttributes;
  readonly level: string;
  readonly polls: boolean;
  readonly port: KernelPort;
  readonly #end: () => Promise<void>;
  readonly #contexts = new Set<Context>();
  #closed: Promise<void> | undefined;

  /** @param end - ends the kernel half and what the host holds for it */
  constructor(port: KernelPort, end: () => Promise<void>) {
    this.port = port;
    this.#end = end;
    this.attributes = port.call('queryDevice', {});
    this.name = this.attributes.name;
    this.transport = this.attributes.transport;
    this.guid = this.attributes.nodeGuid;
    this.level = port.call('queryPort', {}).level;
    this.polls = port.polls;
  }

  open(): Context {
    if (this.#closed !== undefined) {
      throw new VerbsError('EINVAL', 'open', `device ${this.name} is closed`, { try: 'open the device again' });
    }
    const context = new Context(this.port, (one) => this.#contexts.delete(one));
    this.#contexts.add(context);
    return context;
  }

  counters(): Record<string, number> {
    return this.port.call('counters', {});
  }

  census(): Record<string, number> {
    return this.port.call('census', {});
  }

  resources(): ResourceRow[] {
    return this.port.call('resources', {});
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const context of [...this.#contexts].reverse()) context.close();
    await this.#end();
  }
}
