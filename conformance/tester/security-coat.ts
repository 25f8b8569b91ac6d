/**
 * Protection of packets as the tester sees it: made from the description, apart from the engine's. Everything that a test
 * wants to get wrong can be said.
 *
 * @spec uet:tss/3 · uet:tss/6 · uet:tss/8 · uet:tss/9
 */

import type { SecurityTarget } from '../target.ts';
import { type CipherKey, NodeCipher } from './cipher.ts';
import type { Route } from './lane.ts';
import { addressesOf, type PacketCoat } from './packet-coat.ts';
import { join } from './packets.ts';

/** How one packet is sealed; what is left out is as the endpoint wants it. */
export interface SealOptions {
  readonly sdi?: number;
  readonly an?: number;
  readonly epoch?: number;
  readonly tsc?: number;
  /** Hexadecimal. */
  readonly key?: string;
  /** The reserved bit of the header. */
  readonly reserved?: boolean;
  /** A source identifier that the domain does not use. */
  readonly ssi?: number;
  /** Changes the sealed bytes. */
  readonly damage?: (bytes: Uint8Array) => Uint8Array;
}

export class SecurityCoat implements PacketCoat {
  readonly #target: SecurityTarget;
  readonly #cipher = new NodeCipher();
  /** Association number in use. */
  an: number;
  #tsc: number;
  /** What the next packets are to be like. */
  options: SealOptions = {};
  /** Headers of packets that were opened. */
  readonly heard: { readonly an: number; readonly sdi: number; readonly epoch: number; readonly tsc: number }[] = [];
  /** Packets that did not open. */
  unopened = 0;

  /** @param tsc - first packet counter; never the same twice for an address and a key */
  constructor(target: SecurityTarget, tsc: number) {
    this.#target = target;
    this.an = target.an ?? 0;
    this.#tsc = tsc;
  }

  put(bytes: Uint8Array, route: Route): Uint8Array {
    const { sdi = this.#target.sdi, epoch = this.#target.epoch ?? 0, an = this.an, tsc = this.#tsc++ } = this.options;
    const { reserved = false, ssi, damage } = this.options;
    const header = new DataView(new ArrayBuffer(ssi === undefined ? 12 : 16));
    const first = (TSS_TYPE << 27) | (ssi === undefined ? 0 : SP) | (reserved ? RESERVED : 0) | (an << 24) | sdi;
    header.setUint32(0, first >>> 0);
    if (ssi !== undefined) header.setUint32(4, ssi);
    const counters = header.byteLength - 8;
    header.setUint16(counters, epoch);
    header.setUint16(counters + 2, Math.floor(tsc / 2 ** 32));
    header.setUint32(counters + 4, tsc % 2 ** 32);
    const head = new Uint8Array(header.buffer);
    const { key, iv } = this.#keyAndIv(an, epoch, tsc, route, head.subarray(counters), route.source.address);
    const aad = join(...addressesOf(route), head);
    const body = join(bytes, new Uint8Array(16));
    key.seal(iv, aad, aad.length, body, 0, bytes.length);
    const sealed = join(head, body);
    return damage === undefined ? sealed : damage(sealed);
  }

  take(bytes: Uint8Array, route: Route): Uint8Array | undefined {
    const text = bytes.slice();
    const view = new DataView(text.buffer);
    if (text.length < MIN_BYTES || view.getUint8(0) >>> 3 !== TSS_TYPE) return this.#refuse();
    const word = view.getUint32(0);
    if ((word & SP) !== 0) return this.#refuse();
    const [an, sdi, epoch] = [(word >>> 24) & 1, word & 0xff_ffff, view.getUint16(4)];
    const tsc = view.getUint16(6) * 2 ** 32 + view.getUint32(8);
    const head = text.slice(0, 12);
    const { key, iv } = this.#keyAndIv(an, epoch, tsc, route, head.subarray(4), route.source.address);
    const aad = join(...addressesOf(route), head);
    const length = text.length - 12 - 16;
    if (sdi !== this.#target.sdi || !key.open(iv, aad, aad.length, text, 12, length)) return this.#refuse();
    this.heard.push({ an, sdi, epoch, tsc });
    return text.subarray(12, 12 + length);
  }

  #refuse(): undefined {
    this.unopened++;
    return undefined;
  }

  #keyAndIv(an: number, epoch: number, tsc: number, route: Route, counters: Uint8Array, source: string) {
    const { mode, key, nextKey } = this.#target;
    const initial = Buffer.from(this.options.key ?? (an === this.#firstAn ? key : nextKey) ?? key, 'hex');
    const [sourceBytes, destinationBytes] = addressesOf(route);
    const iv = join(sourceBytes.subarray(-4), counters);
    if (mode === 'direct') return { key: this.#cipher.importKey(initial), iv };
    const rekey = mode === 'cluster' ? Math.floor(tsc / 2 ** 32) % 2 ** 32 : 0;
    // in server mode keys are made from the address of the client, which the tester is
    const isOut = source !== this.#endpointAddress(route);
    const identity = mode === 'cluster' || isOut ? sourceBytes : destinationBytes;
    const made = derive(this.#cipher.importKey(initial), mode === 'cluster' ? '1' : '2', epoch, rekey, identity);
    for (let i = 0; i < 12; i++) iv[i]! ^= made[32 + i]!;
    return { key: this.#cipher.importKey(made.subarray(0, 32)), iv };
  }

  get #firstAn(): number {
    return this.#target.an ?? 0;
  }

  #endpoint = '';
  /** The first packet leaves, so its destination is the endpoint. */
  #endpointAddress(route: Route): string {
    if (this.#endpoint === '') this.#endpoint = route.destination.address;
    return this.#endpoint;
  }
}

/** Key and mask of a source, IPv4. @spec uet:tss/6 */
function derive(key: CipherKey, label: string, epoch: number, rekey: number, identity: Uint8Array): Uint8Array {
  const input = Buffer.alloc(16);
  input.write(`U${label}`, 1, 'latin1');
  input.writeUInt16BE(epoch, 4);
  input.writeUInt32BE(rekey, 6);
  input.set(identity, 10);
  input.writeUInt16BE(352, 14);
  const made = new Uint8Array(48);
  for (let i = 0; i < 3; i++) {
    input[0] = i + 1;
    key.cmac(input, input.length, made, i * 16);
  }
  return made;
}

const TSS_TYPE = 1;
const SP = 0x0400_0000;
const RESERVED = 0x0200_0000;
const MIN_BYTES = 12 + 4 + 16;
