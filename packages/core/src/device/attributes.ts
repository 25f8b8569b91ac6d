/** What a device and its port say about themselves, in the terms of `ibv_devinfo`. @spec verbs/4 */
import type { TransportAttributes } from '../engine/engine.ts';

export interface DeviceAttributes {
  readonly name: string;
  readonly transport: string;
  readonly firmwareVersion: string;
  /** 16 hexadecimal digits. */
  readonly nodeGuid: string;
  readonly systemImageGuid: string;
  readonly vendorId: number;
  readonly vendorPartId: number;
  readonly hardwareVersion: number;
  readonly physicalPorts: number;
  readonly maxQp: number;
  readonly maxQpWr: number;
  readonly maxSge: number;
  readonly maxSgeRd: number;
  readonly maxInline: number;
  readonly maxCq: number;
  readonly maxCqe: number;
  readonly maxMr: number;
  readonly maxMrSize: number;
  readonly maxMw: number;
  readonly maxPd: number;
  readonly maxAh: number;
  readonly maxSrq: number;
  readonly maxPkeys: number;
  readonly atomicCap: 'NONE' | 'HCA' | 'GLOB';
  /** Jobs at a time. */
  readonly maxJobIds: number;
  readonly maxJobKeys: number;
  /** Entries of one job's address table. */
  readonly maxAddrEntries: number;
  /** Largest job id. */
  readonly maxJobId: number;
  readonly maxMessageBytes: number;
  readonly queuePairTypes: readonly string[];
  readonly operations: TransportAttributes['operations'];
  readonly ordering: TransportAttributes['ordering'];
  readonly reliable: boolean;
}

export interface PortAttributes {
  readonly port: number;
  readonly state: 'ACTIVE' | 'DOWN';
  /** Payload bytes of a full packet, most and now. */
  readonly maxMtu: number;
  readonly activeMtu: number;
  readonly maxMessageBytes: number;
  readonly linkLayer: 'Ethernet';
  /** UDP port that the device receives on. */
  readonly udpPort: number;
  /** Its I/O level. */
  readonly level: string;
  readonly gids: readonly GidEntry[];
}

/** An entry of the address table; its type chooses the transport. */
export interface GidEntry {
  readonly index: number;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  /** The address as text. */
  readonly gid: string;
  readonly type: string;
}

/**
 * A locally administered GUID made of the device's address: the same address, the same GUID.
 *
 * @param address - 16 bytes
 */
export function guidOf(address: Uint8Array, port: number): string {
  const bytes = new Uint8Array(8);
  bytes[0] = 0x02;
  bytes[1] = 0x56;
  bytes[2] = port >>> 8;
  bytes[3] = port & 255;
  for (let i = 0; i < 16; i++) bytes[4 + (i & 3)]! ^= i === 10 || i === 11 ? 0 : address[i]!;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** From the range that IEEE leaves to nobody. */
export const VENDOR_ID = 0xffffff;
export const VENDOR_PART_ID = 1;
export const FIRMWARE_VERSION = '0.1.0';
