/** What a device and its ports say about themselves, in the terms of `ibv_devinfo`. @spec verbs/4 */
import type { Row } from '../uapi/rows.ts';

export interface DeviceAttributes {
  readonly name: string;
  /** Transport of the first address entry. */
  readonly transport: string;
  /** All of them. */
  readonly transports: readonly string[];
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
  /** Receives of one shared queue. */
  readonly maxSrqWr: number;
  /** Completion counters. */
  readonly maxCompCntr: number;
  readonly maxPkeys: number;
  readonly atomicCap: 'NONE' | 'HCA' | 'GLOB';
  /** Reads and atomics of one queue pair under way at a time. */
  readonly maxQpRdAtomic: number;
  /** Jobs at a time. */
  readonly maxJobIds: number;
  readonly maxJobKeys: number;
  /** Entries of one job's address table. */
  readonly maxAddrEntries: number;
  /** Largest job id. */
  readonly maxJobId: number;
  readonly maxMessageBytes: number;
  readonly queuePairTypes: readonly string[];
  readonly operations: readonly string[];
  readonly ordering: readonly string[];
  readonly reliable: boolean;
  /** Profiles that the specifications of its transports define. */
  readonly profiles: readonly string[];
  /** What they demand and the device has not, as `profile: feature`. A profile without a line here is met. */
  readonly profileGaps: readonly string[];
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
  readonly port: number;
  /** The address as text. */
  readonly gid: string;
  readonly type: string;
  /** UDP port that it receives on. */
  readonly udpPort: number;
}

/** Attributes from their row; what a device does not say is 0, or empty. */
export function deviceAttributes(row: Row): DeviceAttributes {
  return { ...DEFAULTS, ...row } as unknown as DeviceAttributes;
}

export function portAttributes(row: Row, gids: readonly Row[]): PortAttributes {
  const { port } = row;
  const entries = gids
    .filter((gid) => gid['port'] === port)
    .map((gid) => ({
      index: Number(gid['index']),
      port: Number(gid['port']),
      gid: String(gid['gid']),
      type: String(gid['type']),
      udpPort: Number(gid['udp_port']),
    }));
  return { ...row, gids: entries } as unknown as PortAttributes;
}

/** For drivers that have less to say. */
const DEFAULTS: Row = {
  transports: [],
  maxQp: 0,
  maxQpWr: 0,
  maxQpRdAtomic: 0,
  maxSge: 0,
  maxInline: 0,
  maxCq: 0,
  maxCqe: 0,
  maxMr: 0,
  maxMrSize: 0,
  maxMw: 0,
  maxPd: 0,
  maxAh: 0,
  maxSrq: 0,
  maxSrqWr: 0,
  maxCompCntr: 0,
  maxJobIds: 0,
  maxJobKeys: 0,
  maxAddrEntries: 0,
  maxJobId: 0,
  maxMessageBytes: 0,
  queuePairTypes: [],
  operations: [],
  ordering: [],
  profiles: [],
  profileGaps: [],
};
