/** One device, several protocols: the type of the source address entry chooses. */
import { type Context, findTransport, type QueuePair, RemoteMemory, SeededRandom, type Transport } from '@verbena/core';
import { connect, runHosts, SimHost, type SimLink } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';

const [loop, uet, roce] = ['loop', 'uet', 'roce'].map((name) => findTransport(name)!) as [
  Transport,
  Transport,
  Transport,
];

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

/** Ultra Ethernet and RoCEv2 at one address: unconnected and connected queue pairs of one program. */
describe('a device with Ultra Ethernet and RoCEv2', () => {
  const ADDRESSES = ['10.0.0.1', '10.0.0.2'];

  function world() {
    const host = new SimHost({ seed: 12 });
    const contexts = ADDRESSES.map((address) => {
      const links = [uet, roce].map((transport): SimLink => ({ transport, address }));
      return host.program().open(host.plug('both%d', links).name);
    }) as [Context, Context];
    return { host, contexts };
  }

  /** One domain, one completion queue, one job; a queue pair on each entry. */
  function program(context: Context, jobId: number) {
    const [pd, cq] = [context.allocatePd(), context.createCompletionQueue({ entries: 64 })];
    const jobKey = pd.createJobKey(context.createJob({ id: jobId }));
    const access = ['local-write', 'remote-write', 'remote-read', 'remote-atomic'] as const;
    const bytes = context.allocate(8192);
    const region = pd.registerMemory(bytes, { access });
    const ofJob = pd.registerMemory(context.allocate(64), { access, jobKey });
    const base = { sendCq: cq, recvCq: cq, jobKey, sendDepth: 16, receiveDepth: 16 } as const;
    const unconnected = pd.createQueuePair({ ...base, type: 'RU', sgidIndex: 0 });
    const connected = pd.createQueuePair({ ...base, type: 'RC', sgidIndex: 1 });
    const take = () => {
      const done: string[] = [];
      for (let one = cq.take(); one !== undefined; one = cq.take()) done.push(`${one.opcode} ${one.id} ${one.status}`);
      return done.sort();
    };
    return { context, pd, cq, jobKey, access, region, ofJob, unconnected, connected, take };
  }
  type Program = ReturnType<typeof program>;

  function join(near: QueuePair, far: QueuePair): void {
    connect(near, { address: ADDRESSES[1]!, qpn: far.qpn, sqPsn: 100, rqPsn: 200 });
    connect(far, { address: ADDRESSES[0]!, qpn: near.qpn, sqPsn: 200, rqPsn: 100 });
  }

  const handle = (from: Program, to: Program) =>
    from.pd.createAddressHandle({ address: ADDRESSES[1]!, qpn: to.unconnected.qpn, sgidIndex: 0 });

  it('one program uses an RU and an RC queue pair with a common domain and completion queue (R006 R018 R055)', () => {
    const { host, contexts } = world();
    const [near, far] = contexts.map((context) => program(context, 7)) as [Program, Program];
    join(near.connected, far.connected);
    const to = handle(near, far);
    const random = new SeededRandom(4);
    for (let i = 0; i < 8192; i++) near.region.bytes[i] = random.below(256);
    const remote = new RemoteMemory(far.region.rkey);
    const pairs = [
      [near.unconnected, { to }],
      [near.connected, {}],
    ] as const;
    for (const [i, [qp, where]] of pairs.entries()) {
      const [offset, remoteOffset] = [4096 * i, 4096 * i];
      qp.post({
        opcode: 'write',
        id: 10 + i,
        ...where,
        region: near.region,
        offset,
        length: 2048,
        remote,
        remoteOffset,
      });
      (i === 0 ? far.unconnected : far.connected).postReceive({
        id: 20 + i,
        region: far.region,
        offset: offset + 2048,
        length: 2048,
      });
      qp.post({ opcode: 'send', id: 30 + i, ...where, region: near.region, offset: offset + 2048, length: 2048 });
    }
    runHosts([host], () => false, 1e9);
    expect(near.take()).toEqual(['send 30 SUCCESS', 'send 31 SUCCESS', 'write 10 SUCCESS', 'write 11 SUCCESS']);
    expect(far.take()).toEqual(['recv 20 SUCCESS', 'recv 21 SUCCESS']);
    expect(Buffer.compare(near.region.bytes, far.region.bytes)).toBe(0);
    expect([near.unconnected, near.connected].map((qp) => qp.query().attributes['transport'])).toEqual(['uet', 'roce']);
  });

  it('the same job isolates both: what belongs to it is out of reach for a queue pair of another job (R098 R202)', () => {
    const { host, contexts } = world();
    const near = program(contexts[0], 7);
    const far = program(contexts[1], 7);
    const remote = new RemoteMemory(far.ofJob.rkey);
    const write = (id: number) => ({ opcode: 'write', id, region: near.region, length: 8, remote }) as const;
    join(near.connected, far.connected);
    near.unconnected.post({ ...write(1), to: handle(near, far) });
    near.connected.post(write(2));
    runHosts([host], () => false, 1e9);
    expect(near.take()).toEqual(['write 1 SUCCESS', 'write 2 SUCCESS']);
    // queue pairs of job 8 in the same domains: whoever they are connected with is of their job
    const otherKeys = [near, far].map(({ context, pd }) => pd.createJobKey(context.createJob({ id: 8 })));
    const others = [near, far].map(({ pd, cq }, i) =>
      pd.createQueuePair({ type: 'RC', sendCq: cq, recvCq: cq, jobKey: otherKeys[i]!, sgidIndex: 1 }),
    ) as [QueuePair, QueuePair];
    join(others[0], others[1]);
    far.ofJob.bytes.fill(0);
    others[0].post(write(3));
    const to = handle(near, far);
    near.unconnected.post({ ...write(4), to, jobKey: otherKeys[0]! });
    runHosts([host], () => false, 1e9);
    const [third, fourth] = near.take();
    expect(third).toBe('write 3 REM_ACCESS_ERR');
    expect(fourth).toMatch(/^write 4 REM_/);
    expect(far.ofJob.bytes.every((byte) => byte === 0)).toBe(true);
    // a queue pair without a job reaches what is of no job, and nothing else
    const free = [near, far].map(({ pd, cq }) =>
      pd.createQueuePair({ type: 'RC', sendCq: cq, recvCq: cq, sgidIndex: 1 }),
    ) as [QueuePair, QueuePair];
    join(free[0], free[1]);
    free[0].post({ ...write(5), remote: new RemoteMemory(far.region.rkey) });
    runHosts([host], () => false, 1e9);
    free[0].post(write(6));
    runHosts([host], () => false, 1e9);
    expect(near.take()).toEqual(['write 5 SUCCESS', 'write 6 REM_ACCESS_ERR']);
  });

  it('a key of the device fits into both: 32 bits (R101)', () => {
    const { contexts } = world();
    const { region, pd, access, context } = program(contexts[0], 7);
    expect(region.rkey < 2n ** 32n).toBe(true);
    const wide = { access, key: 2n ** 32n };
    expect(() => pd.registerMemory(context.allocate(8), wide)).toThrowError(/EINVAL/);
  });

  it('removed under traffic of both it leaves nothing (R006 R026)', () => {
    const { host, contexts } = world();
    const [near, far] = contexts.map((context) => program(context, 7)) as [Program, Program];
    join(near.connected, far.connected);
    const to = handle(near, far);
    for (let i = 0; i < 8; i++) {
      near.unconnected.post({ opcode: 'send', to, region: near.region });
      near.connected.post({ opcode: 'send', region: near.region });
    }
    for (const device of [...host.system.devices.values()]) {
      const gone = host.unplug(device)!;
      runHosts([host], undefined, 1e9);
      expect([gone.held(), gone.dma.regions]).toEqual([0, 0]);
    }
    near.context.close();
    far.context.close();
  });
});
