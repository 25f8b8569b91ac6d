/**
 * The security header as numbers: in front of the PDS header of every protected packet. Nothing behind it can be read
 * before the packet is opened, so this is all that chooses the key.
 *
 * @spec uet:tss/3
 */
import { byteLength } from '../../../wire/header.ts';
import { PdsType } from '../../../wire/uet/pds.ts';
import { SecurityHeader, SecurityHeaderSsi } from '../../../wire/uet/security.ts';

const { epoch: plainEpoch, counterHi: plainHi, counterLo: plainLo } = SecurityHeader;
const { ssi: wideSsi, epoch: wideEpoch, counterHi: wideHi, counterLo: wideLo } = SecurityHeaderSsi;

export class SecurityFields {
  /** A source identifier stands in the header. */
  hasSsi = false;
  /** Association number: key slot 0 or 1. */
  an = 0;
  /** Secure domain identifier, 24 bits. */
  sdi = 0;
  /** Secure source identifier, 32 bits; 0 without. */
  ssi = 0;
  /** 16 bits. */
  epoch = 0;
  /** Packet counter, 48 bits: a whole number, never a target of bit operators. */
  tsc = 0;

  /** Bytes of the header. */
  get length(): number {
    return this.hasSsi ? WIDE_BYTES : PLAIN_BYTES;
  }

  /** Reads the header at `at`. @returns false when it, the least PDS header and the check value have no room */
  read(view: DataView, at: number, length: number): boolean {
    if (length < MIN_SECURED_BYTES) return false;
    const word = view.getUint32(at);
    this.hasSsi = (word & SP) !== 0;
    if (this.hasSsi && length < MIN_SECURED_BYTES + WIDE_BYTES - PLAIN_BYTES) return false;
    this.an = (word >>> 24) & 1;
    this.sdi = word & MAX_SDI;
    if (this.hasSsi) {
      this.ssi = wideSsi.get(view, at);
      this.epoch = wideEpoch.get(view, at);
      this.tsc = wideHi.get(view, at) * WORD + wideLo.get(view, at);
    } else {
      this.ssi = 0;
      this.epoch = plainEpoch.get(view, at);
      this.tsc = plainHi.get(view, at) * WORD + plainLo.get(view, at);
    }
    return true;
  }

  /** Writes the header at `at`; the reserved bit is 0. */
  write(view: DataView, at: number): void {
    view.setUint32(at, ((PdsType.TSS << 27) | (this.hasSsi ? SP : 0) | (this.an << 24) | this.sdi) >>> 0);
    const hi = Math.floor(this.tsc / WORD);
    const lo = this.tsc % WORD;
    if (this.hasSsi) {
      wideSsi.set(view, at, this.ssi);
      wideEpoch.set(view, at, this.epoch);
      wideHi.set(view, at, hi);
      wideLo.set(view, at, lo);
    } else {
      plainEpoch.set(view, at, this.epoch);
      plainHi.set(view, at, hi);
      plainLo.set(view, at, lo);
    }
  }
}

/** Whether the packet that begins at `at` is a protected one. */
export const isSecured = (view: DataView, at: number, length: number): boolean =>
  length > 0 && view.getUint8(at) >>> 3 === PdsType.TSS;

const SP = 0x0400_0000;
const WORD = 2 ** 32;
const PLAIN_BYTES = byteLength(SecurityHeader);
const WIDE_BYTES = byteLength(SecurityHeaderSsi);
/** Bytes of the longer form. */
export const MAX_SECURITY_HEADER_BYTES = WIDE_BYTES;
/** Bytes of the check value (ICV) behind the packet. */
export const ICV_BYTES = 16;
/** Shorter than this no protected packet can be: header, the least of PDS, check value. */
const MIN_SECURED_BYTES = PLAIN_BYTES + 4 + ICV_BYTES;
export const MAX_SDI = 0xff_ffff;
/** Largest packet counter; it may not be used. */
export const MAX_TSC = 2 ** 48 - 1;
