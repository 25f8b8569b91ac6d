/** A simulated network whose nodes protect their packets, each with a domain table of its own, as in different machines. */
import {
  clientKey,
  type DomainOptions,
  DomainTable,
  formatAddress,
  PacketProtection,
  parseAddress,
  type Transport,
} from '@verbena/core';
import type { ScheduleWorld, SentPacket } from '@verbena/core/testing';
import { NodeCipher } from '@verbena/node';

/** How the domain of a network is provisioned. */
export interface SecurityMode {
  readonly name: string;
  /** Of node `n`; the first one is the server where there is one. */
  readonly domain: (n: number) => Omit<DomainOptions, 'sdi'>;
}

export const SECURITY_MODES: readonly SecurityMode[] = [
  { name: 'direct', domain: () => ({ mode: 'direct' }) },
  { name: 'direct-ssi', domain: (n) => ({ mode: 'direct', ssi: n + 1 }) },
  { name: 'cluster', domain: () => ({ mode: 'cluster', rekeyMask: 0xff00, rekeyShift: 8 }) },
  { name: 'cluster-ssi', domain: (n) => ({ mode: 'cluster', ssi: n + 1, rekeyMask: 0xff0, rekeyShift: 4 }) },
  // clients do not talk to each other: what they try fails, as with a peer that is not there
  { name: 'server', domain: (n) => ({ mode: n === 0 ? 'server' : 'client' }) },
  { name: 'server-ssi', domain: (n) => (n === 0 ? { mode: 'server', ssi: true } : { mode: 'client', ssi: n }) },
];

/** Transport and inspector of one run: keys are rotated on the way, and no packet leaves in the clear or under a used counter. */
export function securedWorld(transport: Transport, mode: SecurityMode): ScheduleWorld {
  const network = new SecuredNetwork(transport, mode);
  const counters = new Set<string>();
  let packets = 0;
  return {
    transport: network.transport,
    inspect: ({ from, bytes, length }: SentPacket) => {
      if (++packets % ROTATE_AFTER === 0) network.rotate();
      if (length < MIN_SECURITY_BYTES || bytes[0]! >>> 3 !== SECURITY_TYPE) return 'a packet in the clear';
      const header = (bytes[0]! & SSI_FLAG) === 0 ? 12 : 16;
      const an = bytes[0]! & 1;
      const nonce = `${from} ${network.keyIn(an)} ${Buffer.from(bytes.subarray(4, header)).toString('hex')}`;
      if (counters.has(nonce)) return `counter used twice: ${nonce}`;
      counters.add(nonce);
      return undefined;
    },
  };
}

class SecuredNetwork {
  readonly transport: Transport;
  readonly #mode: SecurityMode;
  readonly #nodes: { readonly table: DomainTable; readonly address: string }[] = [];
  /** Number of the key in each slot. */
  readonly #keys = [0, -1];
  #rotations = 0;

  constructor(transport: Transport, mode: SecurityMode) {
    this.#mode = mode;
    const { secured } = transport;
    if (secured === undefined) throw new Error(`${transport.name} cannot protect packets`);
    const shape = secured(new PacketProtection(new DomainTable(new NodeCipher()), PROTECTION));
    this.transport = {
      ...shape,
      createEngine: (services, config) => {
        const table = new DomainTable(new NodeCipher(), { counterBlock: 64 });
        const n = this.#nodes.push({ table, address: formatAddress(config.local!.address) }) - 1;
        table.add({ sdi: SDI, ...mode.domain(n) }, { bytes: this.#key(n), an: 0 });
        return secured(new PacketProtection(table, PROTECTION)).createEngine(services, config);
      },
    };
  }

  /** Which key a slot has now. */
  keyIn(an: number): number {
    return this.#keys[an]!;
  }

  /** A new key for everybody, the way rotations go: in every receiver before the first sender uses it. */
  rotate(): void {
    this.#rotations++;
    const domains = this.#nodes.map(({ table }) => table.get(SDI));
    const an = 1 - domains[0]!.txAn;
    this.#keys[an] = this.#rotations;
    for (const [n, domain] of domains.entries()) domain.install({ bytes: this.#key(n), an });
    for (const domain of domains) domain.activate(an);
  }

  /** What node `n` has of the present key. */
  #key(n: number): Uint8Array {
    const key = new Uint8Array(32).fill(0x5a);
    new DataView(key.buffer).setUint32(0, this.#rotations + 1);
    const { mode, ssi } = this.#mode.domain(n);
    if (mode !== 'client') return key;
    const client = typeof ssi === 'number' ? ssi : parseAddress(this.#nodes[n]!.address)!;
    return clientKey(new NodeCipher(), key, client);
  }
}

const SDI = 0xabcd;
/** Idempotent requests are repeated in these runs, which protection alone would not allow. */
const PROTECTION = { domain: SDI, replays: true } as const;
/** Of packets in flight some are under the key before; those under the one before that are lost. */
const ROTATE_AFTER = 37;
const SECURITY_TYPE = 1;
const SSI_FLAG = 4;
const MIN_SECURITY_BYTES = 12 + 16;
