/**
 * What a key file says: domains with their keys, as whoever provisions them works with it. Programs and devices need only
 * {@link KeyRing.store}. Keys are private: no dump, row or error shows one. @spec uet:tss/16
 */
import { randomBytes } from 'node:crypto';
import {
  type CounterStore,
  clientKey,
  type DomainMode,
  type PacketOpener,
  type ProvisionedKey,
  type Row,
  VerbsError,
} from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { DomainStore } from './domain-store.ts';
import { type KeyFile, readKeyText, writeKeyText } from './key-file-text.ts';
import { NodeCipher } from './node-cipher.ts';

type Options = Omit<KeyFile['domains'][number], 'sdi' | 'keys'>;

/** What is said of a new domain. */
export interface NewDomain {
  readonly mode: Exclude<DomainMode, 'client'>;
  /** Source identifier of this end; of a server `true`. */
  readonly ssi?: number | true;
}

export class KeyRing {
  readonly #domains = new Map<number, Entry>();
  /** Where the packet counters of its keys are kept; undefined: beside the file. */
  readonly #counters: string | undefined;

  private constructor(file: KeyFile) {
    this.#counters = file.counters;
    for (const { sdi, keys, ...options } of file.domains) {
      if (this.#domains.has(sdi)) throw refuse('EEXIST', 'there is a domain of that identifier', sdi);
      const first = Math.max(
        0,
        keys.findIndex(({ active }) => active === true),
      );
      const slots: Slots = [undefined, undefined];
      for (const [i, { key, an = i, epoch = 0 }] of keys.entries()) {
        if (slots[an] !== undefined) throw refuse('EINVAL', `slot ${an} has two keys`, sdi);
        slots[an] = { bytes: bytesOf(key), epoch };
      }
      this.#domains.set(sdi, { options, slots, txAn: keys[first]!.an ?? first });
    }
  }

  /** Without a domain. */
  static empty(): KeyRing {
    return new KeyRing({ domains: [] });
  }

  /**
   * Reads a key file.
   *
   * @throws VerbsError `ENOENT` · `EACCES` others could read or change it · `EINVAL` what it says, without what it says of keys ·
   *   `EEXIST` a domain or a key is in it twice
   */
  static read(path: string): KeyRing {
    const ring = new KeyRing(readKeyText(path));
    ring.#check();
    return ring;
  }

  /** Identifiers of its domains. */
  get identifiers(): readonly number[] {
    return [...this.#domains.keys()];
  }

  /** Adds a domain with a key by chance. @throws VerbsError `EEXIST` · `EINVAL` */
  add(sdi: number, options: NewDomain): void {
    if (this.#domains.has(sdi)) throw refuse('EEXIST', 'there is a domain of that identifier', sdi);
    this.#domains.set(sdi, { options, slots: [freshKey(), undefined], txAn: 0 });
    try {
      this.#check();
    } catch (error) {
      this.#domains.delete(sdi);
      throw error;
    }
  }

  /** Puts a key by chance into the slot that is not sent under. @returns the slot @throws VerbsError `ENOENT` · `EINVAL` */
  renew(sdi: number): number {
    const entry = this.#get(sdi);
    if (entry.options.mode === 'client') {
      throw refuse('EINVAL', 'keys of a client come from its server', sdi, 'a new key there, then derive again');
    }
    const an = 1 - entry.txAn;
    entry.slots[an]?.bytes.fill(0);
    entry.slots[an] = freshKey();
    return an;
  }

  /** Says under which key is sent. @throws VerbsError `ENOENT` */
  activate(sdi: number, an: number): void {
    const entry = this.#get(sdi);
    if (entry.slots[an] === undefined) throw refuse('ENOENT', `key slot ${an} is empty`, sdi, 'a new key first');
    entry.txAn = an;
  }

  /** Takes a key out. @throws VerbsError `ENOENT` · `EBUSY` it is sent under */
  retire(sdi: number, an: number): void {
    const entry = this.#get(sdi);
    if (an === entry.txAn) throw refuse('EBUSY', `key slot ${an} is sent under`, sdi, `activate slot ${1 - an} first`);
    entry.slots[an]?.bytes.fill(0);
    entry.slots[an] = undefined;
  }

  /**
   * What a client of a server's domain gets: key and mask of each slot, and nothing that leads to those of others.
   *
   * @param client - its source identifier where the domain has them, else its IP address
   * @throws VerbsError `ENOENT` · `EINVAL` the domain has no server here, or the client is named in another way
   */
  derive(sdi: number, client: string): KeyRing {
    const { options, slots, txAn } = this.#get(sdi);
    const { mode, ssi, clients: _clients, ipv6Context: _, rekeyMask: _mask, rekeyShift: _shift, ...common } = options;
    if (mode !== 'server') throw refuse('EINVAL', `members of a ${mode} domain have its own key`, sdi, 'a copy');
    const number = ssi === true && /^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(client) ? Number(client) : undefined;
    const identity = ssi === true ? number : parseAddress(client);
    if (identity === undefined || (typeof identity === 'number' && identity > 0xffff_ffff)) {
      throw refuse(
        'EINVAL',
        `'${client}' names no client`,
        sdi,
        ssi === true ? 'its source identifier' : 'its address',
      );
    }
    const made = KeyRing.empty();
    const cipher = new NodeCipher();
    const derived = slots.map(
      (slot) => slot && { bytes: clientKey(cipher, slot.bytes, identity, slot.epoch), epoch: slot.epoch },
    );
    const own = typeof identity === 'number' ? { ssi: identity } : {};
    made.#domains.set(sdi, { options: { ...common, mode: 'client', ...own }, slots: derived as Slots, txAn });
    return made;
  }

  /** What is said of a domain, for whoever adds it elsewhere. @throws VerbsError `ENOENT` */
  optionsOf(sdi: number): Row {
    return { ...this.#get(sdi).options } as Row;
  }

  /**
   * A key, for whoever provisions it elsewhere; overwrite the bytes afterwards.
   *
   * @param an - slot; undefined: the one that is sent under
   * @throws VerbsError `ENOENT`
   */
  keyOf(sdi: number, an?: number): ProvisionedKey {
    const { slots, txAn } = this.#get(sdi);
    const slot = slots[an ?? txAn];
    if (slot === undefined) throw refuse('ENOENT', `the file has no key of slot ${an}`, sdi, 'a new key first');
    return { bytes: slot.bytes.slice(), an: an ?? txAn, epoch: slot.epoch };
  }

  /** Whether there is a key in a slot. @throws VerbsError `ENOENT` */
  hasKey(sdi: number, an: number): boolean {
    return this.#get(sdi).slots[an] !== undefined;
  }

  /** What may be shown: nothing of keys. */
  rows(): Row[] {
    return Array.from(this.#domains, ([sdi, { options, slots, txAn }]) => {
      const [first, second] = slots.map((slot) => (slot === undefined ? 'empty' : `epoch ${slot.epoch}`));
      const { mode, ssi, ...rest } = options;
      const identifier = ssi === undefined ? 'none' : ssi === true ? 'of clients' : ssi;
      return { sdi, mode, ssi: identifier, tx_an: txAn, key_0: first!, key_1: second!, ...rest } as Row;
    });
  }

  /** The domains for devices, with counters in a file. @param path - of the key file, for the name of that one */
  store(counters: CounterStore | undefined): DomainStore {
    const store = new DomainStore(counters);
    for (const [sdi, { options, slots, txAn }] of this.#domains) {
      store.add(sdi, options as Row, { ...slots[txAn]!, an: txAn });
      const other = slots[1 - txAn];
      if (other !== undefined) store.install(sdi, { ...other, an: 1 - txAn });
    }
    return store;
  }

  /** Where its packet counters are kept. @param path - of the key file */
  countersPath(path: string): string {
    return this.#counters ?? `${path}.counters`;
  }

  /** Opens packets that were recorded, of any age and in both directions. */
  opener(): PacketOpener {
    return this.store(undefined).opener();
  }

  /**
   * Writes a key file with mode 0600, whole or not at all.
   *
   * @param replace - false: a file that is there stays
   * @throws VerbsError `EEXIST` · `EACCES` · `ENOENT` · `ENOSPC` · `EIO`
   */
  write(path: string, replace: boolean): void {
    const domains = Array.from(this.#domains, ([sdi, { options, slots, txAn }]) => ({
      ...{ sdi, ...options },
      keys: slots.flatMap((slot, an) => {
        if (slot === undefined) return [];
        const key = Buffer.from(slot.bytes).toString('hex');
        return {
          an,
          key,
          ...(slot.epoch === 0 ? {} : { epoch: slot.epoch }),
          ...(an === txAn ? { active: true } : {}),
        };
      }),
    }));
    writeKeyText(path, { ...(this.#counters === undefined ? {} : { counters: this.#counters }), domains }, replace);
  }

  #get(sdi: number): Entry {
    const entry = this.#domains.get(sdi);
    if (entry !== undefined) return entry;
    const known = this.identifiers.map((one) => `0x${one.toString(16)}`).join(', ');
    throw refuse('ENOENT', 'the file has no such domain', sdi, known === '' ? 'a file with domains' : known);
  }

  /** @throws VerbsError what a device would say later */
  #check(): void {
    this.store(undefined);
  }
}

interface Slot {
  readonly bytes: Uint8Array;
  readonly epoch: number;
}

type Slots = [Slot | undefined, Slot | undefined];

interface Entry {
  readonly options: Options;
  readonly slots: Slots;
  txAn: number;
}

const freshKey = (): Slot => ({ bytes: randomBytes(32), epoch: 0 });

function bytesOf(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

function refuse(code: 'ENOENT' | 'EEXIST' | 'EINVAL' | 'EBUSY', problem: string, sdi: number, hint = ''): VerbsError {
  return new VerbsError(code, 'keyFile', problem, {
    object: `secure domain 0x${sdi.toString(16)}`,
    ...(hint === '' ? {} : { try: hint }),
    see: 'docs/transports/uet.md',
  });
}
