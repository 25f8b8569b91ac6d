/** The secure domains of a process, provisioned by a file, a program or the management channel. */
import {
  type CounterStore,
  type DomainOptions,
  DomainTable,
  PacketProtection,
  type ProtectionOptions,
  type ProvisionedKey,
  type Row,
  type SecureDomains,
  type Transport,
  VerbsError,
} from '@verbena/core';
import { z } from 'zod';
import { NodeCipher } from './node-cipher.ts';

const u32 = z.int().min(0).max(0xffff_ffff);
const counterBits = z
  .union([z.int().min(0), z.string().regex(/^0x[0-9a-fA-F]{1,12}$/)])
  .transform((value) => Number(value))
  .describe('a number, or text such as 0xffff00000000');

/** What is said of a domain beside its identifier and keys. */
export const domainOptionsSchema = z.strictObject({
  mode: z.enum(['direct', 'cluster', 'server', 'client']),
  ssi: z
    .union([u32, z.literal(true)])
    .optional()
    .describe('own source identifier; of a server: true'),
  epochLifetime: z.int().min(0).max(0x7fff).optional(),
  rekeyMask: counterBits.optional(),
  rekeyShift: z.int().min(0).max(47).optional(),
  ipv6Context: z.enum(['ssi', 'address']).optional(),
  splitCounters: z.boolean().optional(),
  latchAfter: z.int().min(0).optional(),
});

export class DomainStore implements SecureDomains {
  readonly table: DomainTable;

  /** @param counters - where packet counters continue; nowhere for keys that no other process uses, and that end with this one */
  constructor(counters?: CounterStore) {
    this.table = new DomainTable(new NodeCipher(), counters === undefined ? {} : { counters });
  }

  /** The transport with packets that these domains protect. @throws VerbsError `EOPNOTSUPP` it cannot be protected */
  protect(transport: Transport, options: ProtectionOptions = {}): Transport {
    if (options.domain !== undefined) this.table.get(options.domain);
    const made = transport.secured?.(new PacketProtection(this.table, options));
    if (made !== undefined) return made;
    throw new VerbsError('EOPNOTSUPP', 'openDevice', `packets of ${transport.name} cannot be protected`, {
      try: 'transport uet, or leave `security` out',
    });
  }

  add(sdi: number, options: Row, key: ProvisionedKey): void {
    const result = domainOptionsSchema.safeParse(options);
    if (!result.success) {
      const [issue] = result.error.issues;
      throw new VerbsError('EINVAL', 'SECDOM.ADD', `${issue!.path.join('.')}: ${issue!.message}`, {
        object: `secure domain 0x${sdi.toString(16)}`,
        try: Object.keys(domainOptionsSchema.shape).join(', '),
      });
    }
    this.table.add({ sdi, ...result.data } as DomainOptions, key);
  }

  install(sdi: number, key: ProvisionedKey): void {
    this.table.get(sdi).install(key);
  }

  activate(sdi: number, an: number): void {
    this.table.get(sdi).activate(an);
  }

  retire(sdi: number, an: number): void {
    this.table.get(sdi).retire(an);
  }

  remove(sdi: number): void {
    this.table.remove(sdi);
  }

  rows(): Row[] {
    return Array.from(this.table.all(), (domain) => domain.row());
  }
}
