/** Sessions between two devices of this process, the same for both styles of transport. */
import { afterEach, describe, expect, it } from 'vitest';
import { refusal } from '../failure.ts';
import { Channel, type Listener } from './channel.ts';
import { Endpoint } from './endpoint.ts';
import { SignalKind } from './session.ts';

const open: Endpoint[] = [];
afterEach(async () => {
  for (const endpoint of open.splice(0).reverse()) await endpoint.close();
});

async function pair(transport: string, options: { readonly drop?: number; readonly seed?: number } = {}) {
  const there = await Endpoint.reaching('127.0.0.1', undefined, { transport, ...options });
  open.push(there);
  const here = await Endpoint.reaching(there.address, undefined, { transport, ...options });
  open.push(here);
  return { here, there };
}

async function session(transport: string, server: Listener, client: Listener = {}, faults = {}) {
  const { here, there } = await pair(transport, faults);
  const far = new Channel(there, server);
  await far.listen();
  const near = new Channel(here, client);
  return { near, far, peer: await near.connect(there.address) };
}

const echo: Listener = {
  asked: (from, ask, body) => {
    if (ask === 'fail') throw refusal('EBUSY', 'test', 'not now', { try: 'later' });
    return { ask, from: from.address, ...body };
  },
};

describe.each(['uet', 'roce'])('session over %s', (transport) => {
  it('answers and refuses requests', async () => {
    const { near, peer } = await session(transport, echo);
    const { address } = near.endpoint;
    expect(await near.request(peer, 'hello', { n: 1 })).toEqual({ ask: 'hello', from: address, n: 1 });
    await expect(near.request(peer, 'fail', {})).rejects.toMatchObject({ code: 'EBUSY', facts: { try: 'later' } });
    await expect(near.request(peer, 'x', { text: 'y'.repeat(5_000) })).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('carries many requests at a time over a link that loses packets (seed 3)', async () => {
    const { near, peer } = await session(transport, echo, {}, { drop: 0.03, seed: 3 });
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => near.request(peer, 'count', { n }, 30_000)),
    );
    expect(answers.map(({ n }) => n)).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  it('carries signals both ways, and data with immediate data over a stream', async () => {
    const heard: unknown[] = [];
    let tell = () => {};
    const listener: Listener = {
      asked: async (from, _ask, body) => {
        const link = far!.createStream(from);
        link.join(from, body.end as never);
        await far!.signal(from, SignalKind.CREDIT, 7, 2);
        const request = { opcode: 'write', inline: Uint8Array.of(1, 2, 3), remote: window, imm: 0x2070_0001 } as const;
        void far!.submit(link.qp, { ...request, ...link.route }).then((done) => heard.push(done.status));
        return { end: { ...link.end } };
      },
    };
    let far: Channel | undefined;
    const client: Listener = {
      signalled: (_from, signal) => {
        heard.push(signal);
        tell();
      },
    };
    const made = await session(transport, listener, client);
    far = made.far;
    const { near, peer } = made;
    const memory = near.endpoint.register(64, ['local-write', 'remote-write']);
    const { RemoteMemory } = await import('@verbena/core');
    const window = new RemoteMemory(memory.rkey);
    const link = near.createStream(peer);
    const all = new Promise<void>((resolve) => {
      tell = () => heard.filter((one) => typeof one === 'object').length === 2 && resolve();
    });
    const answer = near.request(peer, 'stream', { end: { ...link.end } });
    link.join(peer, (await answer).end as never);
    await all;
    expect(heard).toContainEqual({ kind: SignalKind.CREDIT, transfer: 7, sequence: 2 });
    expect(heard).toContainEqual({ kind: 1, transfer: 3, sequence: 0x10_0001 });
    expect([...memory.bytes.subarray(0, 3)]).toEqual([1, 2, 3]);
    link.close();
  });

  it('says that nobody is there', async () => {
    const { here } = await pair(transport);
    const channel = new Channel(here, {});
    const tried = channel.connect('127.0.3.77').then((peer) => channel.request(peer, 'hello', {}));
    await expect(tried).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  }, 30_000);
});

describe('connected sessions', () => {
  it('say that there is a device without a service', async () => {
    const { here, there } = await pair('roce');
    new Channel(there, {});
    const refused = new Channel(here, {}).connect(there.address);
    await expect(refused).rejects.toThrow(/there is a device at .*, but no service on its port 4793/);
  });

  it('notice at once that the other side leaves: what waits fails, and both listeners are told', async () => {
    const never: Listener = { asked: () => new Promise(() => {}) };
    let left = '';
    const { near, far, peer } = await session('roce', never, { left: ({ address }) => (left = address) });
    const waiting = near.request(peer, 'wait', {}, 60_000);
    const failed = expect(waiting).rejects.toThrow(/ended the connection/);
    await far.close();
    await failed;
    expect(left).toBe(far.endpoint.address);
    await expect(near.request(peer, 'again', {})).rejects.toMatchObject({ code: 'EIO' });
  });

  it('have a connection manager of their own: a second one on the same address is refused', async () => {
    const { here } = await pair('roce');
    new Channel(here, {});
    expect(() => new Channel(here, {})).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  });
});

describe('endpoints', () => {
  it('are found at the UDP port of the service, or at that of the transport where services have ports of their own', async () => {
    const uet = await Endpoint.reaching('127.0.0.1', undefined, { transport: 'uet', port: 5432 });
    open.push(uet);
    const roce = await Endpoint.reaching('127.0.0.1', undefined, { transport: 'roce', port: 5432 });
    open.push(roce);
    expect([uet.place.port, uet.style, uet.servicePort]).toEqual([5432, 'addressed', 5432]);
    expect([roce.place.port, roce.style, roce.servicePort]).toEqual([4791, 'connected', 5432]);
  });
});
