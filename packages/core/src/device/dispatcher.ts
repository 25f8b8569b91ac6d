/**
 * The one way in: parses a request, checks it against the schema, takes references, runs the method as a transaction,
 * and commits or undoes. A call that answers success did everything; one that answers an error did nothing.
 * @spec rdma-core 10.4 · rdma-core 10.5 · rdma-core 11
 */
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import { UAPI } from '../uapi/index.ts';
import {
  AttributeFlag,
  answerBytes,
  checkRoom,
  decodeRequestHeader,
  decodeValue,
  encodeAnswer,
  encodeError,
  Fault,
  type Message,
  type RawAttribute,
  REQUEST_BYTES,
  type RequestHeader,
  splitAttributes,
} from '../uapi/message.ts';
import { type Method, methodKey, type ObjectSchema } from '../uapi/schema.ts';
import { callOf } from './call.ts';
import { checkCall } from './checks.ts';
import { openDevice, systemMethods } from './core-methods.ts';
import { abortObject, destroyObject } from './destroy.ts';
import type { Device } from './device.ts';
import type { DeviceContext } from './device-context.ts';
import { DeviceObject } from './device-object.ts';
import type { EventFile } from './event-file.ts';
import { managementMethods, serveManagement } from './management.ts';
import type { MethodEntry } from './method-table.ts';
import type { Rights, Session } from './session.ts';
import { Transaction } from './transaction.ts';

/** Serves one request of a session. */
export function dispatch(session: Session, request: Message): Message {
  let cookie = 0;
  const reply: unknown[] = [];
  try {
    const header = decodeRequestHeader(request.bytes);
    cookie = header.cookie;
    const raw = splitAttributes(request.bytes, REQUEST_BYTES, header.attributes);
    const bytes =
      header.context === 0
        ? serveSystem(session, header, raw, request, reply)
        : serveContext(session, header, raw, request, reply);
    return { bytes, attachments: reply };
  } catch (thrown) {
    return { bytes: encodeError(asVerbsError(thrown), cookie), attachments: [] };
  }
}

/** Calls that need no context: what devices there are, and opening one. */
function serveSystem(
  session: Session,
  header: RequestHeader,
  raw: readonly RawAttribute[],
  request: Message,
  reply: unknown[],
): Uint8Array {
  const managed = managementMethods.get(methodKey(header.object, header.method));
  if (managed !== undefined) {
    return serveManagement(session, managed, header, () => {
      const { rights } = session.credentials;
      // who may change the system may also end what others made there
      checkRight({ ...rights, job: rights.job || rights.admin }, managed.name, managed.method);
      return readInput(managed, raw);
    });
  }
  const entry = header.object === UAPI.DEVICE.id ? systemMethods.get(header.method) : undefined;
  if (entry === undefined) throw withoutContext(header);
  const input = readInput(entry, raw);
  if (entry.name === 'DEVICE.OPEN') return openDevice(session, entry, input, header, request.attachments, reply);
  return fitting(encodeAnswer(entry.method, entry.list(session), header.cookie), header, entry.name);
}

function fitting(bytes: Uint8Array, header: RequestHeader, call: string): Uint8Array {
  checkRoom(bytes.length, header, call);
  return bytes;
}

function serveContext(
  session: Session,
  header: RequestHeader,
  raw: readonly RawAttribute[],
  request: Message,
  reply: unknown[],
): Uint8Array {
  const context = session.contexts.get(header.context);
  if (context === undefined) {
    throw new VerbsError('EINVAL', 'invoke', `there is no context ${header.context}`, { try: 'DEVICE.OPEN' });
  }
  const { device } = context;
  if (header.driver !== device.driver.number) {
    throw new VerbsError('EINVAL', 'invoke', `the caller was made for driver ${header.driver}`, {
      object: `device ${device.name} of driver ${device.driver.number} (${device.driver.name})`,
      try: `a user half for driver ${device.driver.number}`,
    });
  }
  const entry = device.methods.find(header.object, header.method);
  if (entry === undefined) throw absent(header, `on ${device.name}`);
  if (context.dead) {
    const bytes = serveShell(context, entry, raw, header);
    if (bytes !== undefined) return bytes;
  }
  // from the start of a removal on, calls that run are finished, and no other one begins
  if (context.dead || (device.state !== 'registered' && entry.method.shell !== true)) {
    throw new VerbsError('EIO', entry.name, `device ${device.name} is gone`, {
      object: `context ${context.number}`,
      try: 'close the context and open the device again when it is back',
    });
  }
  const { failure } = device.driver;
  if (failure !== undefined && entry.method.shell !== true) {
    const why = failure instanceof Error ? failure.message : String(failure);
    throw new VerbsError('EIO', entry.name, `device ${device.name} failed: ${why}`, {
      try: 'close the device and open it again; the failure is a bug, please report it',
    });
  }
  return device.guard(() => serveLive(context, entry, raw, request, header, reply));
}

function serveLive(
  context: DeviceContext,
  entry: MethodEntry,
  raw: readonly RawAttribute[],
  request: Message,
  header: RequestHeader,
  reply: unknown[],
): Uint8Array {
  const { device, session } = context;
  const tx = new Transaction(session.system.inject);
  const locked: DeviceObject[] = [];
  let object: DeviceObject | undefined;
  let isServing = false;
  try {
    const input = readInput(entry, raw);
    checkRight(context.rights, entry.name, entry.method);
    resolveHandles(context, entry, input, locked);
    // an answer whose size is known is refused before anything is done, any other one is undone
    const known = entry.makes === undefined ? answerBytes(entry.method) : undefined;
    if (known !== undefined) checkRoom(known, header, entry.name);
    if (entry.makes !== undefined) object = begin(context, entry, input, tx);
    else object = entry.subject === undefined ? undefined : (input[entry.subject] as DeviceObject);
    const call = callOf(entry.name, context, input, object, tx, request.attachments, reply);
    isServing = true;
    checkCall(call);
    let output: Readonly<Record<string, unknown>> = {};
    const { depth } = tx;
    if (entry.destroys) destroyObject(call.object, 'DESTROY');
    else output = entry.serve(call) ?? {};
    if (entry.makes !== undefined && object !== undefined) {
      const made = object;
      tx.join(depth, () => abortObject(made));
      output = { ...output, [entry.subject ?? '']: made.handle };
    }
    isServing = false;
    if (known === undefined) tx.reach('answer');
    const bytes = encodeAnswer(entry.method, output, header.cookie);
    if (known === undefined) checkRoom(bytes.length, header, entry.name);
    if (entry.makes !== undefined && object !== undefined) {
      device.list(object);
      object.live = true;
      object.lock = 0;
    }
    return bytes;
  } catch (thrown) {
    tx.rollback();
    reply.length = 0;
    throw isServing ? withoutReserved(thrown, device) : thrown;
  } finally {
    for (const one of locked) one.lock = one.lock < 0 ? 0 : one.lock - 1;
  }
}

/** A handle number, its charges, and the objects that the new one will need. */
function begin(
  context: DeviceContext,
  entry: MethodEntry,
  input: Readonly<Record<string, unknown>>,
  tx: Transaction,
): DeviceObject {
  const { device, session } = context;
  const schema = entry.makes!;
  tx.reach('handle');
  const object = context.objects.add((handle) => new DeviceObject(schema, context, handle, device.nextId(schema.name)));
  if (object === undefined) {
    throw new VerbsError(
      'ENOSPC',
      entry.name,
      `the context has ${context.objects.limit} objects, the most it can have`,
      {
        try: 'destroy what is no longer needed, or open another context',
      },
    );
  }
  object.lock = -1;
  tx.onUndo(() => {
    object.settle();
    context.objects.remove(object.handle);
  });
  tx.reach('charge');
  object.charges.push(session.group.charge(device.name, 'hca_object'));
  for (const value of Object.values(input)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one instanceof DeviceObject) object.need(one);
  }
  const { events } = input;
  if (events instanceof DeviceObject && events.kind === 'ASYNC_EVENT') object.events = events.state as EventFile;
  return object;
}

/** Values by name. @throws VerbsError as the table of rdma-core 10.4 says */
function readInput(
  entry: Pick<MethodEntry, 'name' | 'inputs' | 'method'>,
  raw: readonly RawAttribute[],
): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  const seen = new Set<number>();
  for (const { id, flags, value } of raw) {
    if ((flags & ~AttributeFlag.MANDATORY) !== 0) {
      throw new VerbsError('EINVAL', entry.name, `attribute 0x${id.toString(16)} has flags that do not exist`, {
        given: `flags 0x${flags.toString(16)}`,
        try: 'bit 0: the call fails where the attribute is not known',
      });
    }
    const known = entry.inputs.get(id);
    if (known === undefined) {
      if ((flags & AttributeFlag.MANDATORY) === 0) continue;
      throw new VerbsError('EPROTONOSUPPORT', entry.name, `attribute 0x${id.toString(16)} is not known here`, {
        try: 'leave it out, or mark it optional',
      });
    }
    const [name, { type }] = known;
    if (seen.has(id)) {
      throw new VerbsError('EINVAL', entry.name, `\`${name}\` stands there twice`, {
        given: `attribute ${id}`,
        try: 'once',
      });
    }
    seen.add(id);
    const decoded = decodeValue(type, value);
    if (decoded instanceof Fault) {
      throw new VerbsError(decoded.code, entry.name, `\`${name}\` ${decoded.text}`, { given: `attribute ${id}` });
    }
    input[name] = decoded;
  }
  for (const [id, [name, attribute]] of entry.inputs) {
    if (!attribute.mandatory || seen.has(id)) continue;
    throw new VerbsError('EINVAL', entry.name, `\`${name}\` is missing`, {
      missing: `${name}: ${attribute.text}`,
      given: `attribute ${id}`,
    });
  }
  return input;
}

/** Turns handles into objects, and locks them. A conflict never waits. */
function resolveHandles(
  context: DeviceContext,
  entry: MethodEntry,
  input: Record<string, unknown>,
  locked: DeviceObject[],
): void {
  for (const [name, { type }] of entry.inputs.values()) {
    const value = input[name];
    if (value === undefined || (type.kind !== 'handle' && type.kind !== 'handles')) continue;
    const take = (handle: number): DeviceObject => {
      const object = context.find(entry.name, type.object, handle, name);
      lock(entry.name, name, object, type.access === 'read', locked);
      return object;
    };
    input[name] = type.kind === 'handle' ? take(value as number) : (value as readonly number[]).map(take);
  }
}

function lock(call: string, name: string, object: DeviceObject, shared: boolean, locked: DeviceObject[]): void {
  if (shared ? object.lock < 0 : object.lock !== 0) {
    const here = locked.includes(object);
    throw new VerbsError('EBUSY', call, `\`${name}\`: ${here ? 'this' : 'another'} call is using the ${object.kind}`, {
      object: `${object.kind} 0x${object.handle.toString(16)}`,
      try: here ? 'another object for each attribute' : 'again when that call has returned',
    });
  }
  object.lock = shared ? object.lock + 1 : -1;
  locked.push(object);
}

/** On a device that is gone: what only looks or gives back. @returns undefined for everything else */
function serveShell(
  context: DeviceContext,
  entry: MethodEntry,
  raw: readonly RawAttribute[],
  header: RequestHeader,
): Uint8Array | undefined {
  if (entry.method.shell !== true) return undefined;
  if (entry.destroys) return encodeAnswer(entry.method, {}, header.cookie);
  const tx = new Transaction();
  try {
    const call = callOf(entry.name, context, readInput(entry, raw), undefined, tx, [], []);
    return fitting(encodeAnswer(entry.method, entry.serve(call) ?? {}, header.cookie), header, entry.name);
  } catch (thrown) {
    tx.rollback();
    throw withoutReserved(thrown, context.device);
  }
}

function checkRight(rights: Rights, name: string, { right }: Method): void {
  if (right === undefined || rights[right]) return;
  throw new VerbsError('EPERM', name, `this needs the right '${right}', which the caller does not have`, {
    try: right === 'job' ? 'a capability of the job from who made it: JOB.IMPORT' : 'an administrator',
  });
}

/** A method that is there, but not before a device is open, is another mistake than one that is not there. */
function withoutContext(header: RequestHeader): VerbsError {
  const objects: readonly ObjectSchema[] = Object.values(UAPI);
  const object = objects.find(({ id }) => id === header.object);
  const method = Object.entries(object?.methods ?? {}).find(([, { id }]) => id === header.method);
  if (object === undefined || method === undefined) return absent(header, 'without a context');
  return new VerbsError('EINVAL', `${object.name}.${method[0]}`, 'the call names no context', {
    missing: 'context, in the header',
    try: 'DEVICE.OPEN gives one',
  });
}

function absent({ object, method }: RequestHeader, where: string): VerbsError {
  return new VerbsError('EPROTONOSUPPORT', 'invoke', `there is no method ${method} of object ${object} ${where}`, {
    try: 'DEVICE.QUERY_METHODS lists what is there',
  });
}

/** EPROTONOSUPPORT is the dispatcher's own word for "not there", on which programs build; a method must not say it. */
function withoutReserved(thrown: unknown, { driver }: Device): unknown {
  if (!isVerbsError(thrown) || thrown.code !== 'EPROTONOSUPPORT') return thrown;
  const problem = thrown.message.slice(`${thrown.code} in ${thrown.call}: `.length);
  return new VerbsError('EINVAL', thrown.call, problem, {
    ...thrown.facts,
    see: `the driver ${driver.name} said EPROTONOSUPPORT, which is not its to say: please report it`,
  });
}

function asVerbsError(thrown: unknown): VerbsError {
  if (isVerbsError(thrown)) return thrown;
  return new VerbsError(
    'EIO',
    'invoke',
    `the call failed inside: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    {
      try: 'nothing was done; the failure is a bug, please report it',
    },
  );
}
