/** The secure domains of a process, provisioned by a file, a program or the management channel. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import {
  type CaptureSink,
  type CounterStore,
  type DomainOptions,
  DomainTable,
  PacketOpener,
  PacketProtection,
  type ProtectionOptions,
  type ProvisionedKey,
  type Row,
  type SecureDomains,
  type Transport,
  VerbsError,
} from '@verbena/core';
import { z } from 'zod';
import { DecryptingSink } from './decrypting-sink.ts';
import { FileCounters } from './file-counters.ts';
import { hostCipher } from './openssl-cipher.ts';
import { StateCounters } from './state-counters.ts';
import { ThreadCounters } from './thread-counters.ts';

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
  clients: z
    .array(z.string().max(64))
    .max(4096)
    .optional()
    .describe('of a server with source identifiers: ADDRESS=IDENTIFIER of each client that it may write to first'),
  epochLifetime: z.int().min(0).max(0x7fff).optional(),
  rekeyMask: counterBits.optional(),
  rekeyShift: z.int().min(0).max(47).optional(),
  ipv6Context: z.enum(['ssi', 'address']).optional(),
  splitCounters: z.boolean().optional(),
  latchAfter: z.int().min(0).optional(),
});

export class DomainStore implements SecureDomains {
  readonly table: DomainTable;
  readonly #counters: CounterStore;
  /** What the domains were made of, for other threads. Keys are objects that no dump shows. */
  readonly #provisions = new Map<number, Provision>();
  readonly #followers = new Set<DomainFollower>();

  /** @param counters - where packet counters continue; nowhere for keys that no other process uses, and that end with this one */
  constructor(counters: CounterStore = new ThreadCounters()) {
    this.#counters = counters;
    this.table = new DomainTable(hostCipher(), { counters });
  }

  /** The domains of another thread of this process, as they were handed over. */
  static of({ domains, counters }: HandedOver): DomainStore {
    const store = new DomainStore(
      'path' in counters ? new FileCounters(counters.path) : new ThreadCounters(counters.memory),
    );
    for (const { sdi, options, slots, txAn } of domains) {
      for (const an of [txAn, 1 - txAn]) {
        const slot = slots[an];
        if (slot === undefined) continue;
        const key = { bytes: slot.key.export(), an, epoch: slot.epoch };
        if (an === txAn) store.add(sdi, options, key);
        else store.install(sdi, key);
        key.bytes.fill(0);
      }
    }
    return store;
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

  /**
   * Opens packets that were recorded, of any age and in both directions, also under keys that come later.
   *
   * @param maxUnproven - keys derived in a row for packets that do not open; without limit when left out
   */
  opener(maxUnproven?: number): PacketOpener {
    return new PacketOpener(this.table, maxUnproven);
  }

  decrypting(sink: CaptureSink): CaptureSink {
    return new DecryptingSink(sink, this.opener(MAX_UNPROVEN));
  }

  /**
   * What another thread of this process needs to protect packets with the same keys. Every change from now on is told to
   * `follower`, before the call that makes it returns.
   *
   * @returns also how to stop that
   * @throws VerbsError `EOPNOTSUPP` packet counters are kept in a way that only this thread knows
   */
  handOver(follower: DomainFollower): { readonly handed: HandedOver; readonly end: () => void } {
    const counters = placeOf(this.#counters);
    this.#followers.add(follower);
    const domains = Array.from(this.#provisions, ([sdi, one]) => ({ sdi, ...one, slots: [...one.slots] as Slots }));
    return { handed: { domains, counters }, end: () => this.#followers.delete(follower) };
  }

  /** Makes a change that another thread's domains have seen. */
  follow({ method, sdi, options = {}, an = 0, key }: DomainChange): void {
    const given = key === undefined ? undefined : { bytes: key.key.export(), an, epoch: key.epoch };
    try {
      if (method === 'add') this.add(sdi, options, given!);
      else if (method === 'install') this.install(sdi, given!);
      else if (method === 'remove') this.remove(sdi);
      else this[method](sdi, an);
    } finally {
      given?.bytes.fill(0);
    }
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
    if (this.#counters instanceof StateCounters) this.#counters.open();
    this.table.add({ sdi, ...result.data } as DomainOptions, key);
    const slots: Slots = [undefined, undefined];
    const slot = (slots[key.an] = keptKey(key));
    this.#provisions.set(sdi, { options: { ...options }, slots, txAn: key.an });
    this.#tell({ method: 'add', sdi, options, an: key.an, key: slot });
  }

  install(sdi: number, key: ProvisionedKey): void {
    this.table.get(sdi).install(key);
    const slot = keptKey(key);
    this.#provisions.get(sdi)!.slots[key.an] = slot;
    this.#tell({ method: 'install', sdi, an: key.an, key: slot });
  }

  activate(sdi: number, an: number): void {
    this.table.get(sdi).activate(an);
    this.#provisions.get(sdi)!.txAn = an;
    this.#tell({ method: 'activate', sdi, an });
  }

  retire(sdi: number, an: number): void {
    this.table.get(sdi).retire(an);
    this.#provisions.get(sdi)!.slots[an] = undefined;
    this.#tell({ method: 'retire', sdi, an });
  }

  remove(sdi: number): void {
    this.table.remove(sdi);
    this.#provisions.delete(sdi);
    this.#tell({ method: 'remove', sdi });
  }

  rows(): Row[] {
    return Array.from(this.table.all(), (domain) => domain.row());
  }

  #tell(change: DomainChange): void {
    for (const follower of this.#followers) follower(change);
  }
}

/** Hears of every change of the domains of another thread. */
export type DomainFollower = (change: DomainChange) => void;

/** Domains, their keys and their counters, as they can be sent to another thread of this process and to nowhere else. */
export interface HandedOver {
  readonly domains: readonly (Provision & { readonly sdi: number })[];
  readonly counters: { readonly path: string } | { readonly memory: SharedArrayBuffer };
}

/** A change, as it can be sent. */
export interface DomainChange {
  readonly method: 'add' | 'install' | 'activate' | 'retire' | 'remove';
  readonly sdi: number;
  readonly options?: Row;
  readonly an?: number;
  readonly key?: KeptKey;
}

interface Provision {
  readonly options: Row;
  readonly slots: Slots;
  txAn: number;
}

type Slots = [KeptKey | undefined, KeptKey | undefined];

interface KeptKey {
  readonly key: KeyObject;
  readonly epoch: number;
}

function keptKey({ bytes, epoch }: ProvisionedKey): KeptKey {
  // a buffer of its own: small ones share a pool with their neighbours
  const copy = Buffer.alloc(bytes.length);
  copy.set(bytes);
  const key = createSecretKey(copy);
  copy.fill(0);
  return { key, epoch };
}

function placeOf(counters: CounterStore): HandedOver['counters'] {
  if (counters instanceof FileCounters) return { path: counters.path };
  if (counters instanceof ThreadCounters) return { memory: counters.memory };
  throw new VerbsError(
    'EOPNOTSUPP',
    'openDevice',
    'the packet counters of these domains are known to this thread only',
    {
      given: 'a store of counters of your own',
      try: "mode: 'inline', a key file, or domains without a store",
    },
  );
}

/** While a capture is decrypted: keys derived in a row for packets that do not open. One is free again for each that does. */
const MAX_UNPROVEN = 256;
