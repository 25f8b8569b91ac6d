/**
 * The key of a packet: that of its slot, or one derived for its source. Finds derived ones again.
 *
 * @spec uet:tss/5 uet:tss/6
 */
import { type CipherKey, IV_BYTES, KEY_BYTES } from '../../../engine/cipher.ts';
import type { DerivedKey } from './derived-keys.ts';
import type { DomainTable } from './domain-table.ts';
import { KeyDerivation, LABEL } from './key-derivation.ts';
import type { KeySlot } from './key-slot.ts';
import { isMapped, writeWord } from './packet-frame.ts';
import type { SecureDomain } from './secure-domain.ts';
import type { SecurityFields } from './security-fields.ts';

export class PacketKeys {
  /** What {@link find} found. */
  current: DerivedKey | undefined;
  readonly #table: DomainTable;
  readonly #kdf = new KeyDerivation();
  readonly #word = new Uint8Array(4);
  #identity: Uint8Array = this.#word;
  #identityAt = 0;
  #identityBytes = 0;

  constructor(table: DomainTable) {
    this.#table = table;
  }

  /**
   * Looks for the key of the packet that `fields` describe.
   *
   * @param address - 16 bytes: of the packet's source; in server mode of the client
   * @returns whether it is there, in {@link current}
   */
  find(domain: SecureDomain, slot: KeySlot, fields: SecurityFields, address: Uint8Array): boolean {
    const { rules, derived } = domain;
    if (rules.mode === 'direct' || rules.mode === 'client') {
      this.current = slot; // the key itself
      return true;
    }
    this.#chooseIdentity(domain, fields, address);
    const rekey = rekeyOf(domain, fields);
    derived.want(slot.id, fields.epoch, rekey, this.#identity, this.#identityAt, this.#identityBytes);
    this.current = derived.get();
    return this.current !== undefined;
  }

  /** Makes the key that was not found; `domain.derived.put` keeps it, when the packet has proven itself. */
  derive(domain: SecureDomain, slot: KeySlot, fields: SecurityFields, address: Uint8Array): DerivedKey {
    const kdf = this.#kdf;
    const label = domain.rules.mode === 'server' ? LABEL.SERVER : LABEL.CLUSTER;
    this.#chooseIdentity(domain, fields, address);
    const rekey = rekeyOf(domain, fields);
    kdf.derive(slot.key, label, fields.epoch, rekey, this.#identity, this.#identityAt, this.#identityBytes);
    const key: CipherKey = this.#table.importKey(kdf.output.subarray(0, KEY_BYTES));
    const mask = kdf.output.slice(KEY_BYTES, KEY_BYTES + IV_BYTES);
    kdf.wipe();
    return { key, mask };
  }

  /** What the key of a source depends on. */
  #chooseIdentity({ rules }: SecureDomain, { ssi }: SecurityFields, address: Uint8Array): void {
    const v4 = isMapped(address);
    if (rules.usesSsi && (v4 || rules.ipv6BySsi)) {
      writeWord(this.#word, ssi);
      this.#identity = this.#word;
      this.#identityAt = 0;
      this.#identityBytes = 4;
      return;
    }
    this.#identity = address;
    this.#identityAt = v4 ? 12 : 0;
    this.#identityBytes = v4 ? 4 : 16;
  }
}

const rekeyOf = ({ rules: { rekey } }: SecureDomain, { tsc }: SecurityFields): number =>
  rekey === undefined ? 0 : rekey.of(tsc);
