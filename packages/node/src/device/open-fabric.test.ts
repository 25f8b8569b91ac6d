import {
  ANY_SOURCE,
  type Completion,
  type Domain,
  type Endpoint,
  type Fabric,
  type FabricHints,
} from '@verbena/core/fabric';
import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceOptions } from './open-device.ts';
import { openFabric } from './open-fabric.ts';

const opened: Fabric[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

const TAGGED: FabricHints = {
  caps: { msg: true, tagged: true, rma: true, directedReceive: true, cancel: true },
  transmit: { messageOrder: ['SAS'] },
};

describe.each(['inline', 'worker'] as const)('the fabric API over loopback, %s (R122 R168)', (mode) => {
  it('moves messages with and without tags, and memory', async () => {
    const [a, b] = await pair({ mode }, TAGGED);
    const into = b.domain.allocate(100_000, { receive: true, remoteRead: true, remoteWrite: true });
    const out = a.domain.allocate(100_000, { read: true });
    out.bytes.forEach((_, i) => {
      out.bytes[i] = i * 7;
    });
    b.endpoint.tagged.receive(into, 0, 50_000, b.peer, 0xabcdn, 0n, 'tagged');
    a.endpoint.tagged.sendData(out, 0, 40_000, 99n, a.peer, 0xabcd, 'sent');
    expect(await next(a)).toMatchObject({ context: 'sent', ok: true });
    expect(await next(b)).toMatchObject({ context: 'tagged', length: 40_000, data: 99n, tag: 0xabcdn, source: b.peer });
    expect(Buffer.compare(into.bytes.subarray(0, 40_000), out.bytes.subarray(0, 40_000))).toBe(0);

    // unexpected: it waits for the receive
    a.endpoint.messages.inject(Uint8Array.of(1, 2, 3), a.peer);
    a.endpoint.rma.write(out, 0, 100_000, a.peer, 0, into.key, 'written');
    expect(await next(a)).toMatchObject({ context: 'written', ok: true });
    expect(Buffer.compare(into.bytes, out.bytes)).toBe(0);
    b.endpoint.messages.receive(into, 10, 3, ANY_SOURCE, 'late');
    expect(await next(b)).toMatchObject({ context: 'late', length: 3 });
    expect([...into.bytes.subarray(10, 13)]).toEqual([1, 2, 3]);

    into.bytes.fill(9);
    a.endpoint.rma.read(out, 0, 100_000, a.peer, 0, into.key, 'read');
    expect(await next(a)).toMatchObject({ context: 'read', ok: true });
    expect(out.bytes.every((one) => one === 9)).toBe(true);
  });

  it('waits for counters, is woken by signals, and calls receives back', async () => {
    const [a, b] = await pair({ mode }, TAGGED, (domain, endpoint) => {
      const counter = domain.openCounter();
      endpoint.bind(counter, { send: true });
      return counter;
    });
    const memory = b.domain.allocate(4096, { receive: true });
    for (let i = 0; i < 20; i++) b.endpoint.tagged.receive(memory, 0, 8, ANY_SOURCE, 5, 0, i);
    for (let i = 0; i < 20; i++) a.endpoint.tagged.inject(Uint8Array.of(i), a.peer, 5);
    await a.extra!.wait(20, { timeoutMs: 5_000 });
    expect([a.extra!.read(), a.extra!.readError()]).toEqual([20, 0]);
    for (let i = 0; i < 20; i++) expect((await next(b)).ok).toBe(true);

    const sleeper = b.queue.next({ timeoutMs: 5_000 });
    b.queue.signal();
    await expect(sleeper).rejects.toMatchObject({ code: 'EAGAIN' });
    await expect(b.queue.next({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    b.endpoint.tagged.receive(memory, 0, 8, ANY_SOURCE, 1, 0, 'called back');
    expect(b.endpoint.cancel('called back')).toBe(true);
    expect(await next(b)).toMatchObject({ context: 'called back', error: { name: 'ECANCELED' } });
  });
});

describe('the fabric API over loopback', () => {
  it('has two endpoints of one program wait for their own queues (R122)', async () => {
    const fabric = await openFabric({ address: '127.0.7.53' });
    opened.push(fabric);
    const { endpoint, domain, queue, vector } = open(fabric, TAGGED);
    const second = domain.openEndpoint();
    const other = domain.openCompletionQueue();
    second.bind(vector);
    second.bind(other, { transmit: true, receive: true });
    second.enable();
    const [first, last] = [vector.insert(endpoint.getName()), vector.insert(second.getName())];
    const memory = domain.allocate(64, { receive: true });
    second.tagged.receive(memory, 0, 64, first, 3, 0, 'for the second');
    const both = Promise.all([queue.next({ timeoutMs: 5_000 }), other.next({ timeoutMs: 5_000 })]);
    endpoint.tagged.send(memory, 0, 8, last, 3, 'from the first');
    const [sent, received] = await both;
    expect([sent.context, received.context]).toEqual(['from the first', 'for the second']);
    expect(received.source).toBe(first);
  });

  it('tells in words what a device cannot do (R122)', async () => {
    const fabric = await openFabric({ address: '127.0.7.54', transport: 'roce' });
    opened.push(fabric);
    expect(fabric.getInfo()[0]!.endpoint).toMatchObject({ type: 'dgram', protocol: 'roce' });
    const refused = () => fabric.getInfo({ endpoint: { type: 'rdm' } });
    expect(refused).toThrow(expect.objectContaining({ code: 'ENODATA' }));
    expect(() => fabric.getInfo({ caps: { tagged: true } })).toThrow(/caps\.tagged is not there/);
  });
});

interface End<T = unknown> {
  readonly domain: Domain;
  readonly endpoint: Endpoint;
  readonly queue: ReturnType<Domain['openCompletionQueue']>;
  readonly vector: ReturnType<Domain['openAddressVector']>;
  readonly peer: number;
  readonly extra: T | undefined;
}

type Prepare<T> = (domain: Domain, endpoint: Endpoint) => T;

async function pair<T>(options: DeviceOptions, hints: FabricHints, prepare?: Prepare<T>): Promise<[End<T>, End<T>]> {
  const fabrics = await Promise.all(['127.0.7.51', '127.0.7.52'].map((address) => openFabric({ ...options, address })));
  opened.push(...fabrics);
  const [a, b] = fabrics.map((one) => open(one, hints, prepare)) as [Open<T>, Open<T>];
  return [
    { ...a, peer: a.vector.insert(b.endpoint.getName()) },
    { ...b, peer: b.vector.insert(a.endpoint.getName()) },
  ];
}

type Open<T> = Omit<End<T>, 'peer'>;

function open<T>(fabric: Fabric, hints: FabricHints, prepare?: Prepare<T>): Open<T> {
  const info = fabric.getInfo(hints)[0]!;
  const domain = fabric.openDomain(info);
  const [vector, queue, endpoint] = [domain.openAddressVector(), domain.openCompletionQueue(), domain.openEndpoint()];
  endpoint.bind(vector);
  endpoint.bind(queue, { transmit: true, receive: true });
  const extra = prepare?.(domain, endpoint);
  endpoint.enable();
  return { domain, endpoint, queue, vector, extra };
}

const next = ({ queue }: { readonly queue: End['queue'] }): Promise<Completion> => queue.next({ timeoutMs: 5_000 });
