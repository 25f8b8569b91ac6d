/** What is provisioned for a secure domain, with defaults and checks. Keys are not part of it. @spec uet:tss/4 uet:tss/16 */
import { parseAddress } from '../../../base/ip-address.ts';
import { VerbsError } from '../../../base/verbs-error.ts';
import { RekeyRule } from './key-derivation.ts';
import { MAX_SDI, MAX_TSC } from './security-fields.ts';

/**
 * Who holds which key. `direct`, `cluster`: all members the same one. `server`: this end has the key from which those of its
 * clients are derived. `client`: this end has what the server derived for it. @spec uet:tss/5
 */
export type DomainMode = 'direct' | 'cluster' | 'server' | 'client';

export interface DomainOptions {
  /** Secure domain identifier, 1 to 2^24-1. */
  readonly sdi: number;
  readonly mode: DomainMode;
  /**
   * Secure source identifier of this end, 32 bits, carried by every packet. Every member of a domain has its own. The server
   * of a domain whose clients have one says `true`: its packets carry that of the client.
   */
  readonly ssi?: number | true;
  /**
   * Server mode with source identifiers: clients that the server may write to before it has heard of them, each as
   * `ADDRESS=IDENTIFIER`, for instance `192.0.2.7=0x12`. Their packets are taken with that identifier only.
   */
  readonly clients?: readonly string[];
  /** Epochs that a packet may be behind. Default 16. */
  readonly epochLifetime?: number;
  /** Cluster mode: bits of the packet counter that choose the key. Default the upper 16: a new key every 2^32 packets. */
  readonly rekeyMask?: number;
  readonly rekeyShift?: number;
  /** Cluster mode, IPv6 with source identifier: what a key is derived from. Default `ssi`. @spec uet:tss/6 */
  readonly ipv6Context?: 'ssi' | 'address';
  /** Server mode with source identifiers: the server's counters have the top bit set, so that directions differ. Default true. */
  readonly splitCounters?: boolean;
  /** Forged packets after which the domain takes none at all; 0 = never, the default: anybody could switch it off. */
  readonly latchAfter?: number;
  /** Counter value that is not used any more. Default 2^48-1. */
  readonly lastTsc?: number;
}

/** Options with everything said. */
export interface DomainRules {
  readonly sdi: number;
  readonly mode: DomainMode;
  readonly usesSsi: boolean;
  /** Own source identifier; 0 where packets carry that of the client. */
  readonly ssi: number;
  /** Identifiers of clients by {@link addressName}. */
  readonly clients: ReadonlyMap<string, number>;
  readonly epochLifetime: number;
  readonly rekey: RekeyRule | undefined;
  readonly ipv6BySsi: boolean;
  /** Counters of packets that are sent begin here. */
  readonly firstTsc: number;
  readonly lastTsc: number;
  readonly latchAfter: number;
}

/** @throws VerbsError `EINVAL` what cannot be */
export function domainRules(options: DomainOptions): DomainRules {
  const { sdi, mode, ssi, epochLifetime = 16, rekeyMask, rekeyShift, ipv6Context = 'ssi' } = options;
  const { splitCounters = true, latchAfter = 0, lastTsc = MAX_TSC } = options;
  whole('sdi', sdi, 1, MAX_SDI);
  if (!MODES.includes(mode)) throw refuse(`\`${String(mode)}\` is no mode`, MODES.join(', '));
  if (ssi === true && mode !== 'server')
    throw refuse('only a server can leave its source identifier to its clients', 'a number');
  if (typeof ssi === 'number' && mode === 'server') {
    throw refuse('packets of a server carry the source identifier of the client', 'ssi: true');
  }
  if (ssi !== undefined && ssi !== true) whole('ssi', ssi, 0, 0xffff_ffff);
  if (mode !== 'cluster' && (rekeyMask !== undefined || rekeyShift !== undefined)) {
    throw refuse(`keys of ${mode} mode do not depend on the packet counter`, 'leave rekeyMask and rekeyShift out');
  }
  if (options.clients !== undefined && (ssi !== true || mode !== 'server'))
    throw refuse('only the server of a domain with source identifiers has a list of clients', 'leave clients out');
  whole('epochLifetime', epochLifetime, 0, 0x7fff);
  whole('latchAfter', latchAfter, 0, Number.MAX_SAFE_INTEGER);
  whole('lastTsc', lastTsc, 1, MAX_TSC);
  const split = ssi !== undefined && splitCounters && (mode === 'server' || mode === 'client');
  const upper = mode === 'server' && split;
  let rekey: RekeyRule | undefined;
  try {
    if (mode === 'cluster') rekey = new RekeyRule(rekeyMask ?? REKEY_MASK, rekeyShift ?? REKEY_SHIFT);
  } catch (error) {
    throw refuse((error as Error).message, 'rekeyMask: 0xffff00000000, rekeyShift: 32');
  }
  return {
    ...{ sdi, mode, usesSsi: ssi !== undefined, ssi: typeof ssi === 'number' ? ssi : 0 },
    clients: new Map((options.clients ?? []).map(clientEntry)),
    ...{ epochLifetime, rekey, ipv6BySsi: ipv6Context === 'ssi', latchAfter },
    firstTsc: upper ? TOP_BIT : 0,
    lastTsc: split && !upper ? Math.min(lastTsc, TOP_BIT) : lastTsc,
  };
}

/** An address of 16 bytes as a key of maps. */
export const addressName = (address: Uint8Array): string => address.join('.');

function clientEntry(text: string): readonly [address: string, ssi: number] {
  const [, address = '', number = ''] = /^([^=]+)=(0x[0-9a-f]{1,8}|\d{1,10})$/i.exec(text) ?? [];
  const bytes = parseAddress(address);
  if (bytes !== undefined && Number(number) <= 0xffff_ffff) return [addressName(bytes), Number(number)];
  throw refuse(`'${text}' names no client`, 'ADDRESS=IDENTIFIER, such as 192.0.2.7=0x12');
}

function whole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw refuse(`${name} cannot be ${value}`, `a whole number, ${least} to ${most}`);
}

const refuse = (problem: string, hint: string): VerbsError =>
  new VerbsError('EINVAL', 'secureDomain', problem, { try: hint, see: 'docs/transports/uet.md' });

const MODES: readonly DomainMode[] = ['direct', 'cluster', 'server', 'client'];
const TOP_BIT = 2 ** 47;
const REKEY_MASK = 0xffff * 2 ** 32;
const REKEY_SHIFT = 32;
