/** What a daemon is told: the schema of its configuration file, and of the same words given as options. */
import { constants, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TRANSPORTS, VerbsError } from '@verbena/core';
import { z } from 'zod';
import { DomainStore } from '../crypto/domain-store.ts';
import type { DeviceOptions } from '../device/device-plan.ts';
import { isTrusted, ownUid } from '../ipc/socket-path.ts';
import { MAX_ENTROPIES } from '../wire/live-wire.ts';

const udpPort = z.int().min(0).max(65_535);
const payload = z.int().min(64).max(16_384);
const chance = z.number().min(0).max(1);
const transport = z
  .enum(TRANSPORTS.map((one) => one.name) as [string, ...string[]])
  .describe('transport; the type of the address entry');
const settings = z.record(z.string().max(64), z.number()).describe("the transport's own settings");

const encapsulation = z.enum(['udp', 'ip']).describe('what is below the transport; ip needs the right to raw sockets');
const dscp = z.int().min(0).max(63);

const gidSchema = z.strictObject({
  type: transport,
  address: z.string().max(64).optional().describe('local IP address; that of the device when left out'),
  encapsulation: encapsulation.optional(),
  port: udpPort.optional().describe("UDP port; the transport's own when left out"),
  devicePort: z.int().min(1).max(255).optional().describe('port of the device that the entry belongs to'),
  mtu: payload.optional().describe('payload bytes of a full packet'),
  settings: settings.optional(),
});

const faultsSchema = z.strictObject({
  direction: z.enum(['both', 'out', 'in']).optional(),
  drop: chance.optional(),
  duplicate: chance.optional(),
  reorder: chance.optional(),
  delay: chance.optional(),
  corrupt: chance.optional(),
  seed: z.int().min(0).max(0xffff_ffff).optional(),
});

export const deviceSchema = z.strictObject({
  name: z
    .string()
    .max(63)
    .regex(/^[A-Za-z][\w.%-]*$/)
    .describe('name, or a pattern with %d for the lowest free number'),
  address: z.string().max(64).describe('local IP address in numbers'),
  type: transport.optional(),
  encapsulation: encapsulation.optional(),
  ipProtocol: z.int().min(146).max(254).optional().describe('number of the IP protocol with encapsulation ip'),
  dscp: z
    .strictObject({
      data: dscp.optional(),
      control: dscp.optional(),
      trimmed: dscp.optional(),
      trimmedLastHop: dscp.optional(),
    })
    .optional()
    .describe('DSCP of packets, and of those that switches have cut'),
  linkMtu: z.int().min(576).max(65_535).optional().describe('bytes of a whole IP packet that every route carries'),
  port: udpPort.optional().describe("UDP port; the transport's own when left out, 0 for any"),
  mtu: payload.optional().describe('payload bytes of a full packet, the same at both ends'),
  io: z.enum(['auto', 'gso', 'batch']).optional().describe('how packets reach the kernel'),
  entropies: z.int().min(1).max(MAX_ENTROPIES).optional().describe('routes that packets are spread over'),
  gids: z.array(gidSchema).max(15).optional().describe('further address entries, each with a transport of its own'),
  faults: faultsSchema.optional().describe('misbehave on purpose'),
  capture: z.string().max(4096).optional().describe('file to write all packets into, as pcapng'),
  captureLimitBytes: z.int().min(0).optional(),
  security: z
    .strictObject({
      domain: z.int().min(1).max(0xff_ffff).optional().describe('secure domain of queue pairs that name none'),
      clear: z.boolean().optional().describe('queue pairs without a domain may send and receive in the clear'),
    })
    .optional()
    .describe('protect packets, with keys of the key file or of the management channel'),
  seed: z.int().min(0).max(0xffff_ffff).optional().describe("of the engine's chance"),
  settings: settings.optional(),
});

export const configSchema = z.strictObject({
  $schema: z.string().max(4096).optional(),
  socket: z.string().max(107).optional().describe('path of the local socket'),
  mode: z.enum(['0600', '0660']).optional().describe('who may connect: the owner, or also the group'),
  metrics: z
    .string()
    .max(64)
    .optional()
    .describe('loopback address and TCP port for Prometheus, such as 127.0.0.1:9477'),
  log: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
  limits: z
    .strictObject({
      connections: z.int().min(1).max(65_536).optional(),
      connectionsPerUid: z.int().min(1).max(65_536).optional(),
      memlockBytes: z.int().min(0).optional(),
      mappings: z.int().min(1).max(16_384).optional(),
      mappedBytes: z.int().min(0).optional(),
      malformedFrames: z.int().min(0).max(65_536).optional(),
      queuedAnswers: z.int().min(1).max(4096).optional(),
      slowReaderMs: z.int().min(10).max(3_600_000).optional(),
    })
    .optional()
    .describe('bounds of what clients may take'),
  keys: z.string().max(4096).optional().describe('key file of secure domains, mode 0600'),
  devices: z.array(deviceSchema).max(256).optional(),
});

/** A device of a daemon, as files and options describe it. */
export type DeviceSpec = z.infer<typeof deviceSchema>;
export type DaemonConfig = z.infer<typeof configSchema>;

/** The published form of {@link configSchema}. */
export function configJsonSchema(): object {
  return { $id: 'verbenad.schema.json', title: 'Configuration of verbenad', ...z.toJSONSchema(configSchema) };
}

/** @throws VerbsError EINVAL what is wrong, and where */
export function parseConfig(value: unknown, where: string): DaemonConfig {
  return checked(configSchema, value, where);
}

/** @throws VerbsError EINVAL what is wrong, and where */
export function parseDeviceSpec(value: unknown, where: string): DeviceSpec {
  return checked(deviceSchema, value, where);
}

/**
 * Reads a configuration file.
 *
 * @throws VerbsError `ENOENT` · `EACCES` others could write it, or it cannot be read · `EINVAL` what it says
 */
export async function readConfig(path: string): Promise<DaemonConfig> {
  const file = await open(path, constants.O_RDONLY).catch((error: NodeJS.ErrnoException) => {
    throw new VerbsError(error.code === 'ENOENT' ? 'ENOENT' : 'EACCES', 'readConfig', `${path}: ${error.code}`, {
      try: 'the path of a file that this user can read',
    });
  });
  try {
    const stats = await file.stat();
    checkOwner(path, stats, false);
    checkOwner(dirname(path), await stat(dirname(path)), true);
    if (!stats.isFile() || stats.size > MAX_CONFIG_BYTES) {
      throw new VerbsError('EINVAL', 'readConfig', `${path} is no file of up to ${MAX_CONFIG_BYTES} bytes`);
    }
    let value: unknown;
    try {
      value = JSON.parse(await file.readFile('utf8'));
    } catch (error) {
      throw new VerbsError('EINVAL', 'readConfig', `${path} is no JSON: ${(error as Error).message}`);
    }
    return parseConfig(value, path);
  } finally {
    await file.close();
  }
}

/** A device as `openDevice` would be told. */
export function deviceOptions(spec: DeviceSpec, domains = new DomainStore()): DeviceOptions {
  const { type, mtu, port, gids, security, ...rest } = spec;
  return clean({
    ...rest,
    transport: type,
    payloadMtu: mtu,
    port,
    security: security === undefined ? undefined : { ...security, domains },
    gids: gids?.map(({ type: carrier, mtu: bytes, port: udp, devicePort, ...more }) =>
      clean({ ...more, transport: carrier, payloadMtu: bytes, udpPort: udp, port: devicePort }),
    ),
  }) as DeviceOptions;
}

function checked<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, MAX_ISSUES).map(({ path, message }) => {
    const at = path.map(String).join('.');
    return at === '' ? message : `${at}: ${message}`;
  });
  throw new VerbsError('EINVAL', 'readConfig', `${where}: ${issues.join('; ').slice(0, 2000)}`, {
    see: 'schema/verbenad.schema.json of @verbena/node',
  });
}

/** Whoever writes the file, or puts another in its place, chooses what the daemon does. */
function checkOwner(path: string, { mode, uid }: Stats, isFolder: boolean): void {
  const sticky = isFolder && (mode & 0o1000) !== 0;
  if (isTrusted(uid) && ((mode & 0o022) === 0 || sticky)) return;
  throw new VerbsError('EACCES', 'readConfig', `${path} could be changed by others`, {
    given: `owner ${uid}, mode ${(mode & 0o7777).toString(8).padStart(4, '0')}; this is user ${ownUid()}`,
    try: `chmod go-w ${path}, and an owner who is this user or root`,
  });
}

function clean(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

const MAX_CONFIG_BYTES = 2 ** 20;
const MAX_ISSUES = 8;
