/**
 * The same against endpoints that protect their packets. Most packets are changed in the clear and sealed then under the
 * right key, as a member of the domain could; others are changed as they are on the wire.
 */
import { Datagram, DomainTable, PacketProtection, type Transport } from '@verbena/core';
import type { CapturedPacket } from '@verbena/core/testing';
import { NodeCipher } from '@verbena/node';
import type { FuzzOptions, FuzzReport } from '../fuzz-run.ts';
import { fuzzBeds, type Protection } from './engine.ts';

/** Modes in turn: with addresses in the key, and without. */
export function fuzzSecured(transport: Transport, options: FuzzOptions): FuzzReport {
  let beds = 0;
  const open = () => securedBed(transport, MODES[beds++ % MODES.length]!);
  return fuzzBeds(`secured ${transport.name}`, open, options);
}

function securedBed(transport: Transport, mode: (typeof MODES)[number]): Protection {
  const { secured } = transport;
  if (secured === undefined) throw new Error(`${transport.name} cannot protect packets`);
  const plain: CapturedPacket[] = [];
  const addresses: Uint8Array[] = [];
  const kinds = new Map<string, number>();
  const protection = () => {
    const table = new DomainTable(new NodeCipher(), { counterBlock: 4096 });
    table.add({ sdi: SDI, mode }, { bytes: KEY, an: 0 });
    return new PacketProtection(table, { domain: SDI, replays: true });
  };
  const shape = secured(protection());
  const createEngine: Transport['createEngine'] = (services, config) => {
    const from = addresses.push(config.local!.address) - 1;
    const seal = protection();
    const honest = seal.seal.bind(seal);
    seal.seal = (domain, path, datagram, view, bytes, at, length) => {
      const to = addresses.findIndex((one) => one.every((byte, i) => byte === datagram.destination[i]));
      const kind = `${from} ${to} ${bytes[at]} ${bytes[at + 1]} ${length}`;
      const seen = kinds.get(kind) ?? 0;
      kinds.set(kind, seen + 1);
      if (from < 2 && to >= 0 && to < 2 && seen < PER_KIND)
        plain.push({ from, to, bytes: bytes.slice(at, at + length) });
      return honest(domain, path, datagram, view, bytes, at, length);
    };
    return secured(seal).createEngine(services, config);
  };
  const forger = protection();
  const handle = forger.handleOf(SDI);
  const datagram = new Datagram();
  const room = new Uint8Array(ROOM);
  const view = new DataView(room.buffer);
  return {
    transport: { ...shape, createEngine },
    // what comes later is not for the pool
    plain: () => plain.splice(0),
    protect(bytes, from, to) {
      const length = Math.min(bytes.length, ROOM - HEAD - forger.tailBytes);
      room.set(bytes.subarray(0, length), HEAD);
      datagram.source = addresses[from]!;
      datagram.destination = addresses[to]!;
      const head = forger.seal(handle, 1, datagram, view, room, HEAD, length);
      if (head === 0) throw new Error('the packet could not be sealed');
      return room.slice(HEAD - head, HEAD + length + forger.tailBytes);
    },
  };
}

const MODES = ['direct', 'cluster'] as const;
const SDI = 0xabcd;
const KEY = new Uint8Array(32).fill(0x5a);
const PER_KIND = 2;
const HEAD = 64;
const ROOM = 8192;
