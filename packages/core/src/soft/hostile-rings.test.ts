/** Programs that write nonsense into the memory that they share with the device. @spec threats/6: L12, L13, L14 */
import { describe, expect, it } from 'vitest';
import { DOORBELL_PAGE_BYTES } from '../abi/doorbell-page.ts';
import { CompletionEntry, PAYLOAD_AT, SendEntry } from '../abi/entries.ts';
import { RING_HEADER_BYTES } from '../abi/ring.ts';
import { SeededRandom } from '../base/random.ts';
import { Rig } from '../verbs/device-rig.testdata.ts';
import { RemoteMemory } from '../verbs/remote-memory.ts';

const SEED = 20_260_801;
const SECRET = [0xde, 0xad, 0xbe, 0xef, 0x5e, 0xc7, 0xe7, 0x01];

/** A program with a queue pair, a region of its own, and another region of another domain that it must not reach. */
function victim() {
  const rig = new Rig();
  const near = rig.device('10.0.0.1');
  const far = rig.device('10.0.0.2');
  const [context, remote] = [near.device.open(), far.device.open()];
  const [pd, remotePd] = [context.allocatePd(), remote.allocatePd()];
  const job = context.createJob({ id: 7 });
  const remoteKey = remotePd.createJobKey(remote.createJob({ id: 7 }));
  const jobKey = pd.createJobKey(job);
  const cq = context.createCompletionQueue({ entries: 64 });
  const cqRing = near.allocations.at(-1)!;
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 8, receiveDepth: 8 });
  const [sendRing, receiveRing] = near.allocations.slice(-2) as [Uint8Array, Uint8Array];
  const own = pd.registerMemory(context.allocate(256), { access: ['local-write', 'remote-write'] });
  const secret = context.allocatePd().registerMemory(context.allocate(256), { access: ['local-write', 'remote-read'] });
  for (let i = 0; i < 256; i++) secret.bytes[i] = SECRET[i & 7]!;
  const remoteCq = remote.createCompletionQueue({ entries: 1024 });
  const target = remotePd.registerMemory(remote.allocate(4096), {
    access: ['local-write', 'remote-write', 'remote-read'],
  });
  const options = { type: 'RU', sendCq: remoteCq, recvCq: remoteCq, jobKey: remoteKey } as const;
  const remoteQp = remotePd.createQueuePair(options);
  const to = pd.createAddressHandle({ address: '10.0.0.2', qpn: remoteQp.qpn });
  return {
    rig,
    near,
    far,
    context,
    pd,
    cq,
    cqRing,
    qp,
    sendRing,
    receiveRing,
    own,
    secret,
    target,
    remoteQp,
    to,
    jobKey,
  };
}

type Victim = ReturnType<typeof victim>;

/** Fills an entry with values that are close to sensible ones, or with noise. */
function scribble(random: SeededRandom, one: Victim, ring: Uint8Array, at: number): void {
  for (let i = 0; i < SendEntry.bytes; i++) ring[at + i] = random.below(256);
  if (random.chance(0.2)) return;
  const view = new DataView(ring.buffer, ring.byteOffset, ring.byteLength);
  const { fields } = SendEntry;
  fields.opcode.set(view, at, random.below(10));
  fields.flags.set(view, at, random.below(8));
  fields.segments.set(view, at, random.chance(0.8) ? random.below(5) : random.below(65_536));
  fields.inlineLength.set(view, at, random.chance(0.8) ? random.below(65) : random.below(65_536));
  if (random.chance(0.8)) fields.jobKey.set(view, at, one.jobKey.value);
  if (random.chance(0.9)) fields.address.set(view, at, random.chance(0.9) ? one.to.number : 0);
  if (random.chance(0.5)) fields.index.set(view, at, random.below(300));
  const key = one.target.rkey;
  fields.rkeyLo.set(view, at, Number(key & 0xffff_ffffn));
  fields.rkeyHi.set(view, at, Number(key >> 32n));
  fields.remoteHi.set(view, at, 0);
  fields.remoteLo.set(view, at, random.below(5000));
  fields.qpn.set(view, at, one.remoteQp.qpn);
  const keys = [
    one.own.lkey,
    one.secret.lkey,
    one.to.number,
    one.jobKey.value,
    one.qp.handle,
    one.own.lkey + 65_536,
    0,
  ];
  for (let i = 0; i < 4; i++) {
    const place = at + PAYLOAD_AT + i * 16;
    view.setUint32(place, keys[random.below(random.chance(0.7) ? 1 : keys.length)]!, true);
    view.setUint32(place + 4, random.chance(0.8) ? random.below(300) : random.uint32(), true);
    view.setUint32(place + 8, random.chance(0.8) ? random.below(300) : random.uint32(), true);
    view.setUint32(place + 12, random.chance(0.95) ? 0 : random.uint32(), true);
  }
}

function ringBell({ near }: Victim): void {
  const page = new Int32Array(near.allocations.find(({ length }) => length === DOORBELL_PAGE_BYTES)!.buffer);
  page[16] = -1; // every slot, also those without a queue pair
  page[0]!++;
}

function expectSecretKept({ target, secret }: Victim): void {
  expect(Buffer.from(target.bytes).includes(Buffer.from(SECRET))).toBe(false);
  for (let i = 0; i < 256; i++)
    if (secret.bytes[i] !== SECRET[i & 7]) throw new Error('memory of another domain changed');
}

const words = (ring: Uint8Array) => new Int32Array(ring.buffer, ring.byteOffset, ring.byteLength >> 2);

describe(`hostile rings (seed ${SEED})`, () => {
  it('every scribbled entry completes, and nothing outside the domain is touched', () => {
    const random = new SeededRandom(SEED);
    const statuses = new Map<string, number>();
    for (let round = 0; round < 40; round++) {
      const one = victim();
      let posted = 0;
      let completed = 0;
      for (let turn = 0; turn < 25; turn++) {
        const sends = words(one.sendRing);
        const receives = words(one.receiveRing);
        const count = 1 + random.below(8 - ((posted - sends[16]!) | 0));
        for (let i = 0; i < count && ((posted - sends[16]!) | 0) < 8; i++) {
          scribble(random, one, one.sendRing, RING_HEADER_BYTES + (posted++ & 7) * SendEntry.bytes);
        }
        sends[0] = posted;
        for (let i = 0; i < 8; i++) scribble(random, one, one.receiveRing, RING_HEADER_BYTES + i * SendEntry.bytes);
        receives[0] = receives[16]! + random.below(9);
        ringBell(one);
        one.remoteQp.postReceive({});
        for (let i = 0; i < 8; i++) {
          one.rig.turn();
          one.rig.advance();
        }
        for (let done = one.cq.take(); done !== undefined; done = one.cq.take()) {
          statuses.set(done.status, (statuses.get(done.status) ?? 0) + 1);
          if (done.opcode !== 'recv') completed++;
        }
        expect(one.near.kernel.failure).toBeUndefined();
        expect(one.far.kernel.failure).toBeUndefined();
      }
      expectSecretKept(one);
      one.qp.close();
      for (let done = one.cq.take(); done !== undefined; done = one.cq.take()) if (done.opcode !== 'recv') completed++;
      expect(completed).toBeLessThanOrEqual(posted);
      one.context.close();
      expect(one.near.registered.census()).toMatchObject({ contexts: 0, memory_regions: 0, dma_regions: 0 });
    }
    // the noise is near enough to sense to get everywhere
    for (const status of [
      'SUCCESS',
      'LOC_PROT_ERR',
      'LOC_QP_OP_ERR',
      'LOC_LEN_ERR',
      'LOC_ACCESS_ERR',
      'REM_ACCESS_ERR',
    ]) {
      expect(statuses.get(status) ?? 0, status).toBeGreaterThan(0);
    }
  });

  it('values that change after they were read change nothing', () => {
    const random = new SeededRandom(SEED);
    const one = victim();
    const rings = new Set<ArrayBufferLike>([one.sendRing.buffer, one.receiveRing.buffer]);
    const { getUint16, getUint32 } = DataView.prototype;
    let reads = 0;
    const spoil = (view: DataView, at: number, bytes: number) => {
      if (!rings.has(view.buffer) || at < RING_HEADER_BYTES) return;
      reads++;
      for (let i = 0; i < bytes; i++) view.setUint8(at + i, random.below(256));
    };
    DataView.prototype.getUint16 = function (at, little) {
      const value = getUint16.call(this, at, little);
      spoil(this, at, 2);
      return value;
    };
    DataView.prototype.getUint32 = function (at, little) {
      const value = getUint32.call(this, at, little);
      spoil(this, at, 4);
      return value;
    };
    try {
      for (let i = 0; i < 200; i++) {
        const segments = [16, 32, 0, 8].map((offset) => ({ region: one.own, offset, length: 8 }));
        one.own.bytes[0] = i;
        one.qp.post({
          opcode: 'write',
          id: i,
          to: one.to,
          segments,
          remote: new RemoteMemory(one.target.rkey),
          imm: i,
        });
        one.rig.turn();
        expect(one.cq.take()).toMatchObject({ id: BigInt(i), status: 'SUCCESS' });
        expect(one.target.bytes[16]).toBe(i & 255);
      }
    } finally {
      Object.assign(DataView.prototype, { getUint16, getUint32 });
    }
    expect(reads).toBeGreaterThan(200 * 20);
    expectSecretKept(one);
  });

  it.each([
    ['far ahead', 9],
    ['behind', -1],
    ['half the circle away', -0x8000_0000],
    ['nearly half the circle away', 0x7fff_ffff],
  ])('a send producer that is %s puts the queue pair in ERR', (_what, index) => {
    const one = victim();
    words(one.sendRing)[0] = index;
    ringBell(one);
    one.rig.turn();
    expect(one.qp.state).toBe('ERR');
    expect(one.near.device.resources().find(({ kind }) => kind === 'qp')).toMatchObject({ state: 'ERR' });
    expect(one.cq.take()).toBeUndefined();
    const remote = new RemoteMemory(one.target.rkey);
    one.qp.tryPost({ opcode: 'write', to: one.to, remote });
    one.rig.turn();
    one.qp.close();
    one.context.close();
    expect(one.near.kernel.failure).toBeUndefined();
  });

  it('a receive producer that lies puts the queue pair in ERR once a receive is wanted; others live on', () => {
    const one = victim();
    const options = { type: 'RU', sendCq: one.cq, recvCq: one.cq, jobKey: one.jobKey, sendDepth: 4 } as const;
    const other = one.pd.createQueuePair(options);
    words(one.receiveRing)[0] = 1_000_000;
    const home = one.remoteQp.pd.createAddressHandle({ address: '10.0.0.1', qpn: one.qp.qpn });
    one.remoteQp.post({ opcode: 'send', to: home });
    one.rig.turn();
    expect(one.qp.state).toBe('ERR');
    other.post({ opcode: 'write', to: one.to, remote: new RemoteMemory(one.target.rkey) });
    one.rig.turn();
    expect(one.cq.take()).toMatchObject({ status: 'SUCCESS', qpn: other.qpn });
  });

  it('posting to a queue pair in ERR is flushed', () => {
    const one = victim();
    words(one.receiveRing)[0] = -1;
    const home = one.remoteQp.pd.createAddressHandle({ address: '10.0.0.1', qpn: one.qp.qpn });
    one.remoteQp.post({ opcode: 'send', to: home });
    one.rig.turn();
    expect(one.qp.state).toBe('ERR');
    one.qp.post({ opcode: 'write', id: 77, to: one.to, remote: new RemoteMemory(one.target.rkey) });
    one.rig.turn();
    expect(one.cq.take()).toMatchObject({ id: 77n, status: 'WR_FLUSH_ERR' });
  });

  it.each([1, -1, 64, 65, 0x7fff_ffff, -0x8000_0000])('a completion consumer of %i hurts only its owner', (index) => {
    const one = victim();
    const ring = words(one.cqRing);
    for (let i = 0; i < 200; i++) {
      ring[16] = index;
      one.qp.tryPost({ opcode: 'write', to: one.to, remote: new RemoteMemory(one.target.rkey) });
      one.rig.turn();
    }
    expect(one.near.kernel.failure).toBeUndefined();
    expect(one.near.kernel.counters().cq_overruns).toBe(1);
    expect(ring.length * 4).toBe(RING_HEADER_BYTES + 64 * CompletionEntry.bytes);
    expect(one.qp.state).toBe('ERR');
    one.context.close();
  });

  it('noise in all shared memory at once never stops the device', () => {
    const random = new SeededRandom(SEED + 1);
    const one = victim();
    const neighbour = one.near.device.open();
    for (let round = 0; round < 300; round++) {
      for (const ring of [one.sendRing, one.receiveRing, one.cqRing, one.near.allocations[0]!]) {
        for (let i = 0; i < 40; i++) ring[random.below(ring.length)] = random.below(256);
      }
      ringBell(one);
      one.rig.turn();
      expect(one.near.kernel.failure).toBeUndefined();
    }
    expectSecretKept(one);
    neighbour.allocatePd();
    one.context.close();
  });
});
