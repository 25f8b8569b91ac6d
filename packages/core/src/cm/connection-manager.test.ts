import { describe, expect, it } from 'vitest';
import { isVerbsError, type VerbsError } from '../base/verbs-error.ts';
import type { LinkFaults } from '../testing/faults.ts';
import { Pump } from '../testing/pump.ts';
import type { SimNode } from '../testing/sim-node.ts';
import { loop } from '../transports/loop/index.ts';
import { roce } from '../transports/roce/index.ts';
import type { QueuePairOptions } from '../verbs/queue-pair.ts';
import { RemoteMemory } from '../verbs/remote-memory.ts';
import { ConnectionManager } from './connection-manager.ts';
import type { AcceptOptions, ConnectOptions } from './parameters.ts';
import { ConnectionRejected } from './reject-reasons.ts';

/** A program with a connection manager. */
class Side {
  readonly context;
  readonly pd;
  readonly cq;
  readonly cm: ConnectionManager;
  readonly address: string;

  constructor(node: SimNode) {
    this.address = node.address;
    this.context = node.device.open();
    this.pd = this.context.allocatePd();
    this.cq = this.context.createCompletionQueue({ entries: 64 });
    this.cm = ConnectionManager.open(this.context);
  }

  queuePair(options: Partial<QueuePairOptions> = {}) {
    const queues = { sendCq: this.cq, recvCq: this.cq, sendDepth: 16, receiveDepth: 16 };
    return this.pd.createQueuePair({ type: 'RC', ...queues, ...options });
  }

  memory(bytes: number) {
    const memory = this.context.allocate(bytes);
    const access = ['local-write', 'remote-write', 'remote-read'] as const;
    return { memory, region: this.pd.registerMemory(memory, { access }) };
  }
}

function two(options: { faults?: Partial<LinkFaults>; seed?: number; payloadMtu?: number } = {}) {
  const pump = new Pump({ transport: roce, ...options });
  return { pump, a: new Side(pump.node(0)), b: new Side(pump.node(1)) };
}

/** `a` connects to port 7 of `b`. */
async function connect(
  { pump, a, b }: ReturnType<typeof two>,
  options: Partial<ConnectOptions> = {},
  answer: Partial<AcceptOptions> = {},
) {
  const listener = b.cm.listen({ port: 7 });
  const qa = options.qp ?? a.queuePair();
  const asking = a.cm.connect({ address: b.address, port: 7, qp: qa, ...options });
  asking.catch(() => {});
  const request = await pump.settle(listener.next());
  const accepting = request.accept({ qp: answer.qp ?? b.queuePair({ type: qa.type }), ...answer });
  const [ca, cb] = await pump.settle(Promise.all([asking, accepting]));
  return { ca, cb, request, listener };
}

const thrownBy = async (work: Promise<unknown>): Promise<VerbsError> => {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!isVerbsError(thrown)) throw new Error(`no VerbsError but ${String(thrown)}`);
  return thrown;
};
const codeOf = (call: () => unknown): string | undefined => {
  try {
    call();
  } catch (thrown) {
    if (isVerbsError(thrown)) return thrown.code;
    throw thrown;
  }
  return undefined;
};

describe('connect and accept, as rdma_connect and rdma_accept', () => {
  it('take both queue pairs to RTS with what was agreed on', async () => {
    const world = two();
    const { ca, cb, request } = await connect(
      world,
      { privateData: Uint8Array.of(1, 2), initiatorDepth: 3, responderResources: 5, rnrRetry: 2, sourcePort: 4444 },
      { privateData: Uint8Array.of(9), initiatorDepth: 2, rnrRetry: 4, timeout: 12 },
    );
    const { a, b } = world;
    expect([ca.qp.state, cb.qp.state]).toEqual(['RTS', 'RTS']);
    expect(request.parameters).toMatchObject({ type: 'RC', pathMtu: 1024, responderResources: 3, initiatorDepth: 5 });
    expect(request.privateData.subarray(0, 3)).toEqual(Uint8Array.of(1, 2, 0));
    expect(request.privateData).toHaveLength(56);
    expect(ca.privateData[0]).toBe(9);
    expect(ca.peer).toMatchObject({ address: b.address, port: 7, qpn: cb.qp.qpn });
    expect(cb.peer).toMatchObject({ address: a.address, port: 4444, qpn: ca.qp.qpn });
    // what one side may have under way, the other one serves
    expect(ca.parameters).toMatchObject({ initiatorDepth: 3, responderResources: 2, rnrRetry: 4, retryCount: 7 });
    expect(cb.parameters).toMatchObject({ initiatorDepth: 2, responderResources: 3, rnrRetry: 2, timeout: 12 });
    expect([ca.parameters.rqPsn, ca.parameters.sqPsn]).toEqual([cb.parameters.sqPsn, cb.parameters.rqPsn]);
  });

  it('carry data, also to receives that were posted before', async () => {
    const world = two();
    const { pump, a, b } = world;
    const qb = b.queuePair();
    b.cm.prepare(qb);
    const inbox = b.memory(64);
    qb.postReceive({ id: 1, region: inbox.region });
    const { ca } = await connect(world, {}, { qp: qb });
    ca.qp.post({ opcode: 'send', inline: Uint8Array.of(7, 7) });
    expect((await pump.settle(b.cq.next())).byteLength).toBe(2);
    expect(inbox.memory[1]).toBe(7);
    const outbox = a.memory(8);
    const target = { region: outbox.region, remote: new RemoteMemory(inbox.region.rkey) };
    await pump.settle(a.cq.next());
    ca.qp.post({ opcode: 'read', ...target });
    expect((await pump.settle(a.cq.next())).status).toBe('SUCCESS');
    expect(outbox.memory[0]).toBe(7);
  });

  it('work for UC, and refuse another kind', async () => {
    const world = two();
    const { pump, a, b } = world;
    const { ca, listener } = await connect(world, { qp: a.queuePair({ type: 'UC' }) });
    expect(ca.qp.state).toBe('RTS');
    const asking = a.cm.connect({ address: b.address, port: 7, qp: a.queuePair() });
    asking.catch(() => {});
    const request = await pump.settle(listener.next());
    const wrong = b.queuePair({ type: 'UC' });
    expect((await thrownBy(request.accept({ qp: wrong }))).code).toBe('EINVAL');
    expect(wrong.state).toBe('RESET');
    expect(request.isPending).toBe(true);
    request.reject({ reason: 'INVALID_TRANSPORT_SERVICE' });
    expect((await thrownBy(pump.settle(asking))).explain()).toMatch(/another kind of queue pair/);
  });

  it('take the smaller packet size of both sides', async () => {
    const world = two({ payloadMtu: 2048 });
    const small = await connect(world, { pathMtu: 512 });
    expect([small.ca.parameters.pathMtu, small.cb.parameters.pathMtu]).toEqual([512, 512]);
  });

  it('work through one device with itself', async () => {
    const pump = new Pump({ transport: roce, nodes: 1 });
    const side = new Side(pump.node(0));
    const { ca, cb } = await connect({ pump, a: side, b: side });
    const inbox = side.memory(8);
    cb.qp.postReceive({ id: 5, region: inbox.region });
    ca.qp.post({ opcode: 'send', inline: Uint8Array.of(3), signaled: false });
    await pump.settle(side.cq.next());
    await pump.settle(side.cq.next());
    expect(inbox.memory[0]).toBe(3);
    await pump.settle(ca.disconnect());
    expect((await pump.settle(cb.waitClosed())).by).toBe('peer');
  });

  it('serve many at a time', async () => {
    const { pump, a, b } = two();
    const listener = b.cm.listen({ port: 9 });
    const accepted: string[] = [];
    const serving = (async () => {
      for await (const request of listener) {
        const connection = await request.accept({ qp: b.queuePair() });
        if (accepted.push(String(connection.privateData[0])) === 20) break;
      }
    })();
    const asking = Array.from({ length: 20 }, (_, i) =>
      a.cm.connect({ address: b.address, port: 9, qp: a.queuePair(), privateData: Uint8Array.of(i) }),
    );
    await pump.settle(Promise.all([serving, ...asking]));
    expect(accepted.sort()).toEqual(Array.from({ length: 20 }, (_, i) => String(i)).sort());
  });
});

describe('a connection that does not come about', () => {
  it('because nobody listens: ECONNREFUSED says so', async () => {
    const { pump, a, b } = two();
    const thrown = await thrownBy(pump.settle(a.cm.connect({ address: b.address, port: 80, qp: a.queuePair() })));
    expect(thrown).toBeInstanceOf(ConnectionRejected);
    expect(thrown.code).toBe('ECONNREFUSED');
    expect((thrown as ConnectionRejected).reason).toBe('INVALID_SERVICE_ID');
    expect(thrown.explain()).toMatch(/nobody listens on this port[\s\S]*port 80[\s\S]*reason 8/);
  });

  it('because the program refuses: its words arrive, and the queue pair can be used again', async () => {
    const world = two();
    const { pump, a, b } = world;
    const listener = b.cm.listen({ port: 8 });
    const qp = a.queuePair();
    const asking = a.cm.connect({ address: b.address, port: 8, qp });
    asking.catch(() => {});
    const request = await pump.settle(listener.next());
    request.reject({ privateData: Uint8Array.of(6) });
    expect(codeOf(() => request.reject())).toBe('EINVAL');
    const thrown = (await thrownBy(pump.settle(asking))) as ConnectionRejected;
    expect(thrown.reason).toBe('CONSUMER');
    expect(thrown.privateData[0]).toBe(6);
    const { ca } = await connect(world, { qp });
    expect(ca.qp.state).toBe('RTS');
  });

  it('because there is nobody: ETIMEDOUT within the time', async () => {
    const { pump, a } = two();
    const before = pump.now;
    const asking = a.cm.connect({ address: '10.9.9.9', port: 1, qp: a.queuePair(), timeoutMs: 700 });
    expect((await thrownBy(pump.settle(asking))).code).toBe('ETIMEDOUT');
    expect(pump.now - before).toBeLessThan(800e6);
  });

  it('because the caller gives up: the reason is thrown, and the peer’s program hears of it', async () => {
    const { pump, a, b } = two();
    const listener = b.cm.listen({ port: 8 });
    const abort = new AbortController();
    const asking = a.cm.connect({ address: b.address, port: 8, qp: a.queuePair(), signal: abort.signal });
    asking.catch(() => {});
    const request = await pump.settle(listener.next());
    const enough = new Error('enough');
    abort.abort(enough);
    await expect(pump.settle(asking)).rejects.toBe(enough);
    await thrownBy(pump.settle(listener.next({ timeoutMs: 1 })));
    expect(request.isPending).toBe(false);
    expect((await thrownBy(request.accept({ qp: b.queuePair() }))).code).toBe('ETIMEDOUT');
  });

  it('because the listener’s program sleeps: the peer is told to wait, then refused', async () => {
    const { pump, a, b } = two();
    b.cm.listen({ port: 8 });
    const asking = a.cm.connect({ address: b.address, port: 8, qp: a.queuePair(), timeoutMs: 60_000 });
    const thrown = (await thrownBy(pump.settle(asking))) as ConnectionRejected;
    expect(thrown.reason).toBe('TIMEOUT');
    expect(b.cm.counters()['sent_MRA']).toBeGreaterThan(0);
  });

  it('because a call is wrong: EINVAL, and nothing happened', async () => {
    const { a, b } = two();
    const qp = a.queuePair();
    const good = { address: b.address, port: 7, qp };
    const wrong: Partial<ConnectOptions>[] = [
      { port: 0 },
      { port: 65_536 },
      { address: 'somewhere' },
      { privateData: new Uint8Array(57) },
      { pathMtu: 1000 },
      { retryCount: 8 },
      { initiatorDepth: 17 },
      { timeoutMs: Number.NaN },
      { qp: b.queuePair() },
      { qp: a.queuePair({ type: 'UD' }) },
    ];
    for (const one of wrong) expect((await thrownBy(a.cm.connect({ ...good, ...one }))).code).toBe('EINVAL');
    expect(qp.state).toBe('RESET');
    expect(a.cm.counters()['sent_REQ']).toBe(0);
    expect(codeOf(() => a.cm.listen({ port: 70_000 }))).toBe('EINVAL');
    expect(codeOf(() => a.cm.listen({ port: 5, backlog: 0 }))).toBe('EINVAL');
  });

  it('because the queue pair is busy: EBUSY', async () => {
    const { pump, a, b } = two();
    const qp = a.queuePair();
    const first = a.cm.connect({ address: b.address, port: 7, qp });
    expect((await thrownBy(a.cm.connect({ address: b.address, port: 7, qp }))).code).toBe('EBUSY');
    await thrownBy(pump.settle(first));
  });
});

describe('the end of a connection', () => {
  it('flushes at once, and the peer learns it, with private data', async () => {
    const world = two();
    const { pump, b } = world;
    const { ca, cb } = await connect(world);
    cb.qp.postReceive({ id: 9 });
    const ending = ca.disconnect({ privateData: Uint8Array.of(4) });
    expect([ca.qp.state, ca.isOpen]).toEqual(['ERR', false]);
    expect((await pump.settle(ending)).by).toBe('local');
    const end = await pump.settle(cb.closed);
    expect([end.by, end.privateData[0], cb.qp.state]).toEqual(['peer', 4, 'ERR']);
    expect((await pump.settle(b.cq.next())).status).toBe('WR_FLUSH_ERR');
    expect((await pump.settle(ca.disconnect())).by).toBe('local');
  });

  it('is noticed while the program waits for nothing but data', async () => {
    const world = two();
    const { pump, a } = world;
    const { ca, cb } = await connect(world);
    ca.qp.postReceive({ id: 1 });
    const waiting = a.cq.next();
    void cb.disconnect();
    expect((await pump.settle(waiting)).status).toBe('WR_FLUSH_ERR');
    expect(ca.isOpen).toBe(false);
  });

  it('comes also when the peer is dead', async () => {
    const world = two();
    const { pump } = world;
    const { ca } = await connect(world);
    pump.setFaults({ blackout: true });
    expect((await pump.settle(ca.disconnect())).by).toBe('lost');
  });

  it('of a queue pair that the program closed before is no trouble', async () => {
    const world = two();
    const { ca, cb } = await connect(world);
    ca.qp.close();
    await world.pump.settle(ca.disconnect());
    expect((await world.pump.settle(cb.waitClosed())).by).toBe('peer');
  });

  it('lets the queue pair be connected again, after RESET', async () => {
    const world = two();
    const { pump, a, b } = world;
    const { ca, cb, listener } = await connect(world);
    await pump.settle(Promise.all([ca.disconnect(), cb.closed]));
    listener.close();
    for (const { qp } of [ca, cb]) qp.modify({ state: 'RESET' });
    const again = await connect({ pump, a, b }, { qp: ca.qp }, { qp: cb.qp });
    expect(again.ca.qp.state).toBe('RTS');
  });
});

describe('ports', () => {
  it('have one listener each; 0 finds a free one; a closed one can be had again', async () => {
    const { pump, b } = two();
    const listener = b.cm.listen({ port: 7 });
    expect(codeOf(() => b.cm.listen({ port: 7 }))).toBe('EADDRINUSE');
    expect(b.cm.listen({ port: 0 }).port).toBeGreaterThan(1023);
    const waiting = thrownBy(listener.next());
    listener.close();
    expect((await pump.settle(waiting)).code).toBe('EINVAL');
    b.cm.listen({ port: 7 });
  });

  it('iteration ends when the listener closes', async () => {
    const { pump, b } = two();
    const listener = b.cm.listen({ port: 7 });
    const all = (async () => {
      let count = 0;
      for await (const _ of listener) count++;
      return count;
    })();
    listener.close();
    expect(await pump.settle(all)).toBe(0);
  });

  it('waiting ends in time', async () => {
    const { pump, b } = two();
    const listener = b.cm.listen({ port: 7 });
    expect((await thrownBy(pump.settle(listener.next({ timeoutMs: 5 })))).code).toBe('ETIMEDOUT');
  });
});

describe('the manager', () => {
  it('is one for each address: EEXIST explains who has it', () => {
    const { a } = two();
    try {
      ConnectionManager.open(a.context);
      throw new Error('a second one');
    } catch (thrown) {
      if (!isVerbsError(thrown)) throw thrown;
      expect(thrown.code).toBe('EEXIST');
      expect(thrown.explain()).toMatch(/one connection manager for each address/);
    }
  });

  it('needs a protocol with GSI queue pairs, and an address entry', () => {
    const pump = new Pump({ transport: loop });
    const context = pump.node(0).device.open();
    expect(codeOf(() => ConnectionManager.open(context))).toBe('EOPNOTSUPP');
    expect(codeOf(() => ConnectionManager.open(context, { sgidIndex: 3 }))).toBe('EINVAL');
    context.close();
    pump.close();
  });

  it('closes all: connections, listeners, attempts; nothing is left, and it can be opened again', async () => {
    const world = two();
    const { pump, a, b } = world;
    const { ca, cb, listener } = await connect(world);
    const attempt = thrownBy(a.cm.connect({ address: '10.9.9.9', port: 1, qp: a.queuePair() }));
    const waiting = thrownBy(listener.next());
    await pump.settle(Promise.all([a.cm.close(), b.cm.close()]));
    expect((await attempt).code).toBe('EIO');
    expect((await waiting).code).toBe('EINVAL');
    expect([ca.isOpen, cb.isOpen, a.cm.isOpen]).toEqual([false, false, false]);
    expect((await thrownBy(a.cm.connect({ address: b.address, port: 7, qp: a.queuePair() }))).code).toBe('EINVAL');
    await a.cm.close();
    const again = ConnectionManager.open(a.context);
    await pump.settle(again.close());
    for (const { context } of [a, b]) context.close();
    pump.close();
  });

  it('ends with its context: who waits gets an error, nothing hangs', async () => {
    const world = two();
    const { pump, a, b } = world;
    const { ca } = await connect(world);
    const waiting = thrownBy(a.cm.listen({ port: 5 }).next());
    a.context.close();
    expect((await pump.settle(waiting)).code).toMatch(/EIO|EINVAL/);
    expect((await pump.settle(ca.closed)).by).toBe('lost');
    expect(a.cm.isOpen).toBe(false);
    await pump.settle(b.cm.close({ timeoutMs: 10 }));
    b.context.close();
    pump.close();
  });
});

describe('loss, duplicates and reordering (simulated time)', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('seed %i: connections come about, carry data and end in order', async (seed) => {
    const world = two({ seed, faults: { loss: 0.2, duplicate: 0.1, reorder: 0.2 } });
    const { pump, a, b } = world;
    const listener = b.cm.listen({ port: 7 });
    const inbox = b.memory(64);
    const serving = (async () => {
      const connections = [];
      for (let i = 0; i < 4; i++) {
        const request = await listener.next();
        const qp = b.queuePair();
        b.cm.prepare(qp);
        qp.postReceive({ id: i, region: inbox.region });
        connections.push(request.accept({ qp, timeout: 8 }));
      }
      return await Promise.all(connections);
    })();
    const asking = Array.from({ length: 4 }, () =>
      a.cm.connect({ address: b.address, port: 7, qp: a.queuePair(), responseTimeout: 13, timeout: 8, retryCount: 7 }),
    );
    const actives = await pump.settle(Promise.all(asking));
    const passives = await pump.settle(serving);
    for (const { qp } of actives) qp.post({ opcode: 'send', inline: Uint8Array.of(1) });
    for (let i = 0; i < 4; i++) expect((await pump.settle(b.cq.next())).status).toBe('SUCCESS');
    const ends = await pump.settle(Promise.all(actives.map((one) => one.disconnect())));
    for (const { by } of ends) expect(['local', 'lost']).toContain(by);
    for (const { by } of await pump.settle(Promise.all(passives.map(({ closed }) => closed)))) expect(by).toBe('peer');
  });
});
