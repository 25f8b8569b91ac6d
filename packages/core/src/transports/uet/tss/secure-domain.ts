/**
 * A secure domain: rules, two key slots of which one is used to send, counters. Knows keys as handles of the host only.
 *
 * Rotation in four steps, in this order, on all members: `install` the new key everywhere (it can be received from then
 * on), `activate` it (packets are sent under it, also repetitions), wait until no packet under the old one is on its way,
 * `retire` the old one. @spec uet:tss/4 uet:tss/13
 */
import { VerbsError } from '../../../base/verbs-error.ts';
import { type Cipher, type CipherKey, IV_BYTES, KEY_BYTES } from '../../../engine/cipher.ts';
import type { CounterStore } from './counter-store.ts';
import { DerivedKeys } from './derived-keys.ts';
import type { DomainRules } from './domain-options.ts';
import { KeySlot, NO_MASK } from './key-slot.ts';

/** A key as it is provisioned. */
export interface DomainKey {
  /** 32 bytes; of a client 44: key and mask, as its server made them. Copied. */
  readonly bytes: Uint8Array;
  /** Slot: 0 or 1. */
  readonly an: number;
  /** 16 bits; 0 for a fresh key. An end that begins again under an old key gets a new one. */
  readonly epoch?: number;
}

export class SecureDomain {
  readonly rules: DomainRules;
  /** Names the domain inside this process; never given to another one. */
  readonly handle: number;
  readonly derived = new DerivedKeys();
  /** Which slot is sent under. */
  txAn = 0;
  sealed = 0;
  opened = 0;
  forged = 0;
  late = 0;
  exhausted = 0;
  readonly #slots: (KeySlot | undefined)[] = [undefined, undefined];
  readonly #cipher: Cipher;
  readonly #counters: CounterStore;
  readonly #block: number;
  /** Check values of keys that were here: a key comes once, or its counters would begin anew. */
  readonly #known = new Set<string>();
  #slotIds = 0;
  #removed = false;

  constructor(handle: number, rules: DomainRules, cipher: Cipher, counters: CounterStore, block: number) {
    this.handle = handle;
    this.rules = rules;
    this.#cipher = cipher;
    this.#counters = counters;
    this.#block = block;
  }

  /** Every further packet is refused for the number of forged ones. */
  get latched(): boolean {
    return this.rules.latchAfter !== 0 && this.forged > this.rules.latchAfter;
  }

  /** The key under which packets are sent; undefined where there is none. */
  get sending(): KeySlot | undefined {
    return this.#slots[this.txAn];
  }

  slot(an: number): KeySlot | undefined {
    return this.#slots[an];
  }

  /**
   * Puts a key into a slot that is not sent under. From now on packets under it are taken.
   *
   * @throws VerbsError `EINVAL` it has the wrong length · `EBUSY` the slot is sent under · `EEXIST` the key was used before
   */
  install({ bytes, an, epoch = 0 }: DomainKey): void {
    const { mode, sdi } = this.rules;
    const wanted = mode === 'client' ? KEY_BYTES + IV_BYTES : KEY_BYTES;
    if (this.#removed) throw this.#refuse('ENOENT', 'the domain has been removed', 'add it again');
    if (bytes.length !== wanted) {
      throw this.#refuse('EINVAL', `a key of ${mode} mode has ${wanted} bytes, not ${bytes.length}`, `${wanted} bytes`);
    }
    if (an !== 0 && an !== 1) throw this.#refuse('EINVAL', `there is no key slot ${an}`, '0 or 1');
    if (!(Number.isInteger(epoch) && epoch >= 0 && epoch <= 0xffff))
      throw this.#refuse('EINVAL', `epoch cannot be ${epoch}`, 'a whole number, 0 to 65535');
    if (an === this.txAn && this.sending !== undefined) {
      throw this.#refuse('EBUSY', `key slot ${an} is sent under`, `slot ${1 - an}, then activate it`);
    }
    const key = this.#cipher.importKey(bytes.subarray(0, KEY_BYTES));
    const name = nameOf(key, sdi, epoch);
    if (this.#known.has(name)) {
      throw this.#refuse('EEXIST', 'this key was here before, with this epoch', 'a key that was never used');
    }
    if (this.#known.size >= MAX_KNOWN) throw this.#refuse('ENOSPC', 'too many keys so far', 'a new domain');
    this.#known.add(name);
    this.#clear(an);
    this.#slotIds++;
    this.#slots[an] = new KeySlot({
      ...{ id: this.#slotIds, key, epoch, name, store: this.#counters, block: this.#block },
      mask: mode === 'client' ? bytes.slice(KEY_BYTES) : NO_MASK,
      limit: this.rules.lastTsc - this.rules.firstTsc,
    });
  }

  /** Sends under the key of that slot from now on. @throws VerbsError `ENOENT` there is none */
  activate(an: number): void {
    if (this.#slots[an] === undefined) {
      throw this.#refuse('ENOENT', `key slot ${an} is empty`, 'install a key there first');
    }
    this.txAn = an;
  }

  /** Forgets the key of a slot; packets under it are dropped. @throws VerbsError `EBUSY` the slot is sent under */
  retire(an: number): void {
    if (an === this.txAn && !this.#removed && this.sending !== undefined) {
      throw this.#refuse(
        'EBUSY',
        `key slot ${an} is sent under`,
        `activate slot ${1 - an} first, or remove the domain`,
      );
    }
    this.#clear(an);
  }

  /** Forgets all keys, for ever. */
  remove(): void {
    this.#removed = true;
    this.#clear(0);
    this.#clear(1);
  }

  /** What tools may see: nothing of keys. */
  row(): Readonly<Record<string, string | number | boolean>> {
    const { sdi, mode, usesSsi, ssi, epochLifetime } = this.rules;
    const slots = this.#slots.map((slot) => (slot === undefined ? 'empty' : `epoch ${slot.epoch}`));
    return {
      ...{ sdi, mode, ssi: usesSsi ? ssi : 'none', tx_an: this.txAn, key_0: slots[0]!, key_1: slots[1]! },
      ...{ epoch_lifetime: epochLifetime, latched: this.latched, sealed: this.sealed, opened: this.opened },
      ...{ forged: this.forged, late: this.late, exhausted: this.exhausted },
    };
  }

  #clear(an: number): void {
    const slot = this.#slots[an];
    if (slot === undefined) return;
    this.derived.forget(slot.id);
    slot.forget();
    this.#slots[an] = undefined;
  }

  #refuse(code: 'EINVAL' | 'ENOENT' | 'EBUSY' | 'EEXIST' | 'ENOSPC', problem: string, hint: string): VerbsError {
    return new VerbsError(code, 'secureDomain', problem, {
      object: `secure domain 0x${this.rules.sdi.toString(16)}`,
      try: hint,
      see: 'docs/transports/uet.md',
    });
  }
}

/** A name for key and epoch, for counter stores: a check value that leads back to neither. */
function nameOf(key: CipherKey, sdi: number, epoch: number): string {
  const message = new Uint8Array(NAME_BYTES);
  const view = new DataView(message.buffer);
  view.setUint32(4, sdi);
  view.setUint32(8, epoch);
  view.setUint32(12, NAME_PURPOSE);
  const check = new Uint8Array(NAME_BYTES);
  key.cmac(message, NAME_BYTES, check, 0);
  return Array.from(check.subarray(0, 12), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const NAME_BYTES = 16;
/** The first byte, 0, keeps these apart from what keys are derived from. */
const NAME_PURPOSE = 0x5453_4331;
/** Keys that a domain can have had. */
const MAX_KNOWN = 65_536;
