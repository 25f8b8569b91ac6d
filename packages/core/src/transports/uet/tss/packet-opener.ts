/**
 * Opens packets that were recorded, for whoever may see them in the clear. Unlike an endpoint it takes packets of any
 * age, in both directions, and keeps no track of them: it says what a packet was, and not that it was a good one.
 *
 * @spec uet:tss/11
 */
import { IV_BYTES } from '../../../engine/cipher.ts';
import { Datagram } from '../../../engine/seal.ts';
import type { SealedPart } from '../../../wire/dissection.ts';
import { IpProtocol } from '../../../wire/ip/protocols.ts';
import { UET_IP_PROTOCOL } from '../../../wire/uet/entropy.ts';
import type { DerivedKey } from './derived-keys.ts';
import type { DomainTable } from './domain-table.ts';
import type { KeySlot } from './key-slot.ts';
import { type Framing, MAX_AAD_BYTES, writeAad, writeIv } from './packet-frame.ts';
import { PacketKeys } from './packet-keys.ts';
import { SECURITY_DROPS, type SecurityDrop } from './reasons.ts';
import type { SecureDomain } from './secure-domain.ts';
import { ICV_BYTES, isSecured, SecurityFields } from './security-fields.ts';

export class PacketOpener {
  /** Header of the packet that was looked at last. */
  readonly fields = new SecurityFields();
  readonly #table: DomainTable;
  readonly #keys: PacketKeys;
  readonly #datagram = new Datagram();
  readonly #iv = new Uint8Array(IV_BYTES);
  readonly #aad = new Uint8Array(MAX_AAD_BYTES);
  /** Ciphertext, for another try: a try that fails overwrites it. */
  readonly #kept = new Uint8Array(MAX_PACKET_BYTES);
  readonly #maxUnproven: number;
  #unproven = 0;

  /**
   * @param maxUnproven - keys that are derived in a row for packets that do not open: whoever sends packets chooses what they
   *   are derived from. Default without limit, for files
   */
  constructor(table: DomainTable, maxUnproven = Number.POSITIVE_INFINITY) {
    this.#table = table;
    this.#keys = new PacketKeys(table);
    this.#maxUnproven = maxUnproven;
  }

  /**
   * Opens a packet in place: what lies between security header and check value is in the clear afterwards.
   *
   * @returns '', or the name of the reason why not; the bytes are as they were then
   */
  open(packet: SealedPart): SecurityDrop | '' {
    const { view, at, end } = packet;
    const length = end - at;
    const { fields } = this;
    if (!isSecured(view, at, length)) return 'tss_clear';
    if (!fields.read(view, at, length) || length > MAX_PACKET_BYTES) return 'tss_short';
    const domain = this.#table.find(fields.sdi);
    if (domain === undefined) return 'tss_domain';
    if (fields.hasSsi !== domain.rules.usesSsi) return 'tss_source';
    const slot = domain.slot(fields.an);
    if (slot === undefined) return 'tss_key';
    const protocol = readAddresses(packet, this.#datagram);
    if (protocol < 0) return 'tss_source';
    const { source, destination } = this.#datagram;
    for (const framing of FRAMINGS) {
      if (protocol === (framing === 'native' ? IpProtocol.UDP : UET_IP_PROTOCOL)) continue;
      this.#readPorts(packet, framing);
      const reason = this.#try(packet, domain, slot, framing, source);
      if (reason !== 'tss_auth') return reason;
      // from a server, whose packets have the key of their receiver
      if (domain.rules.mode !== 'server' || domain.rules.usesSsi) continue;
      const other = this.#try(packet, domain, slot, framing, destination);
      if (other !== 'tss_auth') return other;
    }
    return 'tss_auth';
  }

  /** What stands between addresses and security header: of an entropy header its halves, of a UDP header its ports. */
  #readPorts({ view, at }: SealedPart, framing: Framing): void {
    const ports = at - (framing === 'native' ? ENTROPY_BYTES : UDP_BYTES);
    this.#datagram.sourcePort = view.getUint16(ports);
    this.#datagram.destinationPort = view.getUint16(ports + 2);
  }

  #try(
    { bytes, at, end }: SealedPart,
    domain: SecureDomain,
    slot: KeySlot,
    framing: Framing,
    client: Uint8Array,
  ): SecurityDrop | '' {
    const { fields } = this;
    let made: DerivedKey | undefined;
    if (!this.#keys.find(domain, slot, fields, client)) {
      if (this.#unproven >= this.#maxUnproven) return 'tss_derive';
      this.#unproven++;
      made = this.#keys.derive(domain, slot, fields, client);
    }
    const { key, mask } = made ?? this.#keys.current!;
    const text = at + fields.length;
    const length = end - text - ICV_BYTES;
    const kept = this.#kept;
    for (let i = 0; i < length; i++) kept[i] = bytes[text + i]!;
    this.#datagram.length = end - at;
    writeIv(this.#iv, fields, this.#datagram.source, mask, bytes, at);
    const aadBytes = writeAad(this.#aad, this.#datagram, framing, bytes, at, fields.length);
    if (!key.open(this.#iv, this.#aad, aadBytes, bytes, text, length)) {
      for (let i = 0; i < length; i++) bytes[text + i] = kept[i]!;
      return 'tss_auth';
    }
    if (made !== undefined) domain.derived.put(made);
    if (this.#unproven > 0) this.#unproven--;
    return '';
  }
}

/** A reason of {@link PacketOpener.open} as a sentence. */
export const openingProblem = (reason: SecurityDrop): string =>
  reason === 'tss_domain'
    ? 'there is no key of this domain'
    : reason === 'tss_key'
      ? 'there is no key of this slot'
      : (SECURITY_DROPS.find(({ name }) => name === reason)?.text ?? reason);

/** Reads the addresses of the IP header. @returns what follows it, -1 where there is none */
function readAddresses({ bytes, ip, at }: SealedPart, into: Datagram): number {
  if (ip < 0) return -1;
  const v4 = bytes[ip]! >> 4 === 4;
  if (at < ip + (v4 ? 20 : 40) + ENTROPY_BYTES) return -1;
  const first = ip + (v4 ? 12 : 8);
  const size = v4 ? 4 : 16;
  into.source = inFull(bytes, first, size);
  into.destination = inFull(bytes, first + size, size);
  return bytes[ip + (v4 ? 9 : 6)]!;
}

/** An address with 16 bytes. */
function inFull(bytes: Uint8Array, at: number, size: number): Uint8Array {
  const address = new Uint8Array(16);
  if (size === 4) address.fill(0xff, 10, 12);
  address.set(bytes.subarray(at, at + size), 16 - size);
  return address;
}

/** In the order in which they are tried. */
const FRAMINGS: readonly Framing[] = ['addresses', 'native', 'udp'];
const ENTROPY_BYTES = 4;
const UDP_BYTES = 8;
const MAX_PACKET_BYTES = 65_536;
