/** A driver without hardware: what it can do is what a test gives it. */
import { SeededRandom } from '../base/random.ts';
import { UAPI } from '../uapi/index.ts';
import { decodeAnswer, encodeRequest } from '../uapi/message.ts';
import type { Method, ObjectSchema } from '../uapi/schema.ts';
import type { Call } from './call.ts';
import type { Device } from './device.ts';
import type { Driver, DriverOps } from './driver.ts';
import { ALL_RIGHTS, type Credentials, type Session } from './session.ts';
import { System } from './system.ts';

/** Protection domains and completion queues, and what is given besides. `log` tells what it was called for. */
export function stubDriver(more: Partial<Driver> = {}, log: string[] = []): Driver {
  const note =
    (what: string) =>
    ({ object, reason }: Pick<Call, 'object' | 'reason'>): void =>
      void log.push(`${what} ${object.id}${reason === undefined || reason === 'DESTROY' ? '' : ` ${reason}`}`);
  const ops: DriverOps = {
    DEVICE: { QUERY: () => ({ attributes: {} }) },
    PD: { ALLOC: note('pd+'), DEALLOC: note('pd-') },
    AH: {
      CREATE: (call) => {
        note('ah+')(call);
        return { number: 1, pathGiven: 1, peer: { address: new Uint8Array(16), port: 0, sgidIndex: 0 } };
      },
      DESTROY: note('ah-'),
    },
  };
  return { number: 0x1fff, name: 'stub', ops, transports: [], disassociate: () => log.push('disassociate'), ...more };
}

export function newSystem(seed = 1): System {
  const random = new SeededRandom(seed);
  return new System((into) => {
    for (let i = 0; i < into.length; i++) into[i] = random.uint32();
  });
}

/** A program that calls by name. */
export class StubProgram {
  readonly session: Session;
  readonly woken: number[] = [];
  context = 0;
  eventWake = 0;
  readonly #device: Device;

  constructor(system: System, device: Device, credentials: Partial<Credentials> = {}) {
    this.#device = device;
    this.session = system.session({
      ...{ pid: 7, uid: 1000, gid: 1000, name: 'stub', rights: ALL_RIGHTS },
      ...credentials,
      wake: (number) => void this.woken.push(number),
    });
    this.open();
  }

  open(name = this.#device.name): void {
    this.context = 0;
    const opened = this.call('DEVICE.OPEN', { device: name });
    this.context = Number(opened.context);
    this.eventWake = Number(opened.wake);
  }

  /** @throws VerbsError what the answer says */
  call(name: string, input: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const [object = '', method = ''] = name.split('.');
    const schema = (UAPI as Readonly<Record<string, ObjectSchema>>)[object]!;
    const declared = schema.methods[method] as Method;
    const options = { context: this.context, driver: this.context === 0 ? 0 : this.#device.driver.number };
    const answer = this.session.invoke({
      bytes: encodeRequest(schema, declared, input as never, options),
      attachments: [],
    });
    return decodeAnswer(declared, answer.bytes) as Record<string, unknown>;
  }

  pd(): number {
    return Number(this.call('PD.ALLOC').handle);
  }

  ah(pd: number): number {
    return Number(this.call('AH.CREATE', { pd, path: 1 }).handle);
  }

  /** Pairs of event and handle that wait. */
  events(handle?: number): { events: readonly number[]; end: number } {
    return this.call('ASYNC_EVENT.READ', handle === undefined ? {} : { handle }) as never;
  }
}
