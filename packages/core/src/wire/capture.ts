/** Capture files in general: what both formats have in common. */
import { names } from './names.ts';

/** What a frame begins with (numbers of the tcpdump link-type registry). */
export const LinkType = names({ ETHERNET: 1, RAW: 101, IPV4: 228, IPV6: 229 });

/** One frame of a capture. `data` is a window on the file's bytes. */
export interface CapturedFrame {
  readonly data: Uint8Array;
  /** Length on the wire; more than `data` holds when the capture cut it. */
  readonly originalLength: number;
  readonly linkType: number;
  /** Nanoseconds since the epoch of the capturing host; absent where the file has none. */
  readonly timestampNs?: bigint | undefined;
  /** Index of the interface in its section; 0 in files without interfaces. */
  readonly interface: number;
  readonly direction?: 'in' | 'out' | undefined;
  readonly comment?: string | undefined;
}

/** A capture file that is damaged or is none. `offset` is the byte where that shows. */
export class CaptureError extends Error {
  declare readonly code: 'CAPTURE_MALFORMED';
  declare readonly offset: number;

  constructor(offset: number, text: string) {
    super(`capture is malformed at byte ${offset}: ${text}`);
    this.name = 'CaptureError';
    this.code = 'CAPTURE_MALFORMED';
    this.offset = offset;
  }
}
