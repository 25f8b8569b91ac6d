/** Pieces of toy hardware: queues and bells in memory that the device offers, and a wire between devices of a kind. */
import { type DeviceContext as Context, type memoryOf, VerbsError } from '@verbena/core';

export const PAGE = 4096;
/** Entries that a queue holds. */
export const ENTRIES = 64;

/**
 * A queue: producer index, consumer index, then entries of 8 words from byte 64. Each half keeps its own index and
 * believes the other's only as far as it makes sense.
 */
export class Queue {
  readonly #words: Int32Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, PAGE / 4);
  }

  /** @returns false when it is full */
  push(...entry: number[]): boolean {
    if (this.#at - Atomics.load(this.#words, 1) >= ENTRIES) return false;
    this.#words.fill(0, this.#entry(), this.#entry() + WORDS).set(entry, this.#entry());
    Atomics.store(this.#words, 0, ++this.#at);
    return true;
  }

  /** @returns undefined when it is empty, or holds nonsense */
  take(): number[] | undefined {
    const waiting = Atomics.load(this.#words, 0) - this.#at;
    if (waiting < 1 || waiting > ENTRIES) return undefined;
    const entry = [...this.#words.subarray(this.#entry(), this.#entry() + WORDS)];
    Atomics.store(this.#words, 1, ++this.#at);
    return entry;
  }

  #entry(): number {
    return 16 + (this.#at % ENTRIES) * WORDS;
  }
}

/** Bells: one word each on a page. */
export class Bells {
  readonly #words: Int32Array;

  constructor(bytes: Uint8Array) {
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, PAGE / 4);
  }

  ring(bell: number): void {
    Atomics.store(this.#words, bell, 1);
  }

  /** @returns whether it was rung */
  take(bell: number): boolean {
    return Atomics.exchange(this.#words, bell, 0) !== 0;
  }
}

/** Memory of a device that programs map: pages of their contexts and objects. */
export class DeviceMemory {
  readonly #held = new Set<Uint8Array>();
  readonly #offsets = new Map<object, number[]>();

  /** Pages that somebody may map or has mapped. */
  get held(): number {
    return this.#held.size;
  }

  /** A page for an object, or for a context, and the offset by which its program maps it. */
  offer({ maps }: Context, owner: object): { readonly bytes: Uint8Array; readonly offset: number } {
    const bytes = new Uint8Array(PAGE);
    this.#held.add(bytes);
    const offset = maps.insert(PAGE, bytes, () => this.#held.delete(bytes));
    this.#offsets.set(owner, [...(this.#offsets.get(owner) ?? []), offset]);
    return { bytes, offset };
  }

  /** The object ends: its pages cannot be mapped any more. */
  withdraw({ maps }: Context, owner: object): void {
    for (const offset of this.#offsets.get(owner) ?? []) maps.remove(offset);
    this.#offsets.delete(owner);
  }
}

/** The device's translation: which memory a number names, and for whom. */
export class Translation {
  readonly #regions = new Map<number, { readonly domain: unknown; readonly bytes: Uint8Array }>();
  #last = 0;

  get size(): number {
    return this.#regions.size;
  }

  /** @param source - memory as `memoryOf` found it. @throws VerbsError EINVAL the device cannot reach it */
  add(domain: unknown, { attachment, offset, length }: ReturnType<typeof memoryOf>): number {
    if (!(attachment instanceof Uint8Array) || offset + length > attachment.length) {
      throw new VerbsError('EINVAL', 'MR.REG', 'the device cannot reach this memory', {
        try: 'an array that is as long',
      });
    }
    this.#regions.set(++this.#last, { domain, bytes: attachment.subarray(offset, offset + length) });
    return this.#last;
  }

  remove(key: number): void {
    this.#regions.delete(key);
  }

  /** @returns undefined for memory of another domain, and outside of the region */
  reach(domain: unknown, key: number, offset: number, length: number): Uint8Array | undefined {
    const region = this.#regions.get(key);
    if (region === undefined || region.domain !== domain || offset < 0 || length < 0) return undefined;
    if (offset > region.bytes.length - length) return undefined;
    return region.bytes.subarray(offset, offset + length);
  }
}

export interface WireEnd<P> {
  /** Looks at its bells and sends what is due. */
  step(): void;
  /** @returns 'wait' to be asked again, or how it ended */
  deliver(packet: P): 'wait' | 'done';
  /** A packet of this end has arrived, or there is nobody. */
  sent(packet: P, how: 'done' | 'nobody'): void;
}

/** Carries packets between devices; promises no order: of what waits together, the last arrives first. */
export class ToyWire<P extends { readonly from: number; readonly to: number }> {
  readonly ends = new Map<number, WireEnd<P>>();
  readonly #flight: P[] = [];

  send(packet: P): void {
    if (this.#flight.length < MAX_FLIGHT) this.#flight.push(packet);
    else this.ends.get(packet.from)?.sent(packet, 'nobody');
  }

  run(): void {
    for (const end of this.ends.values()) end.step();
    for (const packet of this.#flight.splice(0).reverse()) {
      const how = this.ends.get(packet.to)?.deliver(packet) ?? 'nobody';
      if (how === 'wait') this.#flight.unshift(packet);
      else this.ends.get(packet.from)?.sent(packet, how);
    }
  }

  /** A device is gone, and what it sent with it. */
  pull(address: number, end: WireEnd<P>): void {
    if (this.ends.get(address) === end) this.ends.delete(address);
    for (let i = this.#flight.length - 1; i >= 0; i--) if (this.#flight[i]!.from === address) this.#flight.splice(i, 1);
  }
}

const WORDS = 8;
const MAX_FLIGHT = 1024;
