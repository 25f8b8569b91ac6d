import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../base/ip-address.ts';
import type { Transport } from '../../../engine/engine.ts';
import { Datagram } from '../../../engine/seal.ts';
import { Status, WorkOpcode } from '../../../engine/status.ts';
import { EngineRig, type RigNode, type RigPacket } from '../../../testing/engine-rig.ts';
import { uet } from '../index.ts';
import { DomainTable } from './domain-table.ts';
import { PacketProtection, type ProtectionOptions } from './packet-protection.ts';
import { keyOf } from './secured-rig.testdata.ts';
import { TestCipher } from './test-cipher.testdata.ts';

const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((text) => ({ address: parseAddress(text)!, port: 4793 }));
const [SDI, OTHER] = [7, 8];
const KEY = 0x77;

interface Options extends ProtectionOptions {
  readonly settings?: Record<string, number>;
  /** Domain of queue pair 1 at both ends. */
  readonly qpDomains?: readonly [number | undefined, number | undefined];
}

/** Two engines with protection; the third address is an outsider's. Every packet that was sent is kept. */
class Pair {
  readonly tables: DomainTable[] = [];
  readonly rig: EngineRig;
  readonly seen: RigPacket[] = [];
  readonly memory = new Uint8Array(4096);
  #ids = 0;

  constructor({ settings = {}, qpDomains = [undefined, undefined], ...protection }: Options = {}) {
    const transport: Transport = {
      ...uet,
      createEngine: (services, config) => {
        const n = this.tables.length;
        const table = new DomainTable(new TestCipher());
        table.add({ sdi: SDI, mode: 'direct' }, { bytes: keyOf(1), an: 0 });
        table.add({ sdi: OTHER, mode: 'cluster' }, { bytes: keyOf(2), an: 0 });
        this.tables.push(table);
        const peer = (path: number) => [ADDRESSES[1 - n], ADDRESSES[2]][path - 1];
        const secured = uet.secured!(new PacketProtection(table, { domain: SDI, ...protection }));
        return secured.createEngine(services, { ...config, local: ADDRESSES[n]!, peer });
      },
    };
    this.rig = new EngineRig(transport, { settings });
    for (const [n, node] of [this.rig.a, this.rig.b].entries()) {
      node.engine.addJob(7);
      const domain = qpDomains[n];
      node.addQueuePair(1, domain === undefined ? {} : { domain });
    }
    this.rig.b.register(this.memory, KEY);
  }

  /** Writes, and lets everything happen. @returns the status */
  write(text: string, offset = 0): number | undefined {
    const { a } = this.rig;
    const bytes = new TextEncoder().encode(text);
    const id = ++this.#ids;
    const region = a.register(bytes, 1000 + id);
    const write = { opcode: WorkOpcode.RDMA_WRITE, region, length: bytes.length, rkeyLo: KEY, remoteOffsetLo: offset };
    a.post(1, { ...write, wrIdLo: id });
    a.engine.doorbell(this.rig.now, 1);
    this.run(1e8);
    return a.completions.find((one) => one.wrIdLo === id)?.status;
  }

  run(forNanos: number): void {
    this.rig.run({
      forNanos,
      lose: (packet) => {
        this.seen.push({ to: packet.to, bytes: packet.bytes.slice() });
        return false;
      },
    });
  }

  close(): void {
    for (const node of [this.rig.a, this.rig.b]) node.engine.close(this.rig.now);
    this.run(3e9);
    for (const node of [this.rig.a, this.rig.b]) expect(node.engine.quiet()).toBe(true);
  }

  drops(node: RigNode, name: string): number {
    return node.engine.counters.get(`dropped_${name}`)!;
  }

  state(): string {
    const { a, b } = this.rig;
    const rows = [a, b].map(({ engine }) => JSON.stringify([engine.connections!(), engine.census()]));
    return `${rows.join('\n')}\n${this.memory.join()}`;
  }
}

describe('a protected endpoint', () => {
  it('sends nothing in the clear and takes nothing in the clear: no packet of any type, in silence (uet:tss/15, N11)', () => {
    const clear = new EngineRig(uet, {});
    const packets: RigPacket[] = [];
    for (const node of [clear.a, clear.b]) {
      node.engine.addJob(7);
      node.addQueuePair(1);
    }
    const bytes = new Uint8Array(9000).fill(9);
    clear.b.register(new Uint8Array(9000), KEY);
    for (const opcode of [WorkOpcode.RDMA_WRITE, WorkOpcode.RDMA_READ]) {
      const region = clear.a.register(bytes, 1);
      clear.a.post(1, { opcode, region, length: bytes.length, rkeyLo: KEY });
    }
    clear.a.engine.doorbell(clear.now, 1);
    const keep = (packet: RigPacket) => packets.push(packet) < 0;
    clear.run({ forNanos: 1e8, lose: keep });
    for (const node of [clear.a, clear.b]) node.engine.close(clear.now);
    clear.run({ forNanos: 3e9, lose: keep });
    const types = new Set(packets.map((packet) => packet.bytes[0]! >> 3));
    expect(types.size).toBeGreaterThanOrEqual(3);

    const pair = new Pair();
    expect(pair.write('hello')).toBe(Status.SUCCESS);
    const before = pair.state();
    for (const packet of packets) pair.rig.deliver(packet.to === clear.a ? pair.rig.a : pair.rig.b, packet.bytes);
    expect(pair.rig.drain(pair.rig.a)).toEqual([]);
    expect(pair.rig.drain(pair.rig.b)).toEqual([]);
    expect(pair.state()).toBe(before);
    expect(pair.drops(pair.rig.a, 'tss_clear') + pair.drops(pair.rig.b, 'tss_clear')).toBe(packets.length);
    for (const { bytes: sent } of pair.seen) expect(sent[0]! >> 3).toBe(1);
    pair.close();
  });

  it('does nothing at a replay: same context, next context, after the end, after a rotation (uet:tss/14, N09)', () => {
    for (const secureStart of [0, 1]) {
      const pair = new Pair({ settings: { secureStart } });
      const text = () => new TextDecoder().decode(pair.memory.subarray(0, 5));
      const replay = (what: string) => {
        const before = text();
        for (const { to, bytes } of pair.seen.slice()) pair.rig.deliver(to, bytes);
        pair.run(1e8);
        expect(text(), `${what}, method ${secureStart}`).toBe(before);
      };
      expect(pair.write('first')).toBe(Status.SUCCESS);
      expect(pair.write('again')).toBe(Status.SUCCESS);
      replay('same context');
      // both ends close what they have; engines stay
      pair.rig.now += 61e9;
      for (const node of [pair.rig.a, pair.rig.b]) node.engine.expire(pair.rig.now);
      pair.run(3e9);
      replay('no context');
      pair.rig.now += 200e9; // closed contexts are forgotten
      pair.run(1e9);
      replay('no context, nothing remembered');
      expect(pair.write('third')).toBe(Status.SUCCESS);
      replay('next context');
      for (const table of pair.tables) table.get(SDI).install({ bytes: keyOf(9), an: 1 });
      for (const table of pair.tables) table.get(SDI).activate(1);
      expect(pair.write('forth')).toBe(Status.SUCCESS);
      replay('two keys');
      for (const table of pair.tables) table.get(SDI).retire(0);
      replay('rotated out');
      expect(pair.drops(pair.rig.b, 'tss_key')).toBeGreaterThan(0);
      expect(pair.write('fifth')).toBe(Status.SUCCESS);
      pair.run(2e9);
      pair.close();
    }
  });

  it('counts a key that is wrong, a forged close, and a packet with another source address; honest peers go on (uet:tss/11, N04)', () => {
    const pair = new Pair();
    expect(pair.write('hello')).toBe(Status.SUCCESS);
    const before = pair.state();
    const { b } = pair.rig;
    for (const { to, bytes } of pair.seen.slice()) {
      const forged = bytes.slice();
      forged[forged.length - 1]! ^= 1;
      pair.rig.deliver(to, forged);
      if (to === b) pair.rig.deliver(b, bytes, 2);
    }
    expect(pair.rig.drain(b)).toEqual([]);
    expect(pair.state()).toBe(before);
    expect(pair.drops(b, 'tss_auth')).toBeGreaterThan(1);
    pair.rig.deliver(b, Uint8Array.of(0x08, 0, 0, SDI, 0, 0, 1));
    expect(pair.drops(b, 'tss_short')).toBe(1);
    expect(pair.write('still')).toBe(Status.SUCCESS);
    pair.close();
  });

  it('keeps domains apart: contexts, queue pairs, and what is said of those that are not there (uet:tss/15, N03)', () => {
    const same = new Pair({ qpDomains: [OTHER, OTHER] });
    expect(same.write('hello')).toBe(Status.SUCCESS);
    expect(same.seen.every(({ bytes }) => bytes[3] === OTHER)).toBe(true);
    expect(same.rig.a.engine.connections!()[0]).toMatchObject({ domain: OTHER, path: 1 });
    same.close();
    const apart = new Pair({ qpDomains: [OTHER, SDI] });
    expect(apart.write('hello')).toBe(Status.REM_INV_RD_REQ_ERR);
    expect(apart.memory.every((byte) => byte === 0)).toBe(true);
    apart.close();
    // a packet of a context that comes under another domain of the same peer
    const crossed = new Pair({ qpDomains: [OTHER, OTHER] });
    expect(crossed.write('hello')).toBe(Status.SUCCESS);
    const before = crossed.state();
    crossed.tables[0]!.remove(OTHER);
    expect(crossed.write('again')).not.toBe(Status.SUCCESS);
    expect(crossed.state().split('\n')[2]).toBe(before.split('\n')[2]);
  });

  it('refuses queue pairs without a domain, or of one that is not there; in the clear only where that is allowed (uet:tss/15)', () => {
    expect(() => new Pair({ qpDomains: [99, SDI] })).toThrow('secure domain 0x63 is not known here');
    expect(() => new Pair({ domain: 0 })).toThrow('name a secure domain');
    for (const framing of ['udp', 'native'] as const) expect(() => new Pair({ framing })).toThrow('framing covers it');
    const mixed = new Pair({ domain: 0, clear: true });
    expect(mixed.write('hello')).toBe(Status.SUCCESS);
    expect(mixed.seen.every(({ bytes }) => bytes[0]! >> 3 !== 1)).toBe(true);
    const half = new Pair({ domain: 0, clear: true, qpDomains: [undefined, SDI] });
    expect(half.write('hello')).toBe(Status.REM_INV_RD_REQ_ERR); // a clear packet does not reach a protected queue pair
    expect(half.memory.every((byte) => byte === 0)).toBe(true);
    for (const pair of [mixed, half]) pair.close();
  });

  it('sends no more in a domain that was removed, and never in the clear instead (uet:tss/10)', () => {
    const pair = new Pair();
    expect(pair.write('hello')).toBe(Status.SUCCESS);
    pair.tables[0]!.remove(SDI);
    const count = pair.seen.length;
    expect(pair.write('again')).toBe(Status.LOC_QP_OP_ERR);
    expect(pair.seen.slice(count).filter(({ to }) => to === pair.rig.b)).toEqual([]);
  });
});

describe('what PDS keeps no track of', () => {
  /** A packet of the first node's domain that begins with these bytes. */
  const sealed = (pair: Pair, ...text: number[]) => {
    const protection = new PacketProtection(pair.tables[0]!, { domain: SDI });
    const datagram = new Datagram();
    datagram.source = ADDRESSES[0]!.address;
    datagram.destination = ADDRESSES[1]!.address;
    const bytes = new Uint8Array(16 + text.length + 16);
    bytes.set(text, 16);
    const view = new DataView(bytes.buffer);
    const front = protection.seal(protection.handleOf(undefined), 1, datagram, view, bytes, 16, text.length);
    return bytes.subarray(16 - front);
  };

  it('is refused where a recorded request would work again (uet:tss/14.1, N10)', () => {
    const pair = new Pair();
    const { b } = pair.rig;
    pair.rig.deliver(b, sealed(pair, 4 << 3, 0x80, 0, 0, 0, 0, 0, 1, ...new Uint8Array(44)));
    expect(pair.drops(b, 'tss_replays')).toBe(1);
    expect(pair.rig.drain(b)).toEqual([]);
    expect(() => new Pair({ settings: { idempotentRequests: 1 } })).toThrow('can be recorded');
    const allowed = new Pair({ replays: true });
    allowed.rig.deliver(allowed.rig.b, sealed(allowed, 4 << 3, 0x80, 0, 0, 0, 0, 0, 1, ...new Uint8Array(44)));
    expect(allowed.drops(allowed.rig.b, 'tss_replays')).toBe(0);
  });

  it('is remembered for long enough: settings that would forget a start too early are refused (uet:tss/14)', () => {
    expect(() => new Pair({ settings: { synSafetyTime: 1_000_000 } })).toThrow('lets recorded starts in again');
  });
});

describe('secure start', () => {
  const requests = (pair: Pair) => pair.seen.filter(({ to }) => to === pair.rig.b).length;

  it('1-RTT tells every first PSN, and takes no other (uet:tss/14.3, uet:pds/3.6)', () => {
    const pair = new Pair({ settings: { secureStart: 1 } });
    expect(pair.write('hello')).toBe(Status.SUCCESS);
    const { a, b } = pair.rig;
    expect(b.engine.counters.get('sent_nacks')).toBe(1);
    expect(a.engine.counters.get('received_nacks')).toBe(1);
    expect(b.engine.counters.get('contexts_accepted')).toBe(1);
    expect(requests(pair)).toBeGreaterThan(1);
    pair.close();
  });

  it('0-RTT asks whom it does not know, and then takes starts behind all that was used (uet:tss/14.3, uet:tss/14.4)', () => {
    const pair = new Pair({ settings: { secureStart: 0 } });
    const { b } = pair.rig;
    for (let n = 1; n <= 4; n++) {
      expect(pair.write('hello')).toBe(Status.SUCCESS);
      expect(b.engine.counters.get('sent_nacks'), `context ${n}`).toBe(1);
      pair.rig.now += 61e9;
      for (const node of [pair.rig.a, pair.rig.b]) node.engine.expire(pair.rig.now);
      pair.run(3e9);
      expect(b.engine.counters.get('contexts_closed')).toBe(n);
    }
    pair.close();
  });

  it('a flood of starts, forged or from a member, keeps no state and does not stop honest peers (uet:tss/14, N07)', () => {
    const pair = new Pair();
    expect(pair.write('hello')).toBe(Status.SUCCESS);
    const { b } = pair.rig;
    const first = pair.seen.find(({ to }) => to === b)!;
    const census = JSON.stringify(b.engine.census());
    for (let n = 0; n < 100_000; n++) {
      const forged = first.bytes.slice();
      new DataView(forged.buffer).setUint32(8, n + 1);
      pair.rig.deliver(b, forged, 1 + (n & 1));
    }
    expect(JSON.stringify(b.engine.census())).toBe(census);
    expect(pair.rig.drain(b)).toEqual([]);
    expect(pair.write('still')).toBe(Status.SUCCESS);
    pair.close();
  }, 60_000);
});
