/**
 * Addresses of endpoints: 32 bytes that peers exchange by whatever means they have, and put into address vectors.
 *
 * Numbers are big-endian. The specification names the fields and leaves the layout to the provider: only equal providers
 * exchange them. The port is an addition of ours, for devices that are not at the port of their protocol.
 *
 * @spec uet:ses/1.5
 */
import { formatAddress } from '../base/ip-address.ts';
import { VerbsError } from '../base/verbs-error.ts';

export const FABRIC_ADDRESS_BYTES = 32;

/** What is in an address. */
export interface EndpointAddress {
  /** IPv4 or IPv6, 16 bytes. */
  readonly fabricAddress: Uint8Array;
  /** Port that the device receives on; 0: that of its protocol. */
  readonly port: number;
  /** The process on the node, 12 bits. */
  readonly pidOnFep: number;
  /** First resource index, 12 bits, and how many there are. */
  readonly startIndex: number;
  readonly indexCount: number;
  /** Identity of the endpoint as a sender, 32 bits. */
  readonly initiator: number;
  /** It receives from every job, not just from its own. */
  readonly isAbsolute: boolean;
  /** It takes messages of one packet only. */
  readonly singlePacket: boolean;
  /** What the endpoint can do: bits of {@link PeerAbility}. Undefined when it does not say. */
  readonly abilities: number | undefined;
}

/** Bits of `abilities`. The lower byte is that of the specification, the upper one ours. */
export const PeerAbility = {
  AI_BASE: 1,
  AI_FULL: 2,
  HPC: 4,
  OPTIMIZED_HEADER: 128,
  TAGGED: 256,
  ATOMIC: 512,
  IDEMPOTENT: 1024,
} as const;

/** @returns 32 bytes */
export function encodeAddress(address: EndpointAddress): Uint8Array {
  const bytes = new Uint8Array(FABRIC_ADDRESS_BYTES);
  const view = new DataView(bytes.buffer);
  const isIpv4 = isMapped(address.fabricAddress);
  let flags = Flag.ADDRESS | Flag.PID | Flag.INDEX | Flag.INITIATOR;
  if (address.abilities !== undefined) flags |= Flag.ABILITIES;
  if (address.isAbsolute) flags |= Flag.ABSOLUTE;
  if (!isIpv4) flags |= Flag.IPV6;
  if (address.singlePacket) flags |= Flag.SINGLE_PACKET;
  view.setUint8(1, flags);
  view.setUint16(2, address.abilities ?? 0);
  view.setUint16(4, address.pidOnFep);
  view.setUint16(6, address.startIndex);
  view.setUint16(8, address.indexCount);
  view.setUint16(10, address.port);
  view.setUint32(12, address.initiator);
  bytes.set(isIpv4 ? address.fabricAddress.subarray(12) : address.fabricAddress, 16);
  return bytes;
}

/**
 * @param call - for the error
 * @throws VerbsError EINVAL not 32 bytes, another version, or a field that is missing or too large
 */
export function decodeAddress(call: string, bytes: Uint8Array): EndpointAddress {
  if (bytes.length < FABRIC_ADDRESS_BYTES) {
    throw wrong(call, `an address has ${FABRIC_ADDRESS_BYTES} bytes, not ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, FABRIC_ADDRESS_BYTES);
  if (view.getUint8(0) !== VERSION) throw wrong(call, `version ${view.getUint8(0)} of addresses is not known`);
  const flags = view.getUint8(1);
  const needed = Flag.ADDRESS | Flag.PID | Flag.INDEX;
  if ((flags & needed) !== needed) throw wrong(call, 'the address does not say where the endpoint is');
  const [pidOnFep, startIndex] = [view.getUint16(4), view.getUint16(6)];
  if (pidOnFep > 0xfff || startIndex > 0xfff) throw wrong(call, 'PIDonFEP or resource index has more than 12 bits');
  const fabricAddress = new Uint8Array(16);
  if ((flags & Flag.IPV6) !== 0) fabricAddress.set(bytes.subarray(16, 32));
  else {
    fabricAddress.fill(0xff, 10, 12);
    fabricAddress.set(bytes.subarray(16, 20), 12);
  }
  return {
    ...{ fabricAddress, pidOnFep, startIndex, indexCount: view.getUint16(8), port: view.getUint16(10) },
    initiator: (flags & Flag.INITIATOR) === 0 ? 0 : view.getUint32(12),
    isAbsolute: (flags & Flag.ABSOLUTE) !== 0,
    singlePacket: (flags & Flag.SINGLE_PACKET) !== 0,
    abilities: (flags & Flag.ABILITIES) === 0 ? undefined : view.getUint16(2),
  };
}

/** The number of the queue pair that an address stands for. */
export const queuePairNumber = ({ pidOnFep, startIndex, isAbsolute }: EndpointAddress): number =>
  (pidOnFep | (startIndex << 12) | (isAbsolute ? ABSOLUTE : 0)) >>> 0;

/** An address in words. */
export function addressText(address: EndpointAddress): string {
  const { pidOnFep, startIndex, isAbsolute, port } = address;
  const place = `${formatAddress(address.fabricAddress)}${port === 0 ? '' : ` port ${port}`}`;
  const mode = isAbsolute ? 'absolute' : 'relative';
  return `${place}, PIDonFEP 0x${pidOnFep.toString(16)}, index 0x${startIndex.toString(16)}, ${mode}`;
}

function isMapped(address: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false;
  return address[10] === 0xff && address[11] === 0xff;
}

const wrong = (call: string, problem: string): VerbsError =>
  new VerbsError('EINVAL', call, problem, { try: 'the bytes that `endpoint.getName()` of the peer gave' });

const VERSION = 0;
const ABSOLUTE = 0x8000_0000;
const Flag = {
  ...{ ABILITIES: 1, ADDRESS: 2, PID: 4, INDEX: 8, INITIATOR: 16, ABSOLUTE: 32, IPV6: 64, SINGLE_PACKET: 128 },
};
