/** A context with one object of every kind, and valid inputs for every method of the user API. */
import { CompletionEntry, ReceiveEntry, SendEntry } from '../abi/entries.ts';
import { ringBytes } from '../abi/ring.ts';
import { parseAddress } from '../base/ip-address.ts';
import type { ChannelQueue } from '../device/channel-queue.ts';
import type { DeviceObject } from '../device/device-object.ts';
import { EventValue } from '../device/events.ts';
import { UAPI, type UapiObject } from '../uapi/index.ts';
import { MemoryKind } from '../uapi/layouts.ts';
import { ACCESS_FLAGS, REREG_FLAGS } from '../uapi/objects/mr.ts';
import { QP_STATES, QP_TYPES } from '../uapi/objects/qp.ts';
import { handlesOf, type Method } from '../uapi/schema.ts';
import type { CallBench, OpenContext } from './call-bench.ts';

/** What a call is made with. */
export interface CallInputs {
  readonly input: Readonly<Record<string, unknown>>;
  readonly attachments?: readonly unknown[];
}

/** One valid call. */
export interface CallCase {
  readonly object: UapiObject;
  readonly method: string;
  /** What is special about it; '' for the plain call. */
  readonly variant: string;
  /** Makes what the call needs, and says how to call. */
  readonly prepare: (world: CallWorld) => CallInputs;
}

export interface CallWorldOptions {
  /** Leaves out objects that the program may not have, or that do not fit any more. */
  readonly lenient?: boolean;
  /** First of the job numbers that this world takes; default 100. */
  readonly firstJob?: number;
}

/** A context in which there is one object of every kind that the device has. */
export class CallWorld {
  readonly bench: CallBench;
  readonly context: OpenContext;
  /** Handles by kind. */
  readonly handles = new Map<string, number>();
  /** Job numbers that are not taken. */
  #nextJob: number;

  constructor(bench: CallBench, context: OpenContext, options: CallWorldOptions = {}) {
    this.bench = bench;
    this.context = context;
    this.#nextJob = options.firstJob ?? 100;
    for (const kind of KINDS) {
      if (!this.has(`${kind}.${MAKERS[kind]}`)) continue;
      try {
        this.handles.set(kind, this.make(kind));
      } catch (thrown) {
        if (options.lenient !== true) throw thrown;
      }
    }
  }

  has(name: string): boolean {
    return this.bench.device.methods.has(name);
  }

  /** @throws Error the device has no such objects */
  handle(kind: string): number {
    const handle = this.handles.get(kind);
    if (handle === undefined) throw new Error(`this world has no ${kind}`);
    return handle;
  }

  /** The kernel half of the object of a kind. */
  object(kind: string): DeviceObject {
    const { session } = this.context.program;
    return session.contexts.get(this.context.number)!.objects.get(this.handle(kind))!;
  }

  /** Another object of a kind. @returns its handle */
  make(kind: UapiObject): number {
    const method = MAKERS[kind]!;
    const plain = CALLS.find((one) => one.object === kind && one.method === method)!;
    return this.call(plain).handle as number;
  }

  call(one: CallCase, options: { readonly room?: number } = {}): Readonly<Record<string, unknown>> {
    const { input, attachments = [] } = one.prepare(this);
    return this.context.call(one.object, one.method as never, input as never, { ...options, attachments }) as never;
  }

  job(): number {
    return this.#nextJob++;
  }
}

/** Methods that a device has and no case calls. */
export function uncalledMethods({ device }: CallBench): string[] {
  const called = new Set(CALLS.map(({ object, method }) => `${object}.${method}`));
  return [...device.methods.values()].map(({ name }) => name).filter((name) => !called.has(name));
}

/** Cases for the methods that a device has. */
export function callCases({ device }: CallBench): CallCase[] {
  return CALLS.filter(({ object, method }) => device.methods.has(`${object}.${method}`));
}

export const isDestroying = (one: CallCase): boolean => handlesOf(methodOf(one), 'destroy').length > 0;
export const isMaking = (one: CallCase): boolean => handlesOf(methodOf(one), 'new').length > 0;

const methodOf = ({ object, method }: CallCase): Method => UAPI[object].methods[method as never];

const memory = (bytes: number, index = 0) => ({ kind: MemoryKind.ATTACHMENT, index, offset: 0, length: bytes });
const room = (bytes: number) => new Uint8Array(new ArrayBuffer(bytes));
const COMPLETION_RING = ringBytes(16, CompletionEntry.bytes);
const SEND_RING = ringBytes(16, SendEntry.bytes);
const RECEIVE_RING = ringBytes(16, ReceiveEntry.bytes);
const ACCESS = ACCESS_FLAGS.LOCAL_WRITE | ACCESS_FLAGS.REMOTE_WRITE | ACCESS_FLAGS.REMOTE_READ | ACCESS_FLAGS.MW_BIND;
const peer = { address: parseAddress('10.9.9.9')!, port: 0, sgidIndex: 0 };

const call = (
  object: UapiObject,
  method: string,
  prepare: (world: CallWorld) => CallInputs['input'],
  attachments?: () => readonly unknown[],
  variant = '',
): CallCase => ({
  ...{ object, method, variant },
  prepare: (world) => ({ input: prepare(world), ...(attachments === undefined ? {} : { attachments: attachments() }) }),
});

const queuePair = (world: CallWorld) => ({
  pd: world.handle('PD'),
  type: QP_TYPES.RU,
  sendCq: world.handle('CQ'),
  recvCq: world.handle('CQ'),
  sendRing: memory(SEND_RING, 0),
  sendEntries: 16,
  receiveRing: memory(RECEIVE_RING, 1),
  receiveEntries: 16,
});
const rings = () => [room(SEND_RING), room(RECEIVE_RING)];
const of = (kind: UapiObject) => (world: CallWorld) => ({ handle: world.handle(kind) });
const fresh = (kind: UapiObject) => (world: CallWorld) => ({ handle: world.make(kind) });

/** The maker of each kind, and the order in which a world is made. */
const MAKERS: Readonly<Partial<Record<UapiObject, string>>> = {
  ...{ PD: 'ALLOC', COMP_CHANNEL: 'CREATE', ASYNC_EVENT: 'ALLOC', COMP_CNTR: 'CREATE', UMEM: 'CREATE', CQ: 'CREATE' },
  ...{ JOB: 'ALLOC', JKEY: 'CREATE', MR: 'REG', MW: 'ALLOC', AH: 'CREATE', SRQ: 'CREATE', QP: 'CREATE' },
};
const KINDS = Object.keys(MAKERS) as UapiObject[];

const CALLS: readonly CallCase[] = [
  call('DEVICE', 'QUERY', () => ({})),
  call('DEVICE', 'QUERY_PORT', () => ({ port: 1 })),
  call('DEVICE', 'QUERY_GID_TABLE', () => ({})),
  call('DEVICE', 'QUERY_QP_SEMANTICS', () => ({ type: QP_TYPES.RU, sgidIndex: 0 })),
  call('DEVICE', 'INFO_HANDLES', () => ({ object: UAPI.PD.id })),
  call('DEVICE', 'QUERY_METHODS', () => ({})),
  call('DEVICE', 'QUERY_PATH', () => ({ path: 1 })),
  call('DEVICE', 'COUNTERS', () => ({})),
  call('DEVICE', 'KICK', () => ({ slot: 0 })),
  call('DEVICE', 'MAP', ({ context }) => ({ offset: context.opened.page, length: context.opened.pageBytes })),
  call('DEVICE', 'UNMAP', ({ context }) => {
    const { page: offset, pageBytes: length } = context.opened;
    context.call('DEVICE', 'MAP', { offset, length });
    return { offset };
  }),
  call('DEVICE', 'CLOSE', () => ({})),

  call('PD', 'ALLOC', () => ({})),
  call('PD', 'DEALLOC', fresh('PD')),
  call('COMP_CHANNEL', 'CREATE', () => ({})),
  call('COMP_CHANNEL', 'READ', (world) => {
    const channel = world.object('COMP_CHANNEL').state as ChannelQueue;
    channel.push(world.handle('CQ'));
    channel.push(world.handle('PD'));
    return of('COMP_CHANNEL')(world);
  }),
  call('COMP_CHANNEL', 'DESTROY', fresh('COMP_CHANNEL')),
  call('ASYNC_EVENT', 'ALLOC', () => ({})),
  call('ASYNC_EVENT', 'READ', ({ bench }) => {
    bench.device.raise(EventValue.GID_CHANGE, 1);
    bench.device.raise(EventValue.PORT_ACTIVE, 1);
    return {};
  }),
  call('ASYNC_EVENT', 'FREE', fresh('ASYNC_EVENT')),
  call('COMP_CNTR', 'CREATE', () => ({ unit: 0 })),
  call('COMP_CNTR', 'READ', of('COMP_CNTR')),
  call('COMP_CNTR', 'MODIFY', (world) => ({ handle: world.handle('COMP_CNTR'), successes: 5, errors: 1, add: 1 })),
  call('COMP_CNTR', 'DESTROY', fresh('COMP_CNTR')),
  call(
    'UMEM',
    'CREATE',
    () => ({ kind: 0, attachment: 0 }),
    () => [room(65_536)],
  ),
  call('UMEM', 'DESTROY', fresh('UMEM')),

  call(
    'CQ',
    'CREATE',
    (world) => ({
      ring: memory(COMPLETION_RING),
      entries: 16,
      channel: world.handle('COMP_CHANNEL'),
      events: world.handle('ASYNC_EVENT'),
    }),
    () => [room(COMPLETION_RING)],
  ),
  call(
    'CQ',
    'CREATE',
    (world) => ({
      ring: { kind: MemoryKind.UMEM, index: world.handle('UMEM'), offset: 4096, length: COMPLETION_RING },
      entries: 16,
    }),
    undefined,
    'ring in a umem',
  ),
  call('CQ', 'QUERY', of('CQ')),
  call('CQ', 'MODIFY', (world) => ({ handle: world.handle('CQ'), count: 4, periodUs: 10 })),
  call(
    'CQ',
    'RESIZE',
    (world) => ({
      handle: world.make('CQ'),
      ring: memory(ringBytes(32, CompletionEntry.bytes)),
      entries: 32,
      consumed: 0,
    }),
    () => [room(ringBytes(32, CompletionEntry.bytes))],
  ),
  call(
    'CQ',
    'RESIZE',
    (world) => ({
      handle: world.make('CQ'),
      ring: { kind: MemoryKind.UMEM, index: world.handle('UMEM'), offset: 8192, length: COMPLETION_RING },
      entries: 16,
      consumed: 0,
    }),
    undefined,
    'ring in a umem',
  ),
  call('CQ', 'DESTROY', fresh('CQ')),

  call('JOB', 'ALLOC', (world) => {
    const id = world.job();
    return { id, maxAddresses: 16, name: `job${id}` };
  }),
  call('JOB', 'QUERY', of('JOB')),
  call('JOB', 'ADDR_INSERT', (world) => ({ handle: world.handle('JOB'), index: 3, to: peer, qpn: 9 })),
  call('JOB', 'ADDR_REMOVE', (world) => ({ handle: world.handle('JOB'), index: 3 })),
  call('JOB', 'ADDR_QUERY', (world) => {
    const handle = world.handle('JOB');
    world.context.call('JOB', 'ADDR_INSERT', { handle, index: 3, to: peer, qpn: 9 });
    return { handle, index: 3 };
  }),
  call('JOB', 'EXPORT', of('JOB')),
  call('JOB', 'IMPORT', (world) => world.context.call('JOB', 'EXPORT', { handle: world.handle('JOB') })),
  call('JOB', 'REVOKE', of('JOB')),
  call('JOB', 'DEALLOC', fresh('JOB')),
  call('JKEY', 'CREATE', (world) => ({ pd: world.handle('PD'), job: world.handle('JOB') })),
  call('JKEY', 'DESTROY', fresh('JKEY')),

  call(
    'MR',
    'REG',
    (world) => ({ pd: world.handle('PD'), memory: memory(8192), access: ACCESS, hints: 1 << 20 }),
    () => [room(8192)],
  ),
  call(
    'MR',
    'REG',
    (world) => ({
      pd: world.handle('PD'),
      memory: { kind: MemoryKind.UMEM, index: world.handle('UMEM'), offset: 0, length: 4096 },
      access: ACCESS,
      jobKey: world.handle('JKEY'),
      key: BigInt(world.job()),
    }),
    undefined,
    'in a umem, for a job, with a chosen key',
  ),
  call(
    'MR',
    'REG',
    (world) => ({
      pd: world.handle('PD'),
      parent: world.handle('MR'),
      offset: 64,
      length: 128,
      access: ACCESS_FLAGS.LOCAL_WRITE,
    }),
    undefined,
    'a part of another one',
  ),
  call('MR', 'REREG', (world) => ({ handle: world.make('MR'), flags: REREG_FLAGS.ACCESS, access: 0 })),
  call(
    'MR',
    'REREG',
    (world) => ({
      handle: world.make('MR'),
      flags: REREG_FLAGS.TRANSLATION | REREG_FLAGS.PD,
      pd: world.make('PD'),
      memory: memory(4096),
    }),
    () => [room(4096)],
    'other memory, other domain',
  ),
  call(
    'MR',
    'REREG',
    (world) => ({
      handle: world.make('MR'),
      flags: REREG_FLAGS.TRANSLATION,
      memory: { kind: MemoryKind.UMEM, index: world.handle('UMEM'), offset: 0, length: 4096 },
    }),
    undefined,
    'memory in a umem',
  ),
  call('MR', 'INVALIDATE', fresh('MR')),
  call('MR', 'DEREG', fresh('MR')),
  call('MW', 'ALLOC', (world) => ({ pd: world.handle('PD'), type: 2 })),
  call('MW', 'DEALLOC', fresh('MW')),
  call('AH', 'CREATE', (world) => ({ pd: world.handle('PD'), to: peer, qpn: 7 })),
  call('AH', 'CREATE', (world) => ({ pd: world.handle('PD'), path: 1 }), undefined, 'back along a path'),
  call('AH', 'DESTROY', fresh('AH')),

  call(
    'SRQ',
    'CREATE',
    (world) => ({
      pd: world.handle('PD'),
      ring: memory(RECEIVE_RING),
      entries: 16,
      events: world.handle('ASYNC_EVENT'),
    }),
    () => [room(RECEIVE_RING)],
  ),
  call('SRQ', 'MODIFY', (world) => ({ handle: world.handle('SRQ'), limit: 4 })),
  call('SRQ', 'QUERY', of('SRQ')),
  call('SRQ', 'DESTROY', fresh('SRQ')),
  call('QP', 'CREATE', queuePair, rings),
  call(
    'QP',
    'CREATE',
    (world) => ({ ...queuePair(world), jobKey: world.handle('JKEY'), events: world.handle('ASYNC_EVENT'), flags: 3 }),
    rings,
    'for a job, with an event file',
  ),
  call('QP', 'QUERY', of('QP')),
  call('QP', 'MODIFY', (world) => ({ handle: world.make('QP'), state: QP_STATES.ERR })),
  call('QP', 'ATTACH_MR', (world) => ({ handle: world.handle('QP'), region: world.make('MR') })),
  call('QP', 'DETACH_MR', (world) => {
    const input = { handle: world.handle('QP'), region: world.make('MR') };
    world.context.call('QP', 'ATTACH_MR', input);
    return input;
  }),
  call('QP', 'ATTACH_COMP_CNTR', (world) => ({
    handle: world.make('QP'),
    counter: world.handle('COMP_CNTR'),
    operations: 1,
  })),
  call('QP', 'DESTROY', fresh('QP')),
];
