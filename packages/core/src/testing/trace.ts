/** What was on the wire: a hash over all of it, and the last packets in full. */

import type { Nanos } from '../engine/time.ts';
import { dissect, type HeaderNode } from '../wire/dissect.ts';
import type { Dissected } from '../wire/dissection.ts';
import { dissectRoce, dissectUet } from '../wire/dissector.ts';
import { byteLength } from '../wire/header.ts';
import { LoopHeader } from '../wire/loop/loop.ts';

export type Fate = 'sent' | 'delivered' | 'lost' | 'corrupted' | 'trimmed' | 'duplicated' | 'refused';

export interface TraceRow {
  readonly now: Nanos;
  readonly from: number;
  readonly to: number;
  readonly fate: Fate;
  readonly bytes: Uint8Array;
}

export class Trace {
  /** Everything so far, the packets' bytes included. */
  #hash = 0x811c9dc5;
  #mix = 0x9e3779b9;
  #count = 0;
  readonly #kept: TraceRow[] = [];
  readonly #keep: number;

  /** @param keep - packets kept in full */
  constructor(keep: number) {
    this.#keep = keep;
  }

  get packets(): number {
    return this.#count;
  }

  /** Same seed, same hash. 16 hexadecimal digits. */
  get hash(): string {
    return [this.#hash, this.#mix].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  get kept(): readonly TraceRow[] {
    return this.#kept;
  }

  add(now: Nanos, from: number, to: number, fate: Fate, bytes: Uint8Array, at: number, length: number): void {
    this.#count++;
    this.#word(now % 0x1_0000_0000);
    this.#word((from << 16) | (to << 8) | FATES.indexOf(fate));
    this.#word(length);
    for (let i = at; i < at + length; i++) this.#hash = Math.imul(this.#hash ^ bytes[i]!, 0x01000193);
    this.#word(this.#hash);
    if (this.#keep === 0) return;
    if (this.#kept.length >= this.#keep) this.#kept.shift();
    this.#kept.push({ now, from, to, fate, bytes: bytes.slice(at, at + length) });
  }

  /** The packets that are kept, one a line. */
  dump(transport: string): string {
    return this.#kept
      .map(({ now, from, to, fate, bytes }) => {
        const when = (now / 1000).toFixed(3).padStart(14);
        return `${when} us  ${from} -> ${to}  ${fate.padEnd(10)} ${describePacket(transport, bytes)}`;
      })
      .join('\n');
  }

  #word(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x85ebca6b);
    this.#mix = Math.imul(this.#mix ^ (this.#hash >>> 13), 0xc2b2ae35) + 1;
    this.#hash ^= this.#hash >>> 15;
  }
}

/** A packet as one line of text. */
export function describePacket(transport: string, bytes: Uint8Array): string {
  const head = `${String(bytes.length).padStart(5)} bytes`;
  const { layers, problems } = packetLayers(transport, bytes);
  if (layers.length === 0) {
    return `${head}  ${Array.from(bytes.subarray(0, 32), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  }
  const texts = layers.map(({ header, fields }) => `${header}(${fieldsText(fields)})`);
  return [head, '', ...texts, ...problems.map(({ field, text }) => `! ${field} ${text}`)].join(' ');
}

/** The headers of a packet, behind UDP; none for a transport whose headers are not known here. */
export function packetLayers(
  transport: string,
  bytes: Uint8Array,
): Pick<Dissected, 'problems'> & { layers: readonly HeaderNode[] } {
  if (transport === 'uet') return dissectUet(bytes);
  if (transport === 'roce') return dissectRoce(bytes);
  if (transport !== 'loop' || bytes.length < byteLength(LoopHeader)) return { layers: [], problems: [] };
  return {
    layers: [dissect(LoopHeader, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0)],
    problems: [],
  };
}

const fieldsText = (fields: HeaderNode['fields']): string =>
  fields
    .filter(({ value }) => value !== 0)
    .map(({ name, text }) => `${name}=${text}`)
    .join(' ');

const FATES: readonly Fate[] = ['sent', 'delivered', 'lost', 'corrupted', 'trimmed', 'duplicated', 'refused'];
