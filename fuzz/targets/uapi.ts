/**
 * The user API under fire: requests made from the schema, valid ones and spoiled ones, from several programs at once,
 * with live and dead handles, foreign attachments and mutated bytes; between them programs die and the device is pulled
 * out. No call may throw, each has an answer that explains itself, books stay in order, and when all programs are gone
 * nothing is left.
 */
import { SeededRandom, type Session, TRANSPORTS } from '@verbena/core';
import { CallBench, type CallCase, CallWorld, callCases, type OpenContext, type Program } from '@verbena/core/testing';
import {
  type AttributeType,
  ERRNO,
  encodeRequest,
  encodeValue,
  MANAGEMENT,
  type Method,
  namesOf,
  type ObjectSchema,
  UAPI,
} from '@verbena/core/uapi';
import { type FuzzOptions, type FuzzReport, goesOn, hexOf, MAX_FAILURES } from '../fuzz-run.ts';
import { mutate } from '../mutator.ts';

export function fuzzUapi(options: FuzzOptions): FuzzReport {
  const random = new SeededRandom(options.seed);
  const failures: string[] = [];
  const facts = { accepted: 0, refused: 0, beds: 0, objects: 0, unplugs: 0, codes: 0, methods: 0 };
  const codes = new Set<number>();
  const methods = new Set<string>();
  let inputs = 0;
  while (goesOn(options, inputs) && failures.length < MAX_FAILURES) {
    const run = new UapiRun(random, facts, codes, methods);
    facts.beds++;
    try {
      for (let i = 0; i < PER_BED && goesOn(options, inputs); i++) {
        inputs++;
        run.call();
        if (i % 128 === 127) run.check();
      }
      run.finish();
    } catch (thrown) {
      const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      failures.push(`${text}\nseed ${options.seed}, after ${inputs} calls; the last ones:\n${run.last()}`);
    }
  }
  facts.codes = codes.size;
  facts.methods = methods.size;
  return { target: 'uapi', inputs, failures, facts };
}

/** A program with what it has open. */
interface Client {
  readonly program: Program;
  readonly worlds: CallWorld[];
}

class UapiRun {
  readonly #random: SeededRandom;
  readonly #facts: Record<string, number>;
  readonly #codes: Set<number>;
  readonly #methods: Set<string>;
  readonly #bench: CallBench;
  readonly #cases: readonly CallCase[];
  readonly #clients: Client[] = [];
  readonly #recent: { readonly what: string; readonly bytes: Uint8Array; readonly attachments: number }[] = [];
  /** Requests to splice from. */
  readonly #pool: Uint8Array[] = [];

  constructor(random: SeededRandom, facts: Record<string, number>, codes: Set<number>, methods: Set<string>) {
    this.#random = random;
    this.#facts = facts;
    this.#codes = codes;
    this.#methods = methods;
    this.#bench = new CallBench({ transports: TRANSPORTS, seed: random.uint32(), limits: LIMITS });
    this.#cases = callCases(this.#bench);
    for (let i = 0; i < CLIENTS; i++) this.#join();
  }

  /** One request, of whatever kind. */
  call(): void {
    const random = this.#random;
    if (random.chance(0.002)) this.#end(random.below(this.#clients.length));
    // a tool may have taken the device away as well
    if (random.chance(0.0005) || this.#bench.system.devices.size === 0) this.#unplug();
    const client = this.#pick(this.#clients);
    if (client.worlds.length === 0 || (client.worlds.length < 3 && random.chance(0.002))) this.#open(client);
    const world = client.worlds.length === 0 ? undefined : this.#pick(client.worlds);
    let chosen = this.#choose(client, world);
    // closing ends all that there is to try
    if (chosen.name === 'CLOSE' && random.chance(0.95)) chosen = this.#choose(client, world);
    const { of, name, input, attachments } = chosen;
    const method = of.methods[name]!;
    let bytes = this.#encode(of, method, input, world?.context);
    if (random.chance(0.25)) {
      bytes = mutate(random, bytes, this.#pool);
      // a wrong length is soon said: most spoiled requests go further
      if (bytes.length >= 4 && random.chance(0.8)) new DataView(bytes.buffer).setUint32(0, bytes.length, true);
    }
    if (this.#pool.length < POOL) this.#pool.push(bytes);
    else this.#pool[random.below(POOL)] = bytes;
    this.#recent.push({ what: `${of.name}.${name}`, bytes, attachments: attachments.length });
    if (this.#recent.length > KEPT) this.#recent.shift();
    this.#send(client, bytes, attachments, `${of.name}.${name}`);
    if (random.chance(0.02)) this.#bench.host.step();
  }

  /** Books that must agree, whatever was called. */
  check(): void {
    const { system, device } = this.#bench;
    let objects = 0;
    for (const session of system.sessions) {
      if (!(session.pinnedBytes >= 0)) throw new Error(`${session.pinnedBytes} bytes are registered`);
      for (const context of session.contexts.values()) objects += checkContext(context);
    }
    this.#facts.objects = Math.max(this.#facts.objects!, objects);
    if (system.leaked > 0) throw new Error('the driver refused to end an object');
    for (const one of system.devices.values()) {
      if (one.driver.failure !== undefined) throw one.driver.failure;
      const charged = system.root.usage(one.name, 'hca_object').current;
      const listed = one.methods.objects.reduce((sum, { name }) => sum + one.objects(name).size, 0);
      if (charged !== listed) throw new Error(`${charged} objects are charged, ${listed} exist on ${one.name}`);
    }
    if (device.state === 'registered' && device.contexts.size > LIMITS.contexts) throw new Error('too many contexts');
  }

  finish(): void {
    this.check();
    for (const { program } of this.#clients) close(program);
    const left = this.#bench.leftovers();
    if (left.length > 0) throw new Error(`all programs are gone, and there is left: ${left.join(', ')}`);
  }

  last(): string {
    return this.#recent
      .map(({ what, bytes, attachments }) => `${what} ${hexOf(bytes)} with ${attachments} attachments`)
      .join('\n');
  }

  #send(client: Client, bytes: Uint8Array, attachments: readonly unknown[], what: string): void {
    const answer = client.program.send({ bytes, attachments }).bytes;
    const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
    if (answer.length < 16 || view.getUint32(0, true) !== answer.length) throw new Error('the answer is no answer');
    const error = view.getUint16(4, true);
    if (!ERROR_NUMBERS.has(error)) throw new Error(`error ${error} is not in the table`);
    if (error === ERRNO.EIO && !this.#isGone(client, bytes)) throw new Error(`a bug: ${textOf(answer)}`);
    if (error !== 0 && view.getUint16(6, true) < 2) throw new Error(`error ${error} explains nothing`);
    this.#codes.add(error);
    if (error === 0) this.#methods.add(what);
    this.#facts[error === 0 ? 'accepted' : 'refused']!++;
    // contexts that the call closed are forgotten, and dead ones after a while
    for (let i = client.worlds.length - 1; i >= 0; i--) {
      const context = client.program.session.contexts.get(client.worlds[i]!.context.number);
      if (context === undefined || (context.dead && this.#random.chance(0.1))) client.worlds.splice(i, 1);
    }
  }

  /** EIO is right for a context whose device is gone, and for nothing else. */
  #isGone({ program: { session } }: Client, bytes: Uint8Array): boolean {
    if (bytes.length < 32) return false;
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true);
    return session.contexts.get(number)?.dead === true;
  }

  #choose(client: Client, world: CallWorld | undefined): Chosen {
    const random = this.#random;
    const dice = random.next();
    if (world !== undefined && dice < 0.45 && !isDead(client.program.session, world)) {
      const one = this.#pick(this.#cases);
      try {
        const { input, attachments = [] } = one.prepare(world);
        const changed = random.chance(0.5)
          ? this.#spoil(world, UAPI[one.object].methods[one.method as never], input)
          : input;
        return { of: UAPI[one.object], name: one.method, input: changed, attachments };
      } catch {
        // what the case needs was destroyed, or a limit is reached: go on with something else
      }
    }
    const of = this.#pick(dice < 0.85 ? PROGRAM_OBJECTS : dice < 0.9 ? [UAPI.DEVICE] : TOOL_OBJECTS);
    const name = this.#pick(Object.keys(of.methods));
    return { of, name, input: this.#inputFor(world, of.methods[name]!), attachments: this.#attachments() };
  }

  /** A valid input with one value changed, missing, or too much. */
  #spoil(world: CallWorld, method: Method, input: Chosen['input']): Chosen['input'] {
    const all = Object.entries(method.attributes);
    if (all.length === 0) return input;
    const [name, { type }] = this.#pick(all);
    const changed: Record<string, unknown> = { ...input };
    if (this.#random.chance(0.2)) delete changed[name];
    else changed[name] = this.#value(world, type);
    return changed;
  }

  #inputFor(world: CallWorld | undefined, { attributes }: Method): Record<string, unknown> {
    const input: Record<string, unknown> = {};
    for (const [name, { direction, mandatory, type }] of Object.entries(attributes)) {
      if (direction === 'in' && this.#random.chance(mandatory ? 0.98 : 0.4)) input[name] = this.#value(world, type);
    }
    return input;
  }

  #value(world: CallWorld | undefined, type: AttributeType): unknown {
    const random = this.#random;
    switch (type.kind) {
      case 'u32':
        return this.#pick([0, 1, 2, 3, 7, 16, 64, type.max ?? 4096, 0xffff_ffff, random.uint32()]);
      case 'flags':
      case 'choice': {
        const known = Object.values(namesOf(type));
        if (random.chance(0.1)) return random.uint32();
        return type.kind === 'choice'
          ? this.#pick(known)
          : known.reduce((all, bit) => (random.chance(0.5) ? all | bit : all), 0) >>> 0;
      }
      case 'u64':
        return BigInt(random.uint32()) << BigInt(random.below(33));
      case 'size':
        return this.#pick([0, 1, 64, 4096, 65_536, Number.MAX_SAFE_INTEGER, random.uint32()]);
      case 'text':
        return this.#pick(['', 'dev0', 'dev1', 'x', 'init', 'qp', '/a/b', '1', 'é'.repeat(Math.min(type.max / 2, 40))]);
      case 'bytes':
        return Uint8Array.from({ length: this.#pick([type.min, type.max, random.below(type.max + 2)]) }, () =>
          random.below(256),
        );
      case 'handle':
        return this.#handle(world, type.object);
      case 'handles':
        return Array.from({ length: random.below(4) }, () => this.#handle(world, type.object));
      case 'numbers':
        return Array.from({ length: random.below(4) }, () => random.uint32());
      case 'struct':
        return Object.fromEntries(
          Object.entries(type.layout.members).map(([name, kind]) => [
            name,
            kind === 'address'
              ? this.#pick(ADDRESSES)
              : name === 'index' && random.chance(0.5)
                ? this.#handle(world, 'UMEM')
                : this.#pick(SMALL),
          ]),
        );
      case 'row':
        return { name: 'dev0', kind: 'qp', [`n${random.below(9)}`]: random.uint32() };
      case 'rows':
        return [];
    }
  }

  /** Mostly a live handle of the kind, sometimes one of another kind or of another program, or anything. */
  #handle(world: CallWorld | undefined, kind: string): number {
    const random = this.#random;
    if (world === undefined || random.chance(0.05)) return random.uint32();
    const from = random.chance(0.95) ? world : this.#pick(this.#pick(this.#clients).worlds.concat(world));
    const { session } = from.context.program;
    const live = [...(session.contexts.get(from.context.number)?.objects.values() ?? [])];
    const fitting = random.chance(0.95) ? live.filter((one) => one.kind === kind) : live;
    return fitting.length === 0 ? random.below(0x8000_0000) : this.#pick(fitting).handle;
  }

  #encode(
    of: ObjectSchema,
    method: Method,
    input: Record<string, unknown> | Chosen['input'],
    context?: OpenContext,
  ): Uint8Array {
    const random = this.#random;
    const extra = random.chance(0.05)
      ? [
          {
            id: this.#pick([0, 1, 5, 0x40, 0x1000, 0xffff]),
            flags: this.#pick([0, 1, 2, 0xffff]),
            value: new Uint8Array(random.below(40)),
          },
        ]
      : [];
    const isOpen = of === UAPI.DEVICE && method.id < 2;
    const inside = context !== undefined && of.id < 0x100 && !isOpen;
    const options = {
      context: random.chance(0.98) ? (inside ? context.number : 0) : random.below(9),
      driver: random.chance(0.98) ? (inside ? context.opened.driver : 0) : random.uint32(),
      cookie: random.uint32(),
      room: random.chance(0.95) ? 65_536 : this.#pick([0, 15, 16, 32, 64, 0xffff_ffff]),
      extra,
    };
    try {
      return encodeRequest(of, method, input as never, options);
    } catch {
      // a value that this library would not send: the header alone is sent, with the value as it can be written
      const raw = Object.entries(method.attributes).flatMap(([name, one]) => {
        try {
          return input[name] === undefined
            ? []
            : [{ id: one.id, flags: 0, value: encodeValue('', name, one, input[name]) }];
        } catch {
          return [{ id: one.id, flags: 0, value: new Uint8Array(random.below(200)) }];
        }
      });
      return encodeRequest(of, { ...method, attributes: {} }, {}, { ...options, extra: raw });
    }
  }

  #attachments(): unknown[] {
    const random = this.#random;
    return Array.from({ length: random.below(4) }, () => (random.chance(0.8) ? SHARED : this.#pick(STRANGE)));
  }

  #join(): void {
    const random = this.#random;
    const rights = { admin: random.chance(0.2), job: random.chance(0.5), raw: random.chance(0.2) };
    const group = this.#bench.system.groupOf(this.#pick(['/', '/a', '/a/b']));
    const client = { program: this.#bench.program({ rights, group, memlockBytes: 4 << 20 }), worlds: [] };
    this.#clients.push(client);
    this.#open(client);
  }

  #open(client: Client): void {
    const name = this.#pick([...this.#bench.system.devices.values()]).name;
    try {
      const context = client.program.open(name);
      client.worlds.push(
        new CallWorld(this.#bench, context, { lenient: true, firstJob: 1 + this.#random.below(0xffff) }),
      );
    } catch {
      // a limit, or a right that the program lacks: it goes on with what it has
    }
  }

  /** A program dies. */
  #end(at: number): void {
    close(this.#clients.splice(at, 1)[0]!.program);
    this.#join();
  }

  #unplug(): void {
    this.#facts.unplugs!++;
    for (const device of [...this.#bench.system.devices.values()]) {
      const held = this.#bench.host.unplug(device)?.held() ?? 0;
      if (held > 0) throw new Error(`the device is gone, and the host holds ${held} pieces of memory for it`);
    }
    this.#bench.plug('dev%d', TRANSPORTS, LIMITS);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)]!;
  }
}

interface Chosen {
  readonly of: ObjectSchema;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly attachments: readonly unknown[];
}

type KernelContext = Session['contexts'] extends Map<number, infer C> ? C : never;

/** @returns how many objects there are */
function checkContext(context: KernelContext): number {
  const uses = new Map<unknown, number>();
  const all = [...context.objects.values()];
  if (all.length > context.device.limits.handles) throw new Error(`${all.length} handles`);
  for (const { needs } of all) for (const one of needs) uses.set(one, (uses.get(one) ?? 0) + 1);
  for (const one of all) {
    const name = `${one.kind} ${one.handle}`;
    if (one.lock !== 0) throw new Error(`${name} is locked, and no call runs`);
    if (!one.live) throw new Error(`${name} is half made`);
    // the event file of the context has a use of its own
    const own = one.handle === context.defaultEventsHandle ? 1 : 0;
    if (one.uses !== (uses.get(one) ?? 0) + own)
      throw new Error(`${name} has ${one.uses} uses, needed by ${uses.get(one)}`);
  }
  return all.length;
}

function close({ session }: Program): void {
  session.close();
  if (session.pinnedBytes !== 0) throw new Error(`a program is gone, and ${session.pinnedBytes} bytes are registered`);
}

const isDead = (session: Session, { context }: CallWorld): boolean =>
  session.contexts.get(context.number)?.dead !== false;

const textOf = (answer: Uint8Array): string =>
  Array.from(answer, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ' ')).join('');

const PROGRAM_OBJECTS: readonly ObjectSchema[] = Object.values(UAPI);
const TOOL_OBJECTS: readonly ObjectSchema[] = Object.values(MANAGEMENT);
/** Memory that programs give; what stands in it is of no matter here. */
const SHARED = new Uint8Array(65_536);
const STRANGE = [new Uint8Array(0), undefined, null, 7, 'fd', {}, new DataView(new ArrayBuffer(8)), SHARED.subarray(3)];

const ERROR_NUMBERS = new Set<number>([0, ...Object.values(ERRNO)]);
const ADDRESSES = [1, 2, 3, 9].map((last) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 0, last));
const SMALL = [0, 0, 1, 2, 64, 4096, 8192, 65_536, 0xffff_ffff];
const LIMITS = {
  ...{ contexts: 16, protectionDomains: 100, regions: 200, addressHandles: 100, completionQueues: 60 },
  ...{ completionEntries: 1024, queuePairs: 40, workRequests: 256, jobs: 60, jobKeys: 60, addresses: 256 },
};
const CLIENTS = 4;
/** Calls before everything is closed and looked at. */
const PER_BED = 4000;
const POOL = 200;
const KEPT = 8;
