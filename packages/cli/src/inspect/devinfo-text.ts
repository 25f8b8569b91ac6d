/** A device in the shape of `ibv_devinfo`. */
import { findTransport } from '@verbena/core';
import type { FoundDevice } from './host-devices.ts';

/** The lines of one device; a blank one ends it. */
export function devinfoLines(device: FoundDevice, isVerbose: boolean): string[] {
  const { attributes: a, port } = device;
  const lines = [
    `hca_id:\t${device.name}`,
    field('transport', TRANSPORT_TYPES[device.transport] ?? `${device.transport.toUpperCase()} (unspecified)`),
    field('fw_ver', a.firmwareVersion),
    field('node_guid', groups(a.nodeGuid)),
    field('sys_image_guid', groups(a.systemImageGuid)),
    field('vendor_id', `0x${a.vendorId.toString(16).padStart(6, '0')}`),
    field('vendor_part_id', a.vendorPartId),
    field('hw_ver', `0x${a.hardwareVersion.toString(16).toUpperCase()}`),
    field('phys_port_cnt', a.physicalPorts),
    ...(isVerbose ? verboseLines(device) : []),
    `\t\tport:\t${port.port}`,
    portField('state', port.state === 'ACTIVE' ? 'PORT_ACTIVE (4)' : 'PORT_DOWN (1)'),
    portField('max_mtu', mtuText(port.maxMtu)),
    portField('active_mtu', mtuText(port.activeMtu)),
    portField('sm_lid', 0),
    portField('port_lid', 0),
    portField('port_lmc', '0x00'),
    portField('link_layer', port.linkLayer),
  ];
  if (isVerbose) {
    lines.push(
      portField('max_msg_sz', `0x${port.maxMessageBytes.toString(16)}`),
      portField('gid_tbl_len', port.gids.length),
      portField('udp_port', port.udpPort === 0 ? 'none' : port.udpPort),
      portField('io_level', device.level),
      portField('traffic_class', TRAFFIC_CLASSES[device.level] ?? 'not used'),
      ...port.gids.map(({ index, gid, type }) => `\t\t\tGID[${String(index).padStart(3)}]:\t\t${mapped(gid)}, ${type}`),
    );
  }
  return [...lines, ''];
}

function verboseLines({ attributes: a, transport }: FoundDevice): string[] {
  return [
    field('max_mr_size', `0x${a.maxMrSize.toString(16)}`),
    field('max_qp', a.maxQp),
    field('max_qp_wr', a.maxQpWr),
    field('max_sge', a.maxSge),
    field('max_sge_rd', a.maxSgeRd),
    field('max_inline', a.maxInline),
    field('max_cq', a.maxCq),
    field('max_cqe', a.maxCqe),
    field('max_mr', a.maxMr),
    field('max_pd', a.maxPd),
    field('atomic_cap', `ATOMIC_${a.atomicCap} (${ATOMIC_CAPS[a.atomicCap]})`),
    field('max_mw', a.maxMw),
    field('max_ah', a.maxAh),
    field('max_srq', a.maxSrq),
    field('max_pkeys', a.maxPkeys),
    field('qp_types', a.queuePairTypes.join(', ')),
    field('operations', a.operations.join(', ')),
    field('ordering', a.ordering.join(', ')),
    field('max_job_ids', a.maxJobIds),
    field('max_job_keys', a.maxJobKeys),
    field('max_addr_entries', a.maxAddrEntries),
    ...profileLines(a),
    '\tsettings (default, unit, range):',
    ...(findTransport(transport)?.attributes.settings ?? []).map(
      ({ name, value, unit, min, max, text }) => `\t\t${name} = ${value} ${unit} [${min}..${max}]: ${text}`,
    ),
  ];
}

/** A line for each profile: met, or what is missing; none for a transport without profiles. */
function profileLines({ profiles, profileGaps }: FoundDevice['attributes']): string[] {
  if (profiles.length === 0) return [];
  const lines = profiles.map((name) => {
    const gaps = profileGaps.filter((gap) => gap.startsWith(`${name}: `)).map((gap) => gap.slice(name.length + 2));
    return `\t\t${name}: ${gaps.length === 0 ? 'met' : `not met, missing ${gaps.join('; ')}`}`;
  });
  return ['\tprofiles:', ...lines];
}

function field(name: string, value: string | number): string {
  return `\t${name}:${'\t'.repeat(Math.max(1, 4 - Math.floor((name.length + 1) / 8)))}${value}`;
}

function portField(name: string, value: string | number): string {
  return `\t\t\t${name}:${'\t'.repeat(Math.max(1, 3 - Math.floor((name.length + 1) / 8)))}${value}`;
}

/** `1024 (3)`: bytes and the number that verbs use; other sizes have none. */
function mtuText(bytes: number): string {
  const code = Math.log2(bytes) - 7;
  return Number.isInteger(code) && code >= 1 && code <= 5 ? `${bytes} (${code})` : String(bytes);
}

function groups(guid: string): string {
  return guid.replace(/(.{4})(?=.)/g, '$1:');
}

function mapped(gid: string): string {
  return gid.includes(':') ? gid : `::ffff:${gid}`;
}

/** What each I/O level makes of DSCP and ECN. */
const TRAFFIC_CLASSES: Readonly<Record<string, string>> = {
  gso: 'DSCP and ECN are set, and marks are read',
  batch: 'DSCP and ECN are set, and marks are read',
  dgram: "neither DSCP nor ECN: Node's own sockets have no call for them",
};
/** What verbs tools call the protocols that they know, with their number. */
const TRANSPORT_TYPES: Readonly<Record<string, string>> = { roce: 'InfiniBand (0)' };
const ATOMIC_CAPS = { NONE: 0, HCA: 1, GLOB: 2 } as const;
