/**
 * What perftest tells about one queue pair, in its two forms: a line of text over TCP, and a structure in network byte
 * order in SENDs (`-R`).
 *
 * @spec verbs/8.6
 */
import { VerbsError } from '@verbena/core';
import { formatAddress, parseAddress } from '@verbena/core/wire';
import { hex, noCard } from './pingpong-card.ts';

export interface PerftestCard {
  /** 0 on Ethernet. */
  readonly lid?: number;
  /** Reads and atomics that it answers at a time; 1 in tests that have none. */
  readonly outstandingReads: number;
  readonly qpn: number;
  /** Of the first packet that it sends. */
  readonly psn: number;
  /** Key of the memory that the peer may use; 0 in tests that need none. */
  readonly rkey: number;
  /** Where that memory begins, as the peer is to name it. */
  readonly remoteAddress: bigint;
  /** IP address that the GID stands for. */
  readonly address: string;
}

/** @throws VerbsError EINVAL no IP address */
export function encodePerftestLine(card: PerftestCard): Uint8Array {
  const { lid = 0, outstandingReads, qpn, psn, rkey, remoteAddress } = card;
  const words = [hex(lid, 4), hex(outstandingReads, 4), hex(qpn, 6), hex(psn, 6), hex(rkey, 8)];
  words.push(remoteAddress.toString(16).padStart(16, '0'), ...Array.from(gidOf(card), (byte) => hex(byte, 2)), NO_SRQ);
  return new Uint8Array(Buffer.from(`${words.join(':')}:\0`, 'latin1'));
}

/** @throws VerbsError EIO it is something else */
export function decodePerftestLine(bytes: Uint8Array): PerftestCard {
  const text = Buffer.from(bytes).toString('latin1');
  const match = LINE.exec(text);
  if (match === null) throw noCard('perftest', text);
  const [, lid, reads, qpn, psn, rkey, address, gid] = match as unknown as string[];
  return {
    lid: Number.parseInt(lid!, 16),
    outstandingReads: Number.parseInt(reads!, 16),
    qpn: Number.parseInt(qpn!, 16),
    psn: Number.parseInt(psn!, 16),
    rkey: Number.parseInt(rkey!, 16),
    remoteAddress: BigInt(`0x${address}`),
    address: formatAddress(new Uint8Array(Buffer.from(gid!.replaceAll(':', ''), 'hex'))),
  };
}

/** @throws VerbsError EINVAL no IP address */
export function encodePerftestStructure(card: PerftestCard): Uint8Array {
  const bytes = new Uint8Array(PERFTEST_STRUCTURE_BYTES);
  const view = new DataView(bytes.buffer);
  const { lid = 0, outstandingReads, qpn, psn, rkey, remoteAddress } = card;
  for (const [i, value] of [lid, outstandingReads, qpn, psn, rkey].entries()) view.setUint32(4 * i, value);
  view.setBigUint64(REMOTE_ADDRESS_AT, remoteAddress);
  bytes.set(gidOf(card), GID_AT);
  return bytes;
}

/** @throws VerbsError EIO it is too short */
export function decodePerftestStructure(bytes: Uint8Array): PerftestCard {
  if (bytes.length < PERFTEST_STRUCTURE_BYTES) throw noCard('perftest', Buffer.from(bytes).toString('hex'));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    lid: view.getUint32(0),
    outstandingReads: view.getUint32(4),
    qpn: view.getUint32(8),
    psn: view.getUint32(12),
    rkey: view.getUint32(16),
    remoteAddress: view.getBigUint64(REMOTE_ADDRESS_AT),
    address: formatAddress(bytes.subarray(GID_AT, GID_AT + 16)),
  };
}

function gidOf({ address }: PerftestCard): Uint8Array {
  const gid = parseAddress(address);
  if (gid === undefined) throw new VerbsError('EINVAL', 'exchange', `'${address}' is not an IP address`);
  return gid;
}

export const PERFTEST_LINE_BYTES = 108;
export const PERFTEST_STRUCTURE_BYTES = 56;
/** Behind the key stand four bytes of nothing: the address is aligned. */
const REMOTE_ADDRESS_AT = 24;
const GID_AT = 32;
/** Number of a shared receive queue, for kinds of queue pair that have one. */
const NO_SRQ = '00000000';
const LINE =
  /^([0-9a-f]{4,8}):([0-9a-f]{4}):([0-9a-f]{6}):([0-9a-f]{6}):([0-9a-f]{8}):([0-9a-f]{16}):((?:[0-9a-f]{2}:){15}[0-9a-f]{2}):[0-9a-f]{8}:\0/;
