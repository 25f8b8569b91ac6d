/** A program's view of a device: everything that it makes there belongs to it, and ends with it. */
import { ObjectTable } from '../base/object-table.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { Device } from './device.ts';
import type { DeviceObject } from './device-object.ts';
import type { EventFile } from './event-file.ts';
import { MapTable } from './map-table.ts';
import type { Charge } from './resource-group.ts';
import type { Rights, Session } from './session.ts';
import type { System } from './system.ts';

export class DeviceContext {
  readonly session: Session;
  readonly device: Device;
  /** In its session: what stands in headers. */
  readonly number: number;
  /** On its device: what tools show. */
  readonly id: number;
  readonly rights: Rights;
  readonly objects: ObjectTable<DeviceObject>;
  /** Event files by handle. They outlive the device: what waits can still be read. */
  readonly eventFiles = new Map<number, EventFile>();
  readonly defaultEvents: EventFile;
  defaultEventsHandle = 0;
  /** What programs may wait for, beside event files. */
  readonly wakes = new Set<number>();
  readonly maps = new MapTable();
  /** Gives back what opening was charged. */
  charge: Charge | undefined;
  /** The device is gone: a shell whose calls answer EIO, and whose destroys succeed. */
  dead = false;
  /** The driver's. */
  state: unknown;

  constructor(session: Session, device: Device, number: number, id: number, rights: Rights, events: EventFile) {
    this.session = session;
    this.device = device;
    this.number = number;
    this.id = id;
    this.rights = rights;
    this.defaultEvents = events;
    this.objects = new ObjectTable(HANDLES, device.limits.handles, randomWord(session.system));
  }

  /**
   * A live object by handle. Kinds are compared: a handle of another kind is no handle.
   *
   * @param attribute - its name in the call, for the error
   */
  find(call: string, kind: string, handle: number, attribute = ''): DeviceObject {
    const title = attribute === '' ? '' : `\`${attribute}\`: `;
    const text = `0x${handle.toString(16)}`;
    if (handle > MAX_HANDLE) {
      throw new VerbsError('EINVAL', call, `${title}${text} cannot be a handle`, { try: 'a number below 2^31' });
    }
    const object = this.objects.get(handle);
    if (object === undefined || !object.live) {
      throw new VerbsError('ENOENT', call, `${title}there is no ${kind} with handle ${text}`, {
        object: `context ${this.number} of ${this.device.name}`,
        try: 'a handle of this context whose object is not destroyed',
      });
    }
    if (object.kind === kind) return object;
    throw new VerbsError('EINVAL', call, `${title}handle ${text} is no ${kind}`, {
      object: `${object.kind} of context ${this.number}`,
      try: `a handle of a ${kind}`,
    });
  }
}

/** A handle of one context is hardly ever one of another. */
function randomWord({ randomWords }: System): number {
  const words = new Uint32Array(1);
  randomWords(words);
  return words[0]!;
}

/** All handles are alike, whatever they stand for: the kind is compared, not read from the number. */
const HANDLES = 1;
const MAX_HANDLE = 0x7fff_ffff;
