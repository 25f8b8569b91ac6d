/** The software device as a driver under test, with the verbs library as its user half. */
import { CompletionEntry, ReceiveEntry, SendEntry } from '../abi/entries.ts';
import { ringBytes } from '../abi/ring.ts';
import { parseAddress } from '../base/ip-address.ts';
import type { Driver } from '../device/driver.ts';
import type { Transport } from '../engine/engine.ts';
import { MILLISECOND, NEVER } from '../engine/time.ts';
import { ACCESS_FLAGS, MemoryKind, QP_TYPES, type QpType } from '../uapi/index.ts';
import { UMEM_KINDS } from '../uapi/objects/umem.ts';
import { Context } from '../verbs/context.ts';
import { InlinePort } from '../verbs/inline-port.ts';
import type { MemoryRegion } from '../verbs/memory-region.ts';
import { RemoteMemory } from '../verbs/remote-memory.ts';
import type { WorkRequest } from '../verbs/work-request.ts';
import { defaultKind, isConnected } from './bed.ts';
import { connect, prepare } from './connection.ts';
import type { DriverProgram, DriverUnderTest, Endpoint, Given, PluggedPair, Recipe } from './driver-bench.ts';
import { type SimDevice, SimHost } from './sim-host.ts';
import { SIM_USER_MEMORY } from './sim-node.ts';
import { check } from './suite-case.ts';

/**
 * @param wrap - what stands around the software part, for drivers that build on it
 * @param kind - of the queue pairs that talk
 */
export function softUnderTest(
  transport: Transport,
  wrap: (soft: SimDevice, index: number) => Driver = ({ kernel }) => kernel,
  name = `soft with ${transport.name}`,
  kind: QpType = defaultKind(transport),
): DriverUnderTest {
  return { name, plug: () => plug(transport, wrap, kind) };
}

/** One end of a conversation over the verbs API. */
class VerbsEnd implements Endpoint {
  readonly context: Context;
  readonly pd;
  readonly qp;
  readonly #cq;
  readonly #out: MemoryRegion;
  readonly #in: MemoryRegion;
  #to: ReturnType<VerbsEnd['pd']['createAddressHandle']> | undefined;

  constructor(program: DriverProgram, type: QpType) {
    this.context = openContext(program);
    this.pd = this.context.allocatePd();
    this.#cq = this.context.createCompletionQueue({ entries: 64 });
    const jobs = this.context.attributes.maxJobId > 0;
    const job = jobs ? { jobKey: this.pd.createJobKey(this.context.createJob({ id: JOB })) } : {};
    this.qp = this.pd.createQueuePair({ type, sendCq: this.#cq, recvCq: this.#cq, ...job, sendDepth: DEPTH });
    const access = { access: ['local-write', 'remote-write'] } as const;
    this.#out = this.pd.registerMemory(this.context.allocate(BUFFER), access);
    this.#in = this.pd.registerMemory(this.context.allocate(DEPTH * BUFFER), access);
    if (isConnected(type)) prepare(this.qp);
    for (let i = 0; i < DEPTH; i++) this.#post(i);
  }

  connect(address: string, peer: VerbsEnd): void {
    if (isConnected(this.qp.type)) {
      connect(this.qp, { address, qpn: peer.qp.qpn, sqPsn: 1, rqPsn: 1 });
    } else this.#to = this.pd.createAddressHandle({ address, qpn: peer.qp.qpn });
  }

  send(bytes: Uint8Array): void {
    this.#out.bytes.set(bytes);
    this.qp.post({ opcode: 'send', ...this.#peer, region: this.#out, length: bytes.length });
  }

  receive(): Uint8Array | undefined {
    if (!this.context.isOpen) return undefined;
    for (let one = this.#cq.take(); one !== undefined; one = this.#cq.take()) {
      if (one.opcode !== 'recv' || !one.ok) continue;
      const at = Number(one.id) * BUFFER;
      const bytes = this.#in.bytes.slice(at, at + one.byteLength);
      this.#post(Number(one.id));
      return bytes;
    }
    return undefined;
  }

  ring(): void {
    for (let slot = 0; slot < 4; slot++) this.context.page.ring(slot);
  }

  get #peer(): Pick<WorkRequest, 'to'> {
    return this.#to === undefined ? {} : { to: this.#to };
  }

  /** Writes into memory of the peer. @returns how that ended */
  write(bytes: Uint8Array, remote: RemoteMemory, run: () => void): string {
    this.qp.post({ opcode: 'write', ...this.#peer, inline: bytes, remote });
    run();
    return this.#cq.take()?.status ?? 'nothing';
  }

  #post(index: number): void {
    this.qp.postReceive({ id: index, region: this.#in, offset: index * BUFFER, length: BUFFER });
  }
}

function plug(transport: Transport, wrap: (soft: SimDevice, index: number) => Driver, kind: QpType): PluggedPair {
  const host = new SimHost();
  const made: SimDevice[] = [];
  let own = 0;
  const driver = (index: number): Driver => {
    const device = host.device([{ transport, address: ADDRESSES[index]! }]);
    made.push(device);
    own += device.dma.regions; // what the transport holds from the start
    return wrap(device, index);
  };
  const ends = (a: DriverProgram, b: DriverProgram): readonly [VerbsEnd, VerbsEnd] => {
    const [near, far] = [new VerbsEnd(a, kind), new VerbsEnd(b, kind)];
    near.connect(ADDRESSES[1]!, far);
    far.connect(ADDRESSES[0]!, near);
    return [near, far];
  };
  const run = () => {
    for (const end = host.now + 50 * MILLISECOND; ; ) {
      for (let work = 1; work > 0; ) work = made.reduce((sum, { kernel }) => sum + kernel.step(host.now), 0);
      const due = made.reduce((least, { kernel }) => Math.min(least, kernel.deadline()), NEVER);
      if (due > end) return;
      host.advance(Math.max(host.now + 1, due));
    }
  };
  return {
    drivers: [driver(0), driver(1)],
    run,
    again: () => driver(0),
    held: () => made.reduce((sum, one) => sum + one.held() + one.dma.regions, -own),
    recipes: recipesOf(kind),
    talk: ends,
    trespass(a, b) {
      const [near, far] = ends(a, b);
      const own = far.context.allocate(64);
      const secret = far.context.allocatePd().registerMemory(own, { access: ['local-write', 'remote-write'] });
      const status = near.write(Uint8Array.of(66), new RemoteMemory(secret.rkey, 0), run);
      check(status !== 'SUCCESS' && status !== 'nothing', `writing across the border ended with ${status}`);
      return own.some((byte) => byte !== 0);
    },
  };
}

/** What each object of a software device is made of. */
function recipesOf(kind: QpType): Readonly<Record<string, Recipe>> {
  const ring = (entries: number, bytes: number) => new Uint8Array(ringBytes(entries, bytes));
  const memory = (index: number, length: number) => ({ kind: MemoryKind.ATTACHMENT, index, offset: 0, length });
  const given = (input: Given['input'], ...attachments: Uint8Array[]): Given => ({ input, attachments });
  const job = (program: DriverProgram) => ({ id: 100 + program.bench.nextSerial(), maxAddresses: 4 });
  return {
    'CQ.CREATE': () => {
      const bytes = ring(16, CompletionEntry.bytes);
      return given({ entries: 16, ring: memory(0, bytes.length) }, bytes);
    },
    'SRQ.CREATE': (program) => {
      const bytes = ring(16, ReceiveEntry.bytes);
      return given({ pd: program.make('PD.ALLOC'), entries: 16, ring: memory(0, bytes.length) }, bytes);
    },
    'QP.CREATE': (program) => {
      const [sends, receives] = [ring(16, SendEntry.bytes), ring(16, ReceiveEntry.bytes)];
      const queues = { pd: program.make('PD.ALLOC'), sendCq: program.make('CQ.CREATE') };
      const type = QP_TYPES[kind];
      const rings = {
        ...{ sendRing: memory(0, sends.length), sendEntries: 16 },
        ...{ receiveRing: memory(1, receives.length), receiveEntries: 16 },
      };
      return given({ ...queues, recvCq: queues.sendCq, type, ...rings }, sends, receives);
    },
    'AH.CREATE': (program) => {
      const to = { address: parseAddress(ADDRESSES[1]!)!, port: 0, sgidIndex: 0 };
      return given({ pd: program.make('PD.ALLOC'), to, qpn: 5 });
    },
    'MR.REG': (program) => {
      const { LOCAL_WRITE, REMOTE_WRITE } = ACCESS_FLAGS;
      const input = { pd: program.make('PD.ALLOC'), memory: memory(0, 4096), access: LOCAL_WRITE | REMOTE_WRITE };
      return given(input, new Uint8Array(4096));
    },
    'MW.ALLOC': (program) => given({ pd: program.make('PD.ALLOC'), type: 1 }),
    'UMEM.CREATE': () => given({ kind: UMEM_KINDS.FILE, attachment: 0 }, new Uint8Array(8192)),
    'JOB.ALLOC': (program) => given(job(program)),
    'JKEY.CREATE': (program) => given({ pd: program.make('PD.ALLOC'), job: program.make('JOB.ALLOC') }),
  };
}

function openContext({ session, device }: DriverProgram): Context {
  const idle = { step: () => 0, deadline: () => NEVER, rung: () => false, close: () => {}, quiet: () => true };
  const hooks = { now: () => session.system.now, soon: () => {}, after: () => () => {}, watch: () => {} };
  return new Context(new InlinePort(session, idle, SIM_USER_MEMORY, hooks, false), device.name);
}

const ADDRESSES = ['10.0.0.1', '10.0.0.2'];
const JOB = 7;
const DEPTH = 16;
/** Bytes of one message at most. */
const BUFFER = 1024;
