/** What a dissector has found so far. Protocol dissectors add to it; they never throw and never read past its end. */
import { dissect, type HeaderNode } from './dissect.ts';
import { type AnyHeader, byteLength, describe } from './header.ts';

/** One header of a frame. */
export interface Layer extends HeaderNode {
  readonly protocol: string;
}

/** Something worth saying about one place in a frame. */
export interface Remark {
  readonly offset: number;
  /** Protocol and field, for instance `UDP.length`. */
  readonly field: string;
  readonly text: string;
}

/** A dissected frame. JSON-safe. */
export interface Dissected {
  /** Outermost first. */
  readonly protocols: readonly string[];
  readonly layers: readonly Layer[];
  /** Bytes behind the innermost header that was understood, trailers not counted. */
  readonly payloadLength: number;
  /** A switch has cut the packet to make room. */
  readonly trimmed: boolean;
  /** What is malformed. */
  readonly problems: readonly Remark[];
  /** What is unusual but not wrong. */
  readonly notes: readonly Remark[];
}

/** Options of a dissection. */
export interface DissectOptions {
  /** UDP destination ports on which UET is expected; 4793 unless told. */
  readonly udpPorts?: readonly number[];
  /** IP protocol numbers of UET without UDP; 253 unless told. */
  readonly ipProtocols?: readonly number[];
  /** UDP destination ports on which RoCEv2 is expected; 4791 unless told. */
  readonly rocePorts?: readonly number[];
  /** Whether bytes behind a UET security header are ciphertext and must not be looked at; true unless told. */
  readonly encrypted?: boolean;
  /**
   * Opens a protected packet in place, in the bytes that are dissected: for who has keys. What stands in front of the
   * security header and the header itself stay as they are.
   *
   * @returns '' when it is open, else why not
   */
  readonly open?: (packet: SealedPart) => string;
}

/** Where a protected packet lies in a frame. */
export interface SealedPart {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the IP header is; -1 when there is none. */
  readonly ip: number;
  /** Where the security header is. */
  readonly at: number;
  /** Behind the check value. */
  readonly end: number;
}

/** A dissection under way. Offsets are into `bytes`; `end` may shrink when a header announces less. */
export class Dissection implements Dissected {
  readonly protocols: string[] = [];
  readonly layers: Layer[] = [];
  readonly problems: Remark[] = [];
  readonly notes: Remark[] = [];
  payloadLength = 0;
  trimmed = false;
  declare readonly bytes: Uint8Array;
  declare readonly view: DataView;
  declare readonly options: DissectOptions;

  constructor(bytes: Uint8Array, options: DissectOptions) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.options = options;
  }

  /**
   * Adds a header if its bytes are there, else reports it as cut off.
   *
   * @returns offset behind the header, or -1 when it was cut off
   */
  add(protocol: string, declared: AnyHeader, at: number, end: number, rename?: Rename): number {
    const length = byteLength(declared);
    if (this.protocols.at(-1) !== protocol || protocol === 'VLAN') this.protocols.push(protocol);
    if (end - at < length) {
      const text = `${describe(declared).name} needs ${length} bytes, ${Math.max(0, end - at)} are there`;
      if (this.trimmed) this.note(at, protocol, `${text}: the rest was trimmed`);
      else this.problem(at, protocol, text);
      return -1;
    }
    const node = dissect(declared, this.view, at);
    const fields = node.fields.map((one) => (rename?.[0] === one.name ? { ...one, name: rename[1] } : one));
    this.layers.push({ protocol, ...node, fields });
    return at + length;
  }

  /** The rest is payload. */
  payload(at: number, end: number): void {
    this.payloadLength = Math.max(0, end - at);
  }

  problem(offset: number, field: string, text: string): void {
    this.problems.push({ offset, field, text });
  }

  note(offset: number, field: string, text: string): void {
    this.notes.push({ offset, field, text });
  }

  /** The findings alone, without the machinery. */
  result(): Dissected {
    const { protocols, layers, payloadLength, trimmed, problems, notes } = this;
    return { protocols, layers, payloadLength, trimmed, problems, notes };
  }
}

/** A field whose meaning, and so its name, depends on another field. */
export type Rename = readonly [from: string, to: string];
