import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DmaSpace } from '../dma.ts';
import { Packet } from '../packet.ts';
import { type ReceiveWork, Segments } from '../work.ts';
import { anEnvelope, aReceive, manyMasks } from './arbitrary.testdata.ts';
import { Envelope } from './envelope.ts';
import { NaiveMessages } from './naive-lists.testdata.ts';
import { Described, type UnexpectedLists, UnexpectedMessages } from './unexpected-messages.ts';

const SEED = 20_251_126;
const PACKET = 64;
const LIMITS = { messages: 1000, bytes: 1000 * PACKET, packetBytes: PACKET };

const create = (limits = LIMITS, dma = new DmaSpace()) => new UnexpectedMessages<object>(dma, limits, () => 0.37);
const message = (fields: Partial<Envelope>): Envelope => Object.assign(new Envelope(), { path: 1 }, fields);

interface Entry extends Envelope {
  total: number;
}

/** Does the same to the structure and to plain lists, for two queue pairs. */
class Both {
  readonly kept = create();
  readonly lists = [this.kept.lists(), this.kept.lists()];
  readonly naive = [new NaiveMessages<Entry>(), new NaiveMessages<Entry>()];
  readonly claimed: { queue: number; id: number; total: number }[] = [];
  readonly #told = new Described();
  #n = 0;

  add(queue: number, envelope: Envelope): void {
    if (!this.kept.hasRoom(this.lists[queue]!, envelope.path, 8)) return;
    const total = ++this.#n & 0x3f;
    const i = this.kept.add(this.lists[queue]!, envelope, total, undefined);
    this.kept.begin(i, false, 0, 0);
    this.naive[queue]!.list.push(Object.assign(new Envelope(), envelope, { total }));
  }

  /** @param take - what is found goes, is claimed, or stays */
  search(queue: number, work: ReceiveWork, take: 'take' | 'claim' | 'leave'): void {
    const { list } = this.naive[queue]!;
    const lists = this.lists[queue]!;
    const i = this.kept.search(lists, work);
    const due = this.naive[queue]!.search(work);
    if (due < 0) {
      expect(i).toBe(-1);
      return;
    }
    const one = list[due]!;
    this.kept.describe(i, this.#told);
    expect(this.#told).toMatchObject({ ...one });
    if (take === 'leave') return;
    list.splice(due, 1);
    if (take === 'take') return this.kept.remove(lists, i);
    const id = ++this.#n;
    this.kept.claim(lists, i, id, 5);
    this.claimed.push({ queue, id, total: one.total });
  }

  unclaim(): void {
    const one = this.claimed.shift();
    if (one === undefined) return;
    const lists = this.lists[one.queue]!;
    expect(this.kept.claimed(this.lists[1 - one.queue]!, one.id, 5)).toBe(-1);
    const i = this.kept.claimed(lists, one.id, 5);
    expect(this.kept.total(i)).toBe(one.total);
    this.kept.remove(lists, i);
    expect(this.kept.claimed(lists, one.id, 5)).toBe(-1);
  }

  end(): void {
    for (const lists of this.lists) {
      for (let i = this.kept.any(lists); i >= 0; i = this.kept.any(lists)) this.kept.remove(lists, i);
    }
    expect([this.kept.size, this.kept.bytes]).toEqual([0, 0]);
  }
}

describe('messages that wait for a receive (uet:ses/3.4)', () => {
  for (const [name, masks] of [
    ['few masks', undefined],
    ['more masks than are hashed', manyMasks],
  ] as const) {
    it(`are found in the order of arrival, as in a plain list, ${name} (R122)`, () => {
      const queue = fc.nat({ max: 1 });
      const step = fc.oneof(
        { weight: 6, arbitrary: fc.record({ queue, add: anEnvelope }) },
        {
          weight: 4,
          arbitrary: fc.record({ queue, search: aReceive(masks), take: fc.constantFrom('take', 'claim', 'leave') }),
        },
        { weight: 1, arbitrary: fc.constant({ unclaim: true }) },
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
          const both = new Both();
          for (const one of steps) {
            if ('add' in one) both.add(one.queue, one.add);
            else if ('search' in one) both.search(one.queue, one.search, one.take as 'take');
            else both.unclaim();
          }
          both.end();
        }),
        { seed: SEED, numRuns: 150 },
      );
    });
  }
});

describe('bytes of messages that wait', () => {
  const source = Uint8Array.from({ length: 512 }, (_, i) => i & 0xff);
  const packet = new Packet(source);

  function add(kept: UnexpectedMessages<object>, lists: UnexpectedLists, total: number): number {
    expect(kept.hasRoom(lists, 1, total)).toBe(true);
    return kept.add(lists, message({}), total, {});
  }

  function place(kept: UnexpectedMessages<object>, i: number, offset: number, length: number): void {
    kept.place(i, offset, packet, offset, length);
  }

  it('come out as they came in, in any order of packets', () => {
    const dma = new DmaSpace();
    const kept = create(LIMITS, dma);
    const lists = kept.lists();
    const total = 3 * PACKET + 5;
    const inbox = new Uint8Array(300).fill(0xee);
    const segments = new Segments();
    segments.add(dma.attach({ bytes: inbox, address: 0 }), 10, 290);
    const i = add(kept, lists, total);
    for (const at of [192, 0, 128]) place(kept, i, at, Math.min(PACKET, total - at));
    expect(kept.deliver(i, dma, segments, 3, total)).toBe(true);
    // the packet that is missing leaves what was there: nothing of another message shows
    expect(inbox.slice(13 + 64, 13 + 128).every((byte) => byte === 0xee)).toBe(true);
    expect([...inbox.slice(13, 77)]).toEqual([...source.slice(0, 64)]);
    expect([...inbox.slice(13 + 128, 13 + total)]).toEqual([...source.slice(128, total)]);
    expect(inbox[13 + total]).toBe(0xee);
    kept.remove(lists, i);
    expect(kept.bytes).toBe(0);
  });

  it('are cut to what fits', () => {
    const dma = new DmaSpace();
    const kept = create(LIMITS, dma);
    const lists = kept.lists();
    const inbox = new Uint8Array(200).fill(0xee);
    const segments = new Segments();
    segments.add(dma.attach({ bytes: inbox, address: 0 }), 0, 200);
    const i = add(kept, lists, 128);
    place(kept, i, 0, 64);
    place(kept, i, 64, 64);
    kept.deliver(i, dma, segments, 0, 70);
    expect([...inbox.slice(0, 70)]).toEqual([...source.slice(0, 70)]);
    expect(inbox[70]).toBe(0xee);
  });

  it('take no more room than was promised, though a peer repeats itself (N27)', () => {
    const kept = create({ messages: 4, bytes: 8 * PACKET, packetBytes: PACKET });
    const lists = kept.lists();
    const i = add(kept, lists, PACKET + 1);
    for (let n = 0; n < 100; n++) place(kept, i, PACKET, 1);
    expect(kept.bytes).toBe(2 * PACKET);
    const others = [kept.add(lists, message({ path: 2 }), 4 * PACKET, {})];
    for (let at = 0; at < 4 * PACKET; at += PACKET) place(kept, others[0]!, at, PACKET);
    for (const one of [i, ...others]) kept.remove(lists, one);
    expect([kept.size, kept.bytes]).toEqual([0, 0]);
  });

  it('take memory only once there are some, and give it back', () => {
    const dma = new DmaSpace();
    const kept = create(LIMITS, dma);
    kept.lists();
    expect(dma.regions).toBe(0);
    kept.hasRoom(kept.lists(), 1, 8);
    expect(dma.regions).toBe(1);
    kept.end();
    expect(dma.regions).toBe(0);
  });
});

describe('who may have how much (N27)', () => {
  const flood = (kept: UnexpectedMessages<object>, lists: UnexpectedLists, path: number, bytes: number): number => {
    let n = 0;
    while (n < 10_000 && kept.hasRoom(lists, path, bytes)) {
      kept.add(lists, message({ path }), bytes, undefined);
      n++;
    }
    return n;
  };

  for (const [what, bytes, unit] of [
    ['messages', 8, 1],
    ['bytes', 4 * PACKET, 4],
  ] as const) {
    it(`a peer gets no more ${what} than are left for all others, however many flood`, () => {
      const kept = create({ messages: 256, bytes: 256 * PACKET, packetBytes: PACKET });
      let left = 256 / unit;
      for (let path = 1; path <= 6; path++) {
        const got = flood(kept, kept.lists(), path, bytes);
        expect(got).toBe(Math.floor(left / 2));
        left -= got;
      }
      expect(left).toBeGreaterThan(0);
    });
  }

  it('nor does a queue pair, whoever sends to it', () => {
    const kept = create({ messages: 256, bytes: 256 * PACKET, packetBytes: PACKET });
    const [one, other] = [kept.lists(), kept.lists()];
    let sum = 0;
    for (let path = 1; path <= 20; path++) sum += flood(kept, one, path, 8);
    expect(sum).toBe(128);
    expect(flood(kept, other, 30, 8)).toBe(64);
  });

  it('everything can be had again when it is given back', () => {
    const kept = create({ messages: 16, bytes: 16 * PACKET, packetBytes: PACKET });
    const lists = kept.lists();
    for (let round = 0; round < 5; round++) {
      expect(flood(kept, lists, 1, PACKET)).toBe(8);
      for (let i = kept.any(lists); i >= 0; i = kept.any(lists)) kept.remove(lists, i);
    }
  });
});
