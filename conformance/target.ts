/** What the tester is told of the endpoint under test: a JSON file, or what our own program says of itself. */

/** An address in the three steps of a request: process, resource index, and how both are meant. */
export interface QueueTarget {
  readonly pid: number;
  readonly ri: number;
  /** The job that it belongs to. */
  readonly job: number;
  /** Relative addressing: process numbers count inside a job. */
  readonly relative: boolean;
  /** Datagram queues: what the lower half of the match bits must be. */
  readonly qkey?: number;
  /** Bytes that each of its receives has room for. */
  readonly receiveBytes?: number;
}

export interface RegionTarget {
  /** Decimal or 0x text: 64 bits do not fit a JSON number. */
  readonly key: string;
  readonly bytes: number;
}

export interface SecurityTarget {
  readonly sdi: number;
  /** Of the endpoint. To a `server` the tester is a client. */
  readonly mode: 'direct' | 'cluster' | 'server';
  /** 64 hexadecimal digits. For tests only: whoever reads the file has it. */
  readonly key: string;
  readonly an?: number;
  readonly epoch?: number;
  /** A key in the other slot, installed for receiving. */
  readonly nextKey?: string;
}

/** One address that can be tested. */
export interface EndpointTarget {
  readonly address: string;
  /** Default 4793. */
  readonly port?: number;
  /** Payload bytes of a full packet. */
  readonly payloadMtu: number;
  readonly job: number;
  /** Operations that it carries out: `send`, `write`, `read`, `tagged`, `atomics`, `deferrable`, ... */
  readonly operations: readonly string[];
  /** By name: `sink` always has receives, `dry` never has, `absolute`, `datagram`. */
  readonly queues: Readonly<Record<string, QueueTarget>>;
  /** By name: `open` for reading and writing, `writeOnly`, `readOnly`, `foreign` for another job only. */
  readonly regions: Readonly<Record<string, RegionTarget>>;
  /** Packets carry a CRC. */
  readonly crc?: boolean;
  readonly security?: SecurityTarget;
}

export interface Target {
  readonly name: string;
  readonly endpoints: Readonly<Record<string, EndpointTarget>>;
  /** How long an answer may take, milliseconds. Default 1000. */
  readonly timeoutMs?: number;
  /** How long nothing must come for silence, milliseconds. Default 40. */
  readonly silenceMs?: number;
  /** `host:port` of an upper tester over TCP; rules that need one are skipped without. */
  readonly upperTester?: string;
}

/**
 * Reads a target file.
 *
 * @throws Error with the place that is wrong
 */
export function readTarget(text: string): Target {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`the target file is no JSON: ${(error as Error).message}`);
  }
  const target = object(value, 'target');
  const endpoints = object(target['endpoints'], 'endpoints');
  if (Object.keys(endpoints).length === 0) throw new Error('endpoints: name at least one, `main`');
  for (const [name, one] of Object.entries(endpoints)) {
    const endpoint = object(one, `endpoints.${name}`);
    if (typeof endpoint['address'] !== 'string') throw new Error(`endpoints.${name}.address: an IP address is needed`);
    whole(endpoint['payloadMtu'], `endpoints.${name}.payloadMtu`, 16, 16_383);
    whole(endpoint['job'], `endpoints.${name}.job`, 1, 0xff_ffff);
    if (!Array.isArray(endpoint['operations'])) throw new Error(`endpoints.${name}.operations: a list is needed`);
    for (const kind of ['queues', 'regions']) object(endpoint[kind], `endpoints.${name}.${kind}`);
  }
  return { name: 'target', ...target } as unknown as Target;
}

/** @returns what the target lacks of what a rule needs: an operation, `queue:NAME`, `region:NAME` or `upper`; '' for nothing */
export function lacks(endpoint: EndpointTarget, hasUpper: boolean, needs: readonly string[]): string {
  for (const need of needs) {
    const [kind, name] = need.split(':') as [string, string | undefined];
    if (kind === 'queue' && endpoint.queues[name!] === undefined) return `a queue \`${name}\``;
    if (kind === 'region' && endpoint.regions[name!] === undefined) return `a region \`${name}\``;
    if (kind === 'upper' && !hasUpper) return 'an upper tester';
    if (name === undefined && kind !== 'upper' && !endpoint.operations.includes(kind)) return `the operation ${kind}`;
  }
  return '';
}

function object(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${where}: must be an object`);
  return value as Record<string, unknown>;
}

function whole(value: unknown, where: string, least: number, most: number): void {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw new Error(`${where}: a whole number from ${least} to ${most} is needed`);
  }
}

/** Port that endpoints listen on unless told. */
export const DEFAULT_PORT = 4793;
