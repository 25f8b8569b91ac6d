import { DmaSpace, type Engine, MILLISECOND, NEVER, Packet, type WireHost } from '@verbena/core';
import { describe, expect, test } from 'vitest';
import { type Faults, FaultWire, MAX_HELD } from './fault-wire.ts';

/** Keeps what is sent, headers and payload in one piece. */
class RecordingWire implements WireHost {
  readonly sent: string[] = [];
  readonly packet = new Packet(new Uint8Array(256));
  readonly #dma: DmaSpace;
  full = false;

  constructor(dma: DmaSpace) {
    this.#dma = dma;
  }
  receive = () => 0;
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

function run(faults: Faults, packets: number): { wire: FaultWire; inner: RecordingWire } {
  const dma = new DmaSpace();
  const inner = new RecordingWire(dma);
  const wire = new FaultWire(inner, dma, faults);
  const region = dma.attach({ bytes: Buffer.from('payload'), address: 0 });
  for (let i = 0; i < packets; i++) {
    post(wire, region, i);
    wire.flush(i * 1000);
  }
  return { wire, inner };
}

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

describe('fault wire', () => {
  test('no faults: every packet passes at once, unchanged', () => {
    const { inner } = run({}, 50);
    expect(inner.sent).toEqual(Array.from({ length: 50 }, (_, i) => `5/2/2/true #${i} payload`));
  });

  test('the same seed does the same, another seed something else', () => {
    const trace = (seed: number) => run({ ...ALL, seed }, 2000).inner.sent;
    expect(trace(4)).toEqual(trace(4));
    expect(trace(4)).not.toEqual(trace(5));
  });

  test('every packet is sent, dropped or held, and the counts tell which', () => {
    const { wire, inner } = run({ ...ALL, seed: 9 }, 5000);
    wire.flush(1e9);
    const { counts } = wire;
    expect(wire.held).toBe(0);
    expect(wire.deadline()).toBe(NEVER);
    expect(inner.sent.length).toBe(5000 - counts.faultDropped + counts.faultDuplicated);
    for (const [name, chance] of [
      ['faultDropped', 0.1],
      ['faultDuplicated', 0.1],
      ['faultReordered', 0.1],
      ['faultDelayed', 0.05],
      ['faultCorrupted', 0.05],
    ] as const) {
      expect(counts[name] / 5000, name).toBeGreaterThan(chance * 0.6);
      expect(counts[name] / 5000, name).toBeLessThan(chance * 1.3);
    }
  });

  test('a delayed packet keeps payload and everything else, and leaves when it is due', () => {
    const { wire, inner } = run({ delay: 1, delayNs: 2 * MILLISECOND }, 1);
    expect([inner.sent.length, wire.held, wire.deadline()]).toEqual([0, 1, 2 * MILLISECOND]);
    wire.flush(2 * MILLISECOND - 1);
    expect(inner.sent).toEqual([]);
    inner.full = true;
    wire.flush(2 * MILLISECOND);
    expect(wire.held).toBe(1);
    inner.full = false;
    wire.flush(2 * MILLISECOND);
    expect(inner.sent).toEqual(['5/2/2/true #0 payload']);
  });

  test('a corrupted packet differs in one bit', () => {
    const { inner } = run({ corrupt: 1 }, 20);
    inner.sent.forEach((text, i) => {
      const wanted = Buffer.from(`5/2/2/true #${i} payload`, 'latin1');
      const bits = [...Buffer.from(text, 'latin1')].reduce((n, byte, k) => n + ones(byte ^ wanted[k]!), 0);
      expect(bits).toBe(1);
    });
    expect(inner.sent.length).toBe(20);
  });

  test('what does not fit into the held packets passes unharmed', () => {
    const { wire, inner } = run({ delay: 1, delayNs: 1e12 }, MAX_HELD + 10);
    expect([wire.held, inner.sent.length, wire.counts.faultSkipped]).toEqual([MAX_HELD, 10, 10]);
  });

  test('packets that come in are left alone', () => {
    const dma = new DmaSpace();
    const wire = new FaultWire(new RecordingWire(dma), dma, { drop: 1 });
    expect(wire.receive(0, {} as Engine)).toBe(0);
  });
});

const ones = (byte: number): number => byte.toString(2).replaceAll('0', '').length;
