/** What a system knows of secure domains: how they are provisioned. Which protocol uses them, and how, is another matter. */
import type { Row } from '../uapi/rows.ts';
import type { CaptureSink } from './capture.ts';

/** Keys of secure domains, in the hands of the host. Errors and rows never show one. */
export interface SecureDomains {
  /** @throws VerbsError `EINVAL` · `EEXIST` · `ENOSPC` */
  add(sdi: number, options: Row, key: ProvisionedKey): void;
  /** @throws VerbsError `EINVAL` · `ENOENT` · `EBUSY` the slot is sent under · `EEXIST` the key was used before */
  install(sdi: number, key: ProvisionedKey): void;
  /** @throws VerbsError `ENOENT` */
  activate(sdi: number, an: number): void;
  /** @throws VerbsError `ENOENT` · `EBUSY` the slot is sent under */
  retire(sdi: number, an: number): void;
  /** @throws VerbsError `ENOENT` */
  remove(sdi: number): void;
  rows(): readonly Row[];
  /** A sink whose frames go on to `sink` in the clear, as far as the keys that are here open them. */
  decrypting?(sink: CaptureSink): CaptureSink;
}

/** Bytes that the receiver copies, slot, epoch. */
export interface ProvisionedKey {
  readonly bytes: Uint8Array;
  readonly an: number;
  readonly epoch: number;
}
