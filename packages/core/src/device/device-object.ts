/** An object of a program, as the core keeps it: identity, lock, use count, charges. What it is belongs to the driver. */
import type { ObjectSchema } from '../uapi/schema.ts';
import type { DeviceContext } from './device-context.ts';
import type { EventFile } from './event-file.ts';
import type { Charge } from './resource-group.ts';

export class DeviceObject {
  readonly schema: ObjectSchema;
  readonly context: DeviceContext;
  /** In its context. */
  readonly handle: number;
  /** Of its kind, on its device: what tools show. */
  readonly id: number;
  /** Objects that need this one; while there are some, destroying is refused. */
  uses = 0;
  /** 0 free · n readers · -1 exclusive. A conflict never waits. */
  lock = 0;
  /** False until the call that makes it has succeeded, and again from its destruction on. */
  live = false;
  /** Objects that it needs, counted in their `uses`. */
  readonly needs: DeviceObject[] = [];
  readonly charges: Charge[] = [];
  /** Where its events go; undefined for the default file of its context. */
  events: EventFile | undefined;
  /** Number that its context is woken by; 0 for objects that nobody waits for. */
  wake = 0;
  /** The driver's. */
  state: unknown;

  /** Grows with each object: newer ones are destroyed first. */
  readonly born: number;

  constructor(schema: ObjectSchema, context: DeviceContext, handle: number, id: number) {
    this.schema = schema;
    this.context = context;
    this.handle = handle;
    this.id = id;
    this.born = context.device.system.nextBirth();
  }

  get kind(): string {
    return this.schema.name;
  }

  /** The protection domain that it was made from. */
  get pd(): DeviceObject | undefined {
    return this.needs.find((one) => one.kind === 'PD');
  }

  /** It needs `other` from now on. */
  need(other: DeviceObject): void {
    this.needs.push(other);
    other.uses++;
  }

  /** It does not need `other` any more. */
  drop(other: DeviceObject): void {
    const at = this.needs.indexOf(other);
    if (at < 0) return;
    this.needs.splice(at, 1);
    other.uses--;
  }

  /** It is gone: gives back everything that it held of others. */
  settle(): void {
    this.live = false;
    for (let other = this.needs.pop(); other !== undefined; other = this.needs.pop()) other.uses--;
    for (let charge = this.charges.pop(); charge !== undefined; charge = this.charges.pop()) charge.release();
  }
}
