import { DmaSpace, type Engine, MILLISECOND, NEVER, Packet, type WireHost } from '@verbena/core';
import { describe, expect, test } from 'vitest';
import { type Faults, FaultWire } from './fault-wire.ts';
import { HELD_BYTES, MAX_HELD } from './held-packets.ts';

/** Keeps what is sent, headers and payload in one piece, and hands in what a test put into `arriving`. */
class RecordingWire implements WireHost {
  readonly sent: string[] = [];
  readonly packet = new Packet(new Uint8Array(256));
  readonly arriving: string[] = [];
  readonly #arrival = new Packet(new Uint8Array(2 * HELD_BYTES), 64);
  readonly #dma: DmaSpace;
  full = false;

  constructor(dma: DmaSpace) {
    this.#dma = dma;
  }
  receive(now: number, engine: Engine): number {
    const count = this.arriving.length;
    for (const text of this.arriving.splice(0)) {
      const packet = this.#arrival;
      packet.reset();
      packet.bytes.set(Buffer.from(text, 'latin1'), packet.at);
      packet.length = text.length;
      packet.path = 5;
      packet.ecn = 3;
      engine.receive(now, packet);
      packet.bytes.fill(0); // the arena is used again for the next batch
    }
    return count;
  }
  slot(): Packet | undefined {
    if (this.full) return undefined;
    this.packet.reset();
    return this.packet;
  }
  send(): void {
    const { bytes, at, length, path, entropy, ecn, control } = this.packet;
    const whole = new Uint8Array(length + this.packet.payloadLength());
    whole.set(bytes.subarray(at, at + length));
    let to = length;
    for (let i = 0; i < this.packet.slices; i++) {
      const size = this.packet.sliceLength[i]!;
      this.#dma.fetch(this.packet.sliceRegion[i]!, this.packet.sliceOffset[i]!, whole, to, size);
      to += size;
    }
    this.sent.push(`${path}/${entropy}/${ecn}/${control} ${Buffer.from(whole).toString('latin1')}`);
  }
  flush(): void {}
  deadline = () => NEVER;
  path = () => 1;
  peer = () => undefined;
}

/** Keeps what it is given. */
class RecordingEngine {
  readonly got: string[] = [];
  receive(_now: number, { bytes, at, length, path, ecn, slices }: Packet): void {
    const text = Buffer.from(bytes.subarray(at, at + length)).toString('latin1');
    this.got.push(`${path}/${ecn}/${slices} ${text}`);
  }
}

interface Run {
  wire: FaultWire;
  inner: RecordingWire;
  /** What got through. */
  passed: string[];
  /** Lets time pass. */
  at(now: number): number;
}

interface Direction {
  readonly name: 'out' | 'in';
  /** What packet n looks like behind the fault wire. */
  wanted(i: number): string;
  /** Bytes before the packet itself in that text. */
  readonly prefix: number;
  run(faults: Faults, packets: number): Run;
}

const OUT: Direction = {
  name: 'out',
  wanted: (i) => `5/2/2/true #${i} payload`,
  prefix: '5/2/2/true '.length,
  run(faults, packets) {
    const dma = new DmaSpace();
    const inner = new RecordingWire(dma);
    const wire = new FaultWire(inner, dma, faults);
    const region = dma.attach({ bytes: Buffer.from('payload'), address: 0 });
    for (let i = 0; i < packets; i++) {
      post(wire, region, i);
      wire.flush(i * 1000);
    }
    const at = (now: number) => {
      wire.flush(now);
      return inner.sent.length;
    };
    return { wire, inner, passed: inner.sent, at };
  },
};

const IN: Direction = {
  name: 'in',
  wanted: (i) => `5/3/0 #${i} payload`,
  prefix: '5/3/0 '.length,
  run(faults, packets) {
    const dma = new DmaSpace();
    const inner = new RecordingWire(dma);
    const wire = new FaultWire(inner, dma, faults);
    const recorder = new RecordingEngine();
    const engine = recorder as unknown as Engine;
    for (let i = 0; i < packets; i++) {
      inner.arriving.push(`#${i} payload`);
      expect(wire.receive(i * 1000, engine)).toBeGreaterThan(0); // a lost packet is work too
    }
    return { wire, inner, passed: recorder.got, at: (now) => wire.receive(now, engine) };
  },
};

function post(wire: FaultWire, region: number, i: number): void {
  const slot = wire.slot()!;
  const text = `#${i} `;
  slot.bytes.set(Buffer.from(text), slot.at);
  slot.length = text.length;
  slot.gather(region, 0, 3);
  slot.gather(region, 3, 4);
  slot.path = 5;
  slot.entropy = 2;
  slot.ecn = 2;
  slot.control = true;
  wire.send(i * 1000);
}

const ALL: Faults = { drop: 0.1, duplicate: 0.1, reorder: 0.1, delay: 0.05, corrupt: 0.05 };
const ones = (byte: number): number => byte.toString(2).replaceAll('0', '').length;

for (const { name, wanted, prefix, run } of [OUT, IN]) {
  describe(`fault wire, packets going ${name}`, () => {
    test('no faults: every packet passes at once, unchanged', () => {
      expect(run({}, 50).passed).toEqual(Array.from({ length: 50 }, (_, i) => wanted(i)));
    });

    test('faults of the other direction leave them alone', () => {
      const direction = name === 'in' ? 'out' : 'in';
      const { passed, wire } = run({ ...ALL, drop: 1, direction }, 50);
      expect(passed).toEqual(Array.from({ length: 50 }, (_, i) => wanted(i)));
      expect(wire.counts.faultDropped).toBe(0);
    });

    test('the same seed does the same, another seed something else', () => {
      const trace = (seed: number) => run({ ...ALL, seed }, 2000).passed;
      expect(trace(4)).toEqual(trace(4));
      expect(trace(4)).not.toEqual(trace(5));
    });

    test('every packet passes, is dropped or is held, and the counts tell which', () => {
      const { wire, passed, at } = run({ ...ALL, seed: 9 }, 5000);
      at(1e9);
      const { counts } = wire;
      expect(wire.held).toBe(0);
      expect(wire.deadline()).toBe(NEVER);
      expect(passed.length).toBe(5000 - counts.faultDropped + counts.faultDuplicated);
      expect(counts.faultDroppedIn).toBe(name === 'in' ? counts.faultDropped : 0);
      for (const [count, chance] of [
        ['faultDropped', 0.1],
        ['faultDuplicated', 0.1],
        ['faultReordered', 0.1],
        ['faultDelayed', 0.05],
        ['faultCorrupted', 0.05],
      ] as const) {
        expect(counts[count] / 5000, count).toBeGreaterThan(chance * 0.6);
        expect(counts[count] / 5000, count).toBeLessThan(chance * 1.3);
      }
    });

    test('packets are overtaken, and none is changed by waiting', () => {
      const { passed, at } = run({ reorder: 0.2, reorderNs: 20_000, seed: 2 }, 500);
      at(1e9);
      const order = passed.map((text) => Number(/#(\d+)/.exec(text)?.[1]));
      expect(order).not.toEqual(order.toSorted((a, b) => a - b));
      expect(passed.toSorted()).toEqual(Array.from({ length: 500 }, (_, i) => wanted(i)).toSorted());
    });

    test('a delayed packet keeps bytes and everything else, and goes on when it is due', () => {
      const { wire, passed, at } = run({ delay: 1, delayNs: 2 * MILLISECOND }, 1);
      expect([passed.length, wire.held, wire.deadline()]).toEqual([0, 1, 2 * MILLISECOND]);
      at(2 * MILLISECOND - 1);
      expect(passed).toEqual([]);
      expect(at(2 * MILLISECOND)).toBe(1);
      expect(passed).toEqual([wanted(0)]);
      expect([wire.held, wire.deadline()]).toEqual([0, NEVER]);
    });

    test('a corrupted packet differs in one bit', () => {
      const { passed, at } = run({ corrupt: 1 }, 20);
      at(1e9);
      expect(passed.length).toBe(20);
      passed.forEach((text, i) => {
        expect(text.slice(0, prefix)).toBe(wanted(i).slice(0, prefix));
        const whole = Buffer.from(wanted(i), 'latin1');
        const bits = [...Buffer.from(text, 'latin1')].reduce((n, byte, k) => n + ones(byte ^ whole[k]!), 0);
        expect(bits).toBe(1);
      });
    });

    test('what does not fit into the held packets passes unharmed', () => {
      const { wire, passed } = run({ delay: 1, delayNs: 1e12 }, MAX_HELD + 10);
      expect([wire.held, passed.length, wire.counts.faultSkipped]).toEqual([MAX_HELD, 10, 10]);
      wire.close();
      expect([wire.held, wire.deadline()]).toEqual([0, NEVER]);
    });
  });
}

describe('fault wire', () => {
  test('what befalls departures does not depend on arrivals', () => {
    const departures = (arrivals: number): string[] => {
      const dma = new DmaSpace();
      const inner = new RecordingWire(dma);
      const wire = new FaultWire(inner, dma, { ...ALL, seed: 3 });
      const region = dma.attach({ bytes: Buffer.from('payload'), address: 0 });
      for (let i = 0; i < 500; i++) {
        for (let k = 0; k < arrivals; k++) inner.arriving.push('in');
        wire.receive(i * 1000, new RecordingEngine() as unknown as Engine);
        post(wire, region, i);
        wire.flush(i * 1000);
      }
      return inner.sent;
    };
    expect(departures(3)).toEqual(departures(0));
  });

  test('a held packet stays when the wire below is full', () => {
    const { wire, inner, passed, at } = OUT.run({ delay: 1, delayNs: 100 }, 1);
    inner.full = true;
    at(100);
    expect([wire.held, passed.length]).toEqual([1, 0]);
    inner.full = false;
    at(100);
    expect(passed).toEqual([OUT.wanted(0)]);
  });

  test('a packet that is too long to be held passes unharmed', () => {
    const { wire, inner, passed, at } = IN.run({ delay: 1 }, 0);
    inner.arriving.push('x'.repeat(HELD_BYTES + 1), 'y'.repeat(HELD_BYTES));
    expect(at(0)).toBe(2);
    expect(passed.map((text) => text.length - IN.prefix)).toEqual([HELD_BYTES + 1]);
    expect([wire.held, wire.counts.faultSkipped]).toEqual([1, 1]);
  });

  test('neither direction takes regions with it when it closes', () => {
    const dma = new DmaSpace();
    for (const direction of ['both', 'out', 'in'] as const) {
      new FaultWire(new RecordingWire(dma), dma, { drop: 0.5, direction }).close();
    }
    expect(dma.regions).toBe(0);
  });
});
