/**
 * All secure domains of a process (SDKDB): found by identifier when packets come, by handle when they go. Links share one,
 * so that a key has one counter however many devices use it. @spec uet:tss/4
 */
import { VerbsError } from '../../../base/verbs-error.ts';
import type { Cipher, CipherKey } from '../../../engine/cipher.ts';
import { type CounterStore, VolatileCounters } from './counter-store.ts';
import { type DomainOptions, domainRules } from './domain-options.ts';
import { type DomainKey, SecureDomain } from './secure-domain.ts';

export interface DomainTableOptions {
  /** Where packet counters continue. Default: nowhere, for keys that end with the process. */
  readonly counters?: CounterStore;
  /** Counter values that are reserved at a time. Default 2^24. */
  readonly counterBlock?: number;
}

export class DomainTable {
  readonly #cipher: Cipher;
  readonly #counters: CounterStore;
  readonly #block: number;
  readonly #bySdi = new Map<number, SecureDomain>();
  readonly #byHandle: (SecureDomain | undefined)[] = [undefined];

  constructor(cipher: Cipher, { counters = new VolatileCounters(), counterBlock = 2 ** 24 }: DomainTableOptions = {}) {
    this.#cipher = cipher;
    this.#counters = counters;
    this.#block = counterBlock;
  }

  get size(): number {
    return this.#bySdi.size;
  }

  /**
   * Adds a domain with its first key, which is sent under at once.
   *
   * @throws VerbsError `EINVAL` · `EEXIST` there is a domain of that identifier · `ENOSPC` too many, or too many so far
   */
  add(options: DomainOptions, key: DomainKey): SecureDomain {
    const rules = domainRules(options);
    if (this.#bySdi.has(rules.sdi)) {
      throw refuse('EEXIST', rules.sdi, 'there is a domain of that identifier', 'rotate its key, or remove it first');
    }
    if (this.#bySdi.size >= MAX_DOMAINS) {
      throw refuse('ENOSPC', rules.sdi, `there are ${MAX_DOMAINS} domains already`, 'remove one that is not used');
    }
    if (this.#byHandle.length > MAX_HANDLE) {
      throw refuse('ENOSPC', rules.sdi, `there were ${MAX_HANDLE} domains so far`, 'a new process');
    }
    const domain = new SecureDomain(this.#byHandle.length, rules, this.#cipher, this.#counters, this.#block);
    domain.txAn = key.an;
    domain.install(key);
    this.#byHandle.push(domain);
    this.#bySdi.set(rules.sdi, domain);
    return domain;
  }

  /** By identifier. */
  find(sdi: number): SecureDomain | undefined {
    return this.#bySdi.get(sdi);
  }

  /** @throws VerbsError `ENOENT` */
  get(sdi: number): SecureDomain {
    const domain = this.#bySdi.get(sdi);
    if (domain !== undefined) return domain;
    throw refuse('ENOENT', sdi, 'there is no such domain here', 'one that SECDOM.SHOW lists');
  }

  at(handle: number): SecureDomain | undefined {
    return this.#byHandle[handle];
  }

  /** Takes a domain away: its packets are dropped, its queue pairs can send no more. @throws VerbsError `ENOENT` */
  remove(sdi: number): void {
    const domain = this.get(sdi);
    domain.remove();
    this.#bySdi.delete(sdi);
    this.#byHandle[domain.handle] = undefined;
  }

  /** Takes a derived key. */
  importKey(bytes: Uint8Array): CipherKey {
    return this.#cipher.importKey(bytes);
  }

  all(): IterableIterator<SecureDomain> {
    return this.#bySdi.values();
  }
}

const refuse = (code: 'ENOENT' | 'EEXIST' | 'ENOSPC', sdi: number, problem: string, hint: string): VerbsError =>
  new VerbsError(code, 'secureDomain', problem, { object: `secure domain 0x${sdi.toString(16)}`, try: hint });

/** Domains at a time. */
const MAX_DOMAINS = 256;
/** Handles are not used twice: a path that names one must not come to mean another domain. */
const MAX_HANDLE = 0x3fff;
