/** One device, several protocols: the type of the source address entry chooses. */
import { type Context, findTransport, SeededRandom } from '@verbena/core';
import { runHosts, SimHost, type SimLink } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';

const [loop, uet] = [findTransport('loop')!, findTransport('uet')!];

/** Two devices with an entry for each protocol, on one port or on two; a program on each. */
function setup(ports: readonly [number, number], second = '10.0.0') {
  const host = new SimHost({ seed: 11 });
  const links = (last: number): SimLink[] => [
    { transport: uet, address: `10.0.0.${last}`, port: ports[0] },
    { transport: loop, address: `${second}.${last}`, port: ports[1] },
  ];
  const devices = [1, 2].map((last) => host.plug(`multi${last}`, links(last)));
  const [a, b] = devices.map(({ name }) => host.program().open(name)) as [Context, Context];
  return { host, devices, a, b, second };
}

/** One protection domain and one completion queue, and a queue pair on each entry. */
function ends(context: Context) {
  const [pd, cq] = [context.allocatePd(), context.createCompletionQueue({ entries: 64 })];
  const access = ['local-write', 'remote-write', 'remote-read'] as const;
  const region = pd.registerMemory(context.allocate(8192), { access });
  const qps = [0, 1].map((sgidIndex) => {
    const jobKey = pd.createJobKey(context.createJob({ id: 30 + sgidIndex, sgidIndex }));
    return pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sgidIndex });
  });
  return { pd, cq, region, qps };
}

describe.each([
  { what: 'both on one port', ports: [1, 1] as const, second: '10.0.0' },
  { what: 'one on each of two ports', ports: [1, 2] as const, second: '10.9.0' },
])('a device with two protocols, $what', ({ ports, second }) => {
  it('carries data over both, with one protection domain and one completion queue (R006 R010 R018 R055)', () => {
    const { host, a, b } = setup(ports, second);
    const [near, far] = [ends(a), ends(b)];
    const random = new SeededRandom(3);
    for (let i = 0; i < 8192; i++) near.region.bytes[i] = random.below(256);
    for (const [index, qp] of near.qps.entries()) {
      const offset = index * 4096;
      const to = near.pd.createAddressHandle({
        ...{ address: `${index === 0 ? '10.0.0' : second}.2`, qpn: far.qps[index]!.qpn, sgidIndex: index },
      });
      far.qps[index]!.postReceive({ id: index, region: far.region, offset, length: 4096 });
      qp.post({ opcode: 'send', id: index, to, region: near.region, offset, length: 4096 });
    }
    const [sent, received]: [bigint[], bigint[]] = [[], []];
    runHosts(
      [host],
      () => {
        for (let one = near.cq.take(); one !== undefined; one = near.cq.take()) if (one.ok) sent.push(one.id);
        for (let one = far.cq.take(); one !== undefined; one = far.cq.take()) if (one.ok) received.push(one.id);
        return sent.length === 2 && received.length === 2;
      },
      1e9,
    );
    expect([sent.sort(), received.sort()]).toEqual([
      [0n, 1n],
      [0n, 1n],
    ]);
    expect(far.region.bytes).toEqual(near.region.bytes);
  });

  it('says which protocols its ports carry, and of which type each entry is (R017 R019)', () => {
    const { a, devices } = setup(ports, second);
    expect(devices[0]!.driver.transports).toEqual(['uet', 'loop']);
    expect(a.attributes).toMatchObject({ transports: ['uet', 'loop'], physicalPorts: new Set(ports).size });
    const carried = [...new Set(ports)].map((port) => a.queryPort(port) as unknown as { transports: string[] });
    expect(carried.map(({ transports }) => transports)).toEqual(
      ports[0] === ports[1] ? [['uet', 'loop']] : [['uet'], ['loop']],
    );
    const gids = [...new Set(ports)].flatMap((port) => a.queryPort(port).gids);
    expect(gids.map(({ type }) => type)).toEqual([uet.attributes.addressType, loop.attributes.addressType]);
  });

  it('removed under traffic of both it leaves nothing (R006 R026)', () => {
    const { host, a, b, devices } = setup(ports, second);
    const [near, far] = [ends(a), ends(b)];
    for (const [index, qp] of near.qps.entries()) {
      const address = `${index === 0 ? '10.0.0' : second}.2`;
      const to = near.pd.createAddressHandle({ address, qpn: far.qps[index]!.qpn, sgidIndex: index });
      for (let i = 0; i < 8; i++) qp.post({ opcode: 'send', to, region: near.region });
    }
    const gone = host.unplug(devices[0]!)!;
    runHosts([host], undefined, 1e9);
    expect([gone.held(), gone.dma.regions]).toEqual([0, 0]);
    a.close();
  });
});

describe('an address entry that does not fit', () => {
  it('is an error that lists the entries with their types (R019)', () => {
    const { a } = setup([1, 1]);
    const [pd, cq] = [a.allocatePd(), a.createCompletionQueue({ entries: 4 })];
    const key = (sgidIndex: number) => pd.createJobKey(a.createJob({ id: 40 + sgidIndex, sgidIndex }));
    const options = { type: 'RU', sendCq: cq, recvCq: cq } as const;
    expect(() => pd.createQueuePair({ ...options, jobKey: key(0), sgidIndex: 7 })).toThrowError(
      expect.objectContaining({
        code: 'EINVAL',
        facts: expect.objectContaining({ try: expect.stringContaining('1 (Loop/UDP)') }),
      }),
    );
    // a job belongs to the protocol of its entry
    expect(() => pd.createQueuePair({ ...options, jobKey: key(0), sgidIndex: 1 })).toThrowError(/EINVAL|EEXIST/);
    // a kind that the protocol of the entry does not have
    expect(() => pd.createQueuePair({ ...options, type: 'UD', jobKey: key(1), sgidIndex: 1 })).toThrowError(
      /EOPNOTSUPP/,
    );
  });

  it('an address of another protocol is refused with the work, not followed', () => {
    const { host, a, b } = setup([1, 1]);
    const [near, far] = [ends(a), ends(b)];
    const to = near.pd.createAddressHandle({ address: '10.0.0.2', qpn: far.qps[1]!.qpn, sgidIndex: 1 });
    near.qps[0]!.post({ opcode: 'send', to, region: near.region, length: 8 });
    let status = '';
    runHosts([host], () => (status = near.cq.take()?.status ?? '') !== '', 1e9);
    expect(status).not.toBe('SUCCESS');
    expect(status).not.toBe('');
    expect(far.cq.take()).toBeUndefined();
  });
});
