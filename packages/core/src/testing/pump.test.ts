import { describe, expect, it } from 'vitest';
import { Counters } from '../base/counters.ts';
import type { Engine, Services, Transport } from '../engine/engine.ts';
import type { Packet } from '../engine/packet.ts';
import { NEVER } from '../engine/time.ts';
import { loop } from '../transports/loop/index.ts';
import { uet } from '../transports/uet/index.ts';
import { Bed } from './bed.ts';
import { Pump } from './pump.ts';

/** An engine that does nothing, except for what a test makes it do. */
function stub(make: (services: Services) => Partial<Engine>): Transport {
  return {
    ...loop,
    name: 'stub',
    createEngine: (services) => ({
      receive: () => {},
      doorbell: () => {},
      expire: () => {},
      transmit: () => false,
      deadline: () => NEVER,
      addQueuePair: () => '',
      removeQueuePair: () => {},
      addJob: () => {},
      removeJob: () => {},
      close: () => {},
      quiet: () => true,
      counters: new Counters(['received_packets']),
      census: () => ({}),
      ...make(services),
    }),
  };
}

/** Fills one packet, once. */
function once(fill: (out: Packet) => void): Partial<Engine> {
  let sent = false;
  return {
    transmit: (_now, out) => {
      if (sent) return false;
      sent = true;
      out.length = 60;
      out.path = 1;
      fill(out);
      return true;
    },
  };
}

/** A pump of which node 0 knows node 1 as path 1. */
function pumpOf(make: (services: Services) => Partial<Engine>): Pump {
  const pump = new Pump({ transport: stub(make), seed: 42, payloadMtu: 256 });
  for (const node of pump.nodes) node.wire.path(pump.node(1 - node.index).local);
  return pump;
}

describe('the pump finds an engine that', () => {
  it.each<[string, RegExp, (services: Services) => Partial<Engine>]>([
    [
      'sends more than the MTU',
      /a packet of 317 bytes, the MTU is 308/,
      ({ dma }) => once((out) => out.gather(dma.attach({ bytes: new Uint8Array(300), address: 0 }), 0, 257)),
    ],
    ['has more headers than there is room', /193 header bytes/, () => once((out) => (out.length = 193))],
    [
      'names memory that is not there',
      /slice of 8 bytes at 0 of region 999/,
      () => once((out) => out.gather(999, 0, 8)),
    ],
    [
      'reads beyond a region',
      /slice of 8 bytes at 93/,
      ({ dma }) => once((out) => out.gather(dma.attach({ bytes: new Uint8Array(100), address: 0 }), 93, 8)),
    ],
    ['names no path', /path 77 is unknown/, () => once((out) => (out.path = 77))],
    [
      'never stops sending',
      /sent more than 65536 packets at one instant/,
      () => ({
        transmit: (_now, out) => {
          out.length = 8;
          out.path = 1;
          return true;
        },
      }),
    ],
    ['wants to be woken at once, for nothing', /driven again at once/, () => ({ deadline: () => 5 })],
    [
      'throws',
      /node 0 failed: .*a bug/s,
      () => ({
        transmit: () => {
          throw new Error('a bug');
        },
      }),
    ],
  ])('%s', (_what, message, make) => {
    const drive = () => pumpOf(make).drive({ limitNs: 1e6 });
    expect(drive).toThrow(message);
    expect(drive).toThrow(/seed 42/);
  });

  it('never falls quiet', () => {
    const pump = pumpOf(() => ({ quiet: () => false }));
    expect(() => pump.close()).toThrow(/the quiet end of all devices did not come/);
  });

  it('leaves something behind', () => {
    const pump = pumpOf(() => ({ census: () => ({ leaks: 3 }) }));
    expect(() => pump.close()).toThrow(/still holds engine_leaks 3/);
  });

  it('sends after its end', () => {
    const pump = pumpOf(() => {
      let due = 5e8;
      return {
        deadline: () => due,
        transmit: (now, out) => {
          if (now < due) return false;
          due = NEVER;
          out.length = 60;
          out.path = 1;
          return true;
        },
      };
    });
    expect(() => pump.close()).toThrow(/node 0 sent a packet after its end/);
  });

  it('breaks a rule of its transport', () => {
    const bed = new Bed({ transport: loop, inspect: ({ length }) => (length > 100 ? 'something long' : undefined) });
    const { a, b } = bed;
    a.qp.post({ opcode: 'write', to: a.to(b), ...a.buffer(10).part(), remote: b.buffer(10).remote });
    bed.completed(a, 1, 0);
    a.qp.post({ opcode: 'write', to: a.to(b), ...a.buffer(500).part(), remote: b.buffer(500).remote });
    expect(() => bed.completed(a, 2, 0)).toThrow(/node 0 sent something long/);
  });
});

describe('links', () => {
  function fates(faults: ConstructorParameters<typeof Bed>[0]['faults']): Record<string, number> {
    const bed = new Bed({ transport: uet, seed: 9, keep: 100_000, ...(faults === undefined ? {} : { faults }) });
    const { a, b } = bed;
    const [source, sink] = [a.buffer(400 * 1024, { salt: 1 }), b.buffer(400 * 1024)];
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
    bed.completed(a, 1, 0);
    sink.expectPattern(1);
    bed.close();
    const counts: Record<string, number> = { sent: 0, delivered: 0, lost: 0, duplicated: 0, corrupted: 0, trimmed: 0 };
    for (const { fate } of bed.pump.trace.kept) counts[fate]! += 1;
    return counts;
  }

  it('lose, repeat, spoil and trim as often as they are told', () => {
    const clean = fates({});
    expect(clean).toMatchObject({ lost: 0, duplicated: 0, corrupted: 0, trimmed: 0 });
    expect(clean.delivered).toBe(clean.sent);
    const lossy = fates({ loss: 0.1 });
    expect(lossy.lost! / lossy.sent!).toBeGreaterThan(0.06);
    expect(lossy.lost! / lossy.sent!).toBeLessThan(0.14);
    expect(lossy.delivered).toBe(lossy.sent! - lossy.lost!);
    const doubled = fates({ duplicate: 0.2 });
    expect(doubled.duplicated! / doubled.sent!).toBeGreaterThan(0.14);
    expect(doubled.delivered).toBe(doubled.sent! + doubled.duplicated!);
    const spoilt = fates({ corrupt: 0.1 });
    expect(spoilt.corrupted).toBeGreaterThan(10);
    expect(spoilt.delivered).toBe(spoilt.sent! - spoilt.corrupted!);
    expect(fates({ trim: 0.1 }).trimmed).toBeGreaterThan(10);
  });

  it.each([loop, uet])(
    'deliver spoilt packets when nobody checks, and the engine of $name survives them',
    (transport) => {
      const bed = new Bed({ transport, seed: 5, keep: 5000, faults: { corrupt: 0.3, checksum: false } });
      const { a, b } = bed;
      for (let i = 0; i < 30; i++) {
        b.qp.postReceive(b.buffer(2000).part());
        a.qp.post({ opcode: 'send', id: i, to: a.to(b), ...a.buffer(2000, { salt: 1 }).part() });
        bed.pass(1e6);
      }
      expect(bed.pump.trace.kept.some(({ fate }) => fate === 'corrupted')).toBe(true);
      bed.pump.setFaults({ corrupt: 0 });
      bed.until('all requests to end', () => a.sent.length === 30, 120e9);
      bed.close();
    },
  );
});

describe('simulated time', () => {
  it('lets asynchronous programs run', async () => {
    const bed = new Bed({ transport: loop });
    const { a, b } = bed;
    const start = bed.pump.now;
    const program = async () => {
      b.qp.postReceive({ id: 3, ...b.buffer(100).part() });
      a.qp.post({ opcode: 'send', to: a.to(b), ...a.buffer(100, { salt: 1 }).part() });
      return [await b.recvCq.next({ timeoutMs: 50 }), await a.sendCq.next()];
    };
    const done = await bed.pump.settle(program());
    expect(done.map(({ status }) => status)).toEqual(['SUCCESS', 'SUCCESS']);
    expect(bed.pump.now - start).toBeLessThan(100_000);
    await expect(bed.pump.settle(b.recvCq.next({ timeoutMs: 50 }))).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(bed.pump.now - start).toBeGreaterThanOrEqual(50e6);
  });

  it('gives up on a program that never ends', async () => {
    const bed = new Bed({ transport: loop });
    await expect(bed.pump.settle(bed.a.recvCq.next(), 1e9)).rejects.toThrow(/did not end within 1000 ms/);
  });
});
