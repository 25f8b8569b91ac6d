/** Ultra Ethernet whose nodes protect their packets, each with a domain table of its own, as in different machines. */
import { formatAddress, parseAddress } from '../../../base/ip-address.ts';
import type { Transport } from '../../../engine/engine.ts';
import { uet } from '../index.ts';
import type { DomainOptions } from './domain-options.ts';
import { DomainTable } from './domain-table.ts';
import { clientKey } from './key-derivation.ts';
import { PacketProtection, type ProtectionOptions } from './packet-protection.ts';
import { TestCipher } from './test-cipher.testdata.ts';

export const SDI = 0xabcd;

/** A key that is never the same for two numbers. */
export function keyOf(number: number, length = 32): Uint8Array {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, number + 1);
  return bytes.fill(0x5a, 4);
}

export interface SecuredNode {
  readonly table: DomainTable;
  readonly address: string;
}

/** What all nodes of a network have in common, and each of them. */
export class SecuredNetwork {
  /** Nonces of all nodes together. */
  readonly nonces = new Set<string>();
  readonly nodes: SecuredNode[] = [];
  readonly transport: Transport;
  rotations = 0;
  readonly #seen = new Map<string, number>();

  /** @param domain - of node `n`; the key is the same for all unless `keys` says otherwise
   *  @param isOneRun - false: nodes are made again and again under the same key, each time in another world */
  constructor(
    domain: (n: number) => Omit<DomainOptions, 'sdi'>,
    options: ProtectionOptions = {},
    keys?: (n: number) => Uint8Array,
    isOneRun = true,
  ) {
    const shape = uet.secured!(new PacketProtection(new DomainTable(new TestCipher())));
    this.transport = {
      ...shape,
      createEngine: (services, config) => {
        const address = formatAddress(config.local!.address);
        const n = this.#seen.get(address) ?? this.#seen.size;
        this.#seen.set(address, n);
        const table = new DomainTable(new TestCipher(isOneRun ? this.nonces : new Set()), { counterBlock: 64 });
        const rules = { sdi: SDI, ...domain(n) };
        this.nodes.push({ table, address });
        table.add(rules, { bytes: keys?.(n) ?? this.#key(rules, n), an: 0 });
        const protection = new PacketProtection(table, { domain: SDI, ...options });
        return uet.secured!(protection).createEngine(services, config);
      },
    };
  }

  /** The key of a node after so many rotations. */
  #key({ mode, ssi }: Pick<DomainOptions, 'mode' | 'ssi'>, n: number): Uint8Array {
    const key = keyOf(this.rotations);
    const client = typeof ssi === 'number' ? ssi : parseAddress(this.nodes[n]!.address)!;
    return mode === 'client' ? clientKey(new TestCipher(), key, client) : key;
  }

  /** A new key for everybody, the way rotations go: in every receiver before the first sender uses it. */
  rotate(): void {
    this.rotations++;
    const domains = this.nodes.map(({ table }) => table.get(SDI));
    const an = 1 - domains[0]!.txAn;
    for (const [n, { rules }] of domains.entries()) {
      const { mode, ssi } = rules;
      domains[n]!.install({ bytes: this.#key(rules.usesSsi ? { mode, ssi } : { mode }, n), an });
    }
    for (const domain of domains) domain.activate(an);
  }
}
