/** What a software device and its ports say about themselves. @spec verbs/4 */
import { formatAddress } from '../base/ip-address.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { Transport } from '../engine/engine.ts';
import type { Row } from '../uapi/rows.ts';
import type { DeviceLimits } from './limits.ts';
import type { Link } from './link.ts';

/** Attributes and limits of a device; what several transports differ in is that of the first. */
export function deviceAttributes(name: string, links: readonly Link[], limits: DeviceLimits): Row {
  const { transport, localAddress } = links[0]!;
  const { attributes } = transport;
  const guid = guidOf(localAddress.address, localAddress.port);
  const jobs = attributes.limits.maxJobId > 0;
  return {
    name,
    transport: transport.name,
    transports: [...new Set(links.map((one) => one.transport.name))],
    firmwareVersion: FIRMWARE_VERSION,
    nodeGuid: guid,
    systemImageGuid: guid,
    vendorId: VENDOR_ID,
    vendorPartId: VENDOR_PART_ID,
    hardwareVersion: 1,
    physicalPorts: new Set(links.map((one) => one.port)).size,
    maxQp: limits.queuePairs,
    maxQpWr: limits.workRequests,
    maxSge: attributes.limits.maxSegments,
    maxSgeRd: attributes.limits.maxSegments,
    maxInline: attributes.limits.maxInlineBytes,
    maxCq: limits.completionQueues,
    maxCqe: limits.completionEntries,
    maxMr: limits.regions,
    maxMrSize: limits.regionBytes,
    maxMw: limits.windows,
    maxPd: limits.protectionDomains,
    maxAh: limits.addressHandles,
    maxSrq: limits.sharedReceiveQueues,
    maxSrqWr: limits.workRequests,
    maxCompCntr: limits.counters,
    maxPkeys: 1,
    atomicCap: links.some((one) => one.transport.attributes.operations.includes('fetch-add')) ? 'HCA' : 'NONE',
    maxQpRdAtomic: attributes.limits.maxRdAtomic ?? 16,
    maxJobIds: jobs ? limits.jobs : 0,
    maxJobKeys: jobs ? limits.jobKeys : 0,
    maxAddrEntries: jobs ? limits.addresses : 0,
    maxJobId: attributes.limits.maxJobId,
    maxMessageBytes: attributes.limits.maxMessageBytes,
    queuePairTypes: [...new Set(links.flatMap((one) => one.transport.attributes.queuePairTypes))],
    operations: [...new Set(links.flatMap((one) => one.transport.attributes.operations))],
    ordering: [...new Set(links.flatMap((one) => one.transport.attributes.ordering))],
    reliable: attributes.reliable,
    ...profileCells(links.map((one) => one.transport)),
  };
}

/** Profiles of the transports, and what each lacks as `profile: feature`; nothing where there are none. */
function profileCells(transports: readonly Transport[]): Row {
  const profiles = [...new Set(transports)].flatMap(({ attributes }) => attributes.profiles ?? []);
  if (profiles.length === 0) return {};
  const gaps = profiles.flatMap(({ name, demands }) =>
    demands.filter(({ met }) => !met).map(({ feature }) => `${name}: ${feature}`),
  );
  return { profiles: profiles.map(({ name }) => name), profileGaps: gaps };
}

/** @throws VerbsError EINVAL no such port */
export function portAttributes(call: string, links: readonly Link[], port: number, up: boolean): Row {
  const link = links.find((one) => one.port === port);
  if (link === undefined) {
    throw new VerbsError('EINVAL', call, `the device has no port ${port}`, {
      try: [...new Set(links.map((one) => one.port))].join(', '),
    });
  }
  const { transport, payloadMtu, localAddress, level } = link;
  return {
    port,
    state: up ? 'ACTIVE' : 'DOWN',
    maxMtu: payloadMtu,
    activeMtu: payloadMtu,
    maxMessageBytes: transport.attributes.limits.maxMessageBytes,
    linkLayer: 'Ethernet',
    udpPort: localAddress.port,
    level,
    transports: [...new Set(links.filter((one) => one.port === port).map((one) => one.transport.name))],
  };
}

/** The address table: the type of an entry chooses the transport. */
export function gidRows(links: readonly Link[]): Row[] {
  return links.map(({ index, port, localAddress, transport }) => ({
    index,
    port,
    gid: formatAddress(localAddress.address),
    type: transport.attributes.addressType,
    udp_port: localAddress.port,
  }));
}

/**
 * A locally administered GUID made of the device's address: the same address, the same GUID.
 *
 * @param address - 16 bytes
 */
function guidOf(address: Uint8Array, port: number): string {
  const bytes = new Uint8Array(8);
  bytes[0] = 0x02;
  bytes[1] = 0x56;
  bytes[2] = port >>> 8;
  bytes[3] = port & 255;
  for (let i = 0; i < 16; i++) bytes[4 + (i & 3)]! ^= i === 10 || i === 11 ? 0 : address[i]!;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** From the range that IEEE leaves to nobody. */
const VENDOR_ID = 0xffffff;
const VENDOR_PART_ID = 1;
const FIRMWARE_VERSION = '0.1.0';
