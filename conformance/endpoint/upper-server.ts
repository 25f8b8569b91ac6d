/** The program's half of the upper tester: carries out one request a line. The protocol is in docs/conformance.md. */
import { type Completion, type CompletionQueue, type MemoryRegion, type QueuePair, RemoteMemory } from '@verbena/core';
import { fill } from '../tester/packets.ts';
import { type Endpoint, qpnOf } from './endpoint.ts';
import { JOB } from './variants.ts';

interface Held {
  readonly endpoint: Endpoint;
  readonly qp: QueuePair;
  readonly cq: CompletionQueue;
  readonly relative: boolean;
  readonly qkey: number;
  /** Memory of requests and receives, by number. */
  readonly memory: Map<number, MemoryRegion>;
  /** Completions that nobody asked for yet. */
  readonly done: Completion[];
  readonly wake: Set<() => void>;
  isOpen: boolean;
}

/** Values of a request: whatever the line said. */
type Values = Readonly<Record<string, unknown>>;

export class UpperServer {
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  readonly #queues = new Map<string, Held>();
  readonly #regions = new Map<string, { readonly endpoint: Endpoint; readonly region: MemoryRegion }>();
  #made = 0;

  constructor(endpoints: ReadonlyMap<string, Endpoint>) {
    this.#endpoints = endpoints;
  }

  /** @returns the answer as a line */
  async line(text: string): Promise<string> {
    let id = 0;
    try {
      const { id: number, do: what, ...values } = JSON.parse(text) as { id: number; do: string };
      id = number;
      const call = this.#calls[what];
      if (call === undefined) return JSON.stringify({ id, unknown: true });
      return JSON.stringify({ id, result: (await call(values)) ?? {} });
    } catch (error) {
      return JSON.stringify({ id, error: (error as Error).message });
    }
  }

  readonly #calls: Readonly<Record<string, (values: Values) => unknown>> = {
    queue: (values) => this.#queue(values),
    region: (values) => this.#region(values),
    receive: (values) => this.#receive(values),
    request: (values) => this.#request(values),
    completion: (values) => this.#completion(values),
    memory: ({ region, offset, length }) => {
      const { bytes } = this.#held(this.#regions, region).region;
      const at = Number(offset);
      return { data: Buffer.from(bytes.subarray(at, at + Number(length))).toString('hex') };
    },
    deregister: ({ region }) => this.#held(this.#regions, region).region.deregister(),
    activate: ({ endpoint, an }) => {
      this.#endpoint(endpoint).activate(Number(an));
    },
    close: ({ queue }) => this.#close(String(queue)),
  };

  #queue(values: Values): object {
    const endpoint = this.#endpoint(values['endpoint']);
    const { context } = endpoint;
    const cq = context.createCompletionQueue({ entries: 256 });
    const relative = values['absolute'] !== true;
    const isDatagram = values['datagram'] === true;
    const number = ++this.#made;
    const ri = 16 + (number % 4000);
    const pid = relative ? 1 : 2;
    const pd = relative ? endpoint.pd : endpoint.absolutePd;
    const qp = pd.createQueuePair({
      ...{ type: isDatagram ? 'UD' : 'RU', sendCq: cq, recvCq: cq, qpn: qpnOf(pid, ri, relative) },
      ...(relative ? { jobKey: endpoint.jobKey } : {}),
      ...{ ordered: values['ordered'] === true, idempotent: values['idempotent'] === true },
      ...(values['tagged'] === true ? { matching: true } : {}),
      ...{ sendDepth: 64, receiveDepth: 64 },
    });
    const qkey = 0x1234_5678;
    if (isDatagram) for (const state of ['INIT', 'RTR', 'RTS'] as const) qp.modify(stepOf(state, qkey));
    const name = `queue${number}`;
    const held: Held = { endpoint, qp, cq, relative, qkey, memory: new Map(), done: [], wake: new Set(), isOpen: true };
    this.#queues.set(name, held);
    void collect(held);
    const { receives = 0, bytes = 4096 } = values as { receives?: number; bytes?: number };
    if (receives > 0) this.#receive({ queue: name, count: receives, bytes });
    return { queue: name, pid, ri, job: JOB, relative, ...(isDatagram ? { qkey } : {}) };
  }

  #region(values: Values): object {
    const endpoint = this.#endpoint(values['endpoint']);
    const bytes = Number(values['bytes']);
    const memory = endpoint.context.allocate(bytes);
    memory.set(fill(bytes));
    const region = endpoint.pd.registerMemory(memory, { access: values['access'] as never });
    const name = `region${++this.#made}`;
    this.#regions.set(name, { endpoint, region });
    return { region: name, key: `0x${region.rkey.toString(16)}`, bytes };
  }

  #receive(values: Values): void {
    const held = this.#held(this.#queues, values['queue']);
    const bytes = Number(values['bytes']);
    for (let n = Number(values['count'] ?? 1); n > 0; n--) {
      const id = ++this.#made;
      const region = memoryOf(held, bytes);
      held.memory.set(id, region);
      held.qp.postReceive({ id, region, length: bytes, ...selectionOf(values) });
    }
  }

  #request(values: Values): object {
    const held = this.#held(this.#queues, values['queue']);
    const { qp, memory } = held;
    const to = values['to'] as { address: string; port: number; pid: number; ri: number; relative?: boolean };
    const { operation, length, key, offset, imm, fence } = values;
    const id = ++this.#made;
    const region = memoryOf(held, Math.max(Number(length), 1));
    if (operation !== 'read') region.bytes.set(fill(Number(length)));
    memory.set(id, region);
    const address = qp.pd.createAddressHandle({
      ...{ address: to.address, port: to.port, qpn: qpnOf(to.pid, to.ri, to.relative ?? true) },
    });
    qp.post({
      ...{ opcode: operation as 'send', id, to: address, region, length: Number(length) },
      ...operandsOf(values),
      ...(String(operation).endsWith('send')
        ? {}
        : { remote: new RemoteMemory(BigInt(String(key))), remoteOffset: Number(offset) }),
      ...(imm === undefined ? {} : { imm: BigInt(String(imm)) }),
      ...(fence === true ? { fence: true } : {}),
      ...(held.qkey !== 0 && qp.type === 'UD' ? { qkey: held.qkey } : {}),
    });
    return { request: id };
  }

  async #completion(values: Values): Promise<object> {
    const held = this.#held(this.#queues, values['queue']);
    const { request, timeoutMs, may } = values as { request?: number; timeoutMs: number; may?: boolean };
    const end = Date.now() + timeoutMs;
    for (;;) {
      const i = held.done.findIndex(({ id, opcode }) =>
        request === undefined ? opcode.startsWith('recv') : id === BigInt(request) && !opcode.startsWith('recv'),
      );
      if (i >= 0) return this.#shown(held, held.done.splice(i, 1)[0]!);
      const left = end - Date.now();
      if (left <= 0) {
        if (may === true) return { none: true };
        throw new Error(`nothing completed in ${timeoutMs} ms`);
      }
      await change(held, left);
    }
  }

  #shown(held: Held, done: Completion): object {
    const region = held.memory.get(Number(done.id));
    const hasData = ['recv', 'recv-tagged', 'read'].includes(done.opcode);
    const data = region === undefined ? new Uint8Array() : region.bytes.subarray(0, done.byteLength);
    return {
      ...{ status: done.status, bytes: done.byteLength, vendorStatus: done.vendorStatus, opcode: done.opcode },
      ...{ sourceId: done.sourceId, jobId: done.jobId },
      ...(done.imm === undefined ? {} : { imm: String(done.imm) }),
      ...(hasData ? { data: Buffer.from(data).toString('hex') } : {}),
    };
  }

  #close(name: string): void {
    const held = this.#held(this.#queues, name);
    held.isOpen = false;
    held.qp.close();
    held.cq.close();
    this.#queues.delete(name);
    for (const wake of held.wake) wake();
  }

  #endpoint(name: unknown): Endpoint {
    const endpoint = this.#endpoints.get(String(name));
    if (endpoint === undefined) throw new Error(`there is no endpoint '${name}'`);
    return endpoint;
  }

  #held<T>(all: ReadonlyMap<string, T>, name: unknown): T {
    const one = all.get(String(name));
    if (one === undefined) throw new Error(`there is no '${name}'`);
    return one;
  }
}

/** Takes completions as they come, until the queue is closed. */
async function collect(held: Held): Promise<void> {
  try {
    for await (const done of held.cq) {
      held.done.push(done);
      for (const wake of [...held.wake]) wake();
    }
  } catch {
    // the device is closed
  }
}

function change(held: Held, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      held.wake.delete(end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    held.wake.add(end);
  });
}

/** Which messages a receive takes. */
const selectionOf = ({ tag, ignore, sourceId }: Values): object => ({
  ...(tag === undefined ? {} : { tag: BigInt(String(tag)), ignore: BigInt(String(ignore ?? 0)) }),
  ...(sourceId === undefined ? {} : { sourceId: Number(sourceId) }),
});

const operandsOf = (values: Values): object =>
  Object.fromEntries(
    ['tag', 'add', 'compare', 'swap']
      .filter((name) => values[name] !== undefined)
      .map((name) => [name, BigInt(String(values[name]))]),
  );

const memoryOf = ({ endpoint, qp }: Held, bytes: number): MemoryRegion =>
  qp.pd.registerMemory(endpoint.context.allocate(Math.max(bytes, 1)), { access: ['local-write'] });

function stepOf(state: 'INIT' | 'RTR' | 'RTS', qkey: number): never {
  return (
    state === 'INIT' ? { state, qkey, port: 1, pkeyIndex: 0 } : state === 'RTS' ? { state, sqPsn: 0 } : { state }
  ) as never;
}
