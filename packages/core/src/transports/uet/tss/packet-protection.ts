/**
 * Protects the packets of one address entry, in place: what core's side of TSS does to bytes.
 *
 *     seal   clear [PDS | SES | payload]           ->  [security header][ciphertext][ICV]
 *     open   [security header][ciphertext][ICV]    ->  [PDS | SES | payload], or a reason to drop it
 *
 * @spec uet:tss/10 uet:tss/11
 */
import { IV_BYTES } from '../../../engine/cipher.ts';
import type { Packet } from '../../../engine/packet.ts';
import type { Datagram, PacketSeal } from '../../../engine/seal.ts';
import type { Nanos } from '../../../engine/time.ts';
import type { DerivedKey } from './derived-keys.ts';
import { addressName } from './domain-options.ts';
import type { DomainTable } from './domain-table.ts';
import type { KeySlot } from './key-slot.ts';
import { type Framing, isMapped, MAX_AAD_BYTES, writeAad, writeIv } from './packet-frame.ts';
import { PacketKeys } from './packet-keys.ts';
import type { SecurityDrop } from './reasons.ts';
import type { SecureDomain } from './secure-domain.ts';
import { ICV_BYTES, isSecured, MAX_SECURITY_HEADER_BYTES, SecurityFields } from './security-fields.ts';

export interface ProtectionOptions {
  /** What is authenticated in front of the security header. Default `addresses`, for UDP. */
  readonly framing?: Framing;
  /** Packets in the clear are taken as well, for programs that name no domain. Default false. */
  readonly clear?: boolean;
  /** Identifier of the domain of queue pairs that name none. */
  readonly domain?: number;
  /** Idempotent requests (RUDI) are taken: whoever records one can have it executed again, under the same key. Default false. */
  readonly replays?: boolean;
}

export class PacketProtection implements PacketSeal {
  readonly headBytes = MAX_SECURITY_HEADER_BYTES;
  readonly tailBytes = ICV_BYTES;
  readonly acceptsClear: boolean;
  readonly acceptsReplays: boolean;
  readonly coversPorts: boolean;
  /** Domain of the packet that was opened last; 0 for one in the clear. */
  domain = 0;
  readonly #table: DomainTable;
  readonly #framing: Framing;
  readonly #default: number;
  readonly #fields = new SecurityFields();
  readonly #iv = new Uint8Array(IV_BYTES);
  readonly #aad = new Uint8Array(MAX_AAD_BYTES);
  readonly #keys: PacketKeys;
  /** Server mode: the source identifier of the client behind a path, by domain. It stays with the address that had it first. */
  readonly #clients = new Map<number, number>();
  #derivations = 0;
  #derivationsSince: Nanos = 0;

  constructor(
    table: DomainTable,
    { framing = 'addresses', clear = false, domain = 0, replays = false }: ProtectionOptions = {},
  ) {
    this.#table = table;
    this.#keys = new PacketKeys(table);
    this.#framing = framing;
    this.acceptsClear = clear;
    this.acceptsReplays = replays;
    this.coversPorts = framing !== 'addresses';
    this.#default = domain;
  }

  handleOf(identifier: number | undefined): number {
    const sdi = identifier ?? this.#default;
    return sdi === 0 ? 0 : (this.#table.find(sdi)?.handle ?? -1);
  }

  identifierOf(handle: number): number {
    return this.#table.at(handle)?.rules.sdi ?? 0;
  }

  seal(
    handle: number,
    path: number,
    datagram: Datagram,
    view: DataView,
    bytes: Uint8Array,
    at: number,
    length: number,
  ): number {
    const domain = this.#table.at(handle);
    const slot = domain?.sending;
    if (domain === undefined || slot === undefined) return 0;
    const { rules } = domain;
    const fields = this.#fields;
    const { mode, usesSsi } = rules;
    if (!usesSsi && mode !== 'cluster' && !isMapped(datagram.source)) return 0; // @spec uet:tss/5: nothing would tell senders apart
    let { ssi } = rules;
    if (usesSsi && mode === 'server') {
      const client = this.#clients.get(clientKey(handle, path)) ?? this.#expect(domain, path, datagram.destination);
      if (client === undefined) return 0; // it has not been heard of yet
      ssi = client;
    }
    const counter = slot.take();
    if (counter < 0) {
      domain.exhausted++;
      return 0;
    }
    fields.hasSsi = usesSsi;
    fields.an = domain.txAn;
    fields.sdi = rules.sdi;
    fields.ssi = ssi;
    fields.epoch = slot.epoch;
    fields.tsc = rules.firstTsc + counter;
    const header = fields.length;
    const start = at - header;
    fields.write(view, start);
    datagram.length = header + length + ICV_BYTES;
    const { key, mask } = this.#keyFor(domain, slot, mode === 'server' ? datagram.destination : datagram.source);
    writeIv(this.#iv, fields, datagram.source, mask, bytes, start);
    const aadBytes = writeAad(this.#aad, datagram, this.#framing, bytes, start, header);
    key.seal(this.#iv, this.#aad, aadBytes, bytes, at, length);
    domain.sealed++;
    return header;
  }

  open(now: Nanos, packet: Packet, datagram: Datagram): SecurityDrop | '' {
    const { view, bytes, at, length } = packet;
    this.domain = 0;
    if (!isSecured(view, at, length)) return this.acceptsClear ? '' : 'tss_clear';
    if (packet.trimmed) return 'tss_trimmed';
    const fields = this.#fields;
    if (!fields.read(view, at, length)) return 'tss_short';
    const domain = this.#table.find(fields.sdi);
    if (domain === undefined) return 'tss_domain';
    if (domain.latched) return 'tss_latched';
    const { rules } = domain;
    if (fields.hasSsi !== rules.usesSsi) return 'tss_source';
    if (!rules.usesSsi && rules.mode !== 'cluster' && !isMapped(datagram.source)) return 'tss_source';
    const slot = domain.slot(fields.an);
    if (slot === undefined) return 'tss_key';
    if (!slot.accepts(fields.epoch, rules.epochLifetime)) {
      domain.late++;
      return 'tss_epoch';
    }
    const { usesSsi, mode } = rules;
    const bound =
      usesSsi && mode === 'server'
        ? (this.#clients.get(clientKey(domain.handle, packet.path)) ??
          this.#expect(domain, packet.path, datagram.source))
        : undefined;
    if (bound !== undefined && bound !== fields.ssi) return 'tss_source';
    const isKnown = this.#keys.find(domain, slot, fields, datagram.source);
    if (!isKnown && !this.#mayDerive(now)) return 'tss_derive';
    const made = isKnown ? undefined : this.#keys.derive(domain, slot, fields, datagram.source);
    const { key, mask } = made ?? this.#keys.current!;
    const header = fields.length;
    const textLength = length - header - ICV_BYTES;
    datagram.length = length;
    writeIv(this.#iv, fields, datagram.source, mask, bytes, at);
    const aadBytes = writeAad(this.#aad, datagram, this.#framing, bytes, at, header);
    if (!key.open(this.#iv, this.#aad, aadBytes, bytes, at + header, textLength)) {
      domain.forged++;
      return 'tss_auth';
    }
    if (made !== undefined) domain.derived.put(made);
    if (usesSsi && mode === 'server' && bound === undefined) {
      this.#clients.set(clientKey(domain.handle, packet.path), fields.ssi);
    }
    domain.opened++;
    packet.at = at + header;
    packet.length = textLength;
    this.domain = domain.handle;
    return '';
  }

  /** The key of packets of a source that this end may derive without being asked from outside. */
  #keyFor(domain: SecureDomain, slot: KeySlot, address: Uint8Array): DerivedKey {
    if (this.#keys.find(domain, slot, this.#fields, address)) return this.#keys.current!;
    const made = this.#keys.derive(domain, slot, this.#fields, address);
    domain.derived.put(made);
    return made;
  }

  /** The client that was named with this address, if one was. */
  #expect({ handle, rules: { clients } }: SecureDomain, path: number, address: Uint8Array): number | undefined {
    const client = clients.size === 0 ? undefined : clients.get(addressName(address));
    if (client !== undefined) this.#clients.set(clientKey(handle, path), client);
    return client;
  }

  /** Packets of unknown sources may cost so much and no more. */
  #mayDerive(now: Nanos): boolean {
    if (now >= this.#derivationsSince + DERIVATION_PERIOD) {
      this.#derivationsSince = now;
      this.#derivations = 0;
    }
    return this.#derivations++ < DERIVATIONS;
  }
}

const clientKey = (handle: number, path: number): number => handle * 0x1_0000 + path;

/** Keys derived for packets that have not proven themselves, in a period: a tenth of a processor. */
const DERIVATIONS = 256;
const DERIVATION_PERIOD: Nanos = 100_000_000;
