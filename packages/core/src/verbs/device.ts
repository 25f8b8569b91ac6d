/** A device as a program sees it after a host opened it. */
import { VerbsError } from '../base/verbs-error.ts';
import { MANAGEMENT } from '../uapi/management/index.ts';
import { decodeAnswer, encodeRequest } from '../uapi/message.ts';
import type { Row } from '../uapi/rows.ts';
import type { Input, Method, ObjectSchema, Output } from '../uapi/schema.ts';
import type { DeviceAttributes } from './attributes.ts';
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
  resources(): Row[];
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

  /**
   * @param name - of the device behind the port
   * @param end - ends the kernel half and what the host holds for it
   */
  constructor(port: KernelPort, name: string, end: () => Promise<void>) {
    this.port = port;
    this.#end = end;
    this.name = name;
    const context = new Context(port, name);
    try {
      this.attributes = context.attributes;
      this.transport = this.attributes.transport;
      this.guid = this.attributes.nodeGuid;
      this.level = context.queryPort().level;
    } finally {
      context.close();
    }
    this.polls = port.polls;
  }

  open(): Context {
    if (this.#closed !== undefined) {
      throw new VerbsError('EINVAL', 'open', `device ${this.name} is closed`, { try: 'open the device again' });
    }
    const context = new Context(this.port, this.name, (one) => this.#contexts.delete(one));
    this.#contexts.add(context);
    return context;
  }

  /** `close` was called. */
  protected get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  counters(): Record<string, number> {
    const { STATISTIC } = MANAGEMENT;
    return { ...this.#manage(STATISTIC, STATISTIC.methods.SHOW, { device: this.name }).counters } as Record<
      string,
      number
    >;
  }

  census(): Record<string, number> {
    const { RESOURCE } = MANAGEMENT;
    return { ...this.#manage(RESOURCE, RESOURCE.methods.CENSUS, { device: this.name }).counts } as Record<
      string,
      number
    >;
  }

  resources(): Row[] {
    const { RESOURCE } = MANAGEMENT;
    const all: Row[] = [];
    for (let after = ''; ; ) {
      const { rows, next } = this.#manage(RESOURCE, RESOURCE.methods.SHOW, { device: this.name, after });
      all.push(...rows);
      if (next === '') return all;
      after = next;
    }
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

  #manage<M extends Method>(object: ObjectSchema, method: M, input: Input<M>): Output<M> {
    return decodeAnswer(
      method,
      this.port.invoke({ bytes: encodeRequest(object, method, input), attachments: [] }).bytes,
    );
  }
}
