/**
 * One delivery context, played by hand: what it sends is said field by field, what it expects is compared field by field.
 * PSNs are counted from the first one of the context.
 */
import {
  type ControlPacket,
  ControlType,
  FLAG_AR,
  FLAG_ISROD,
  FLAG_P,
  FLAG_RETX,
  FLAG_SYN,
  type HeaderValues,
  NackCode,
  nameOf,
  PdsType,
} from '@verbena/core/wire';
import { Broken } from '../rule.ts';
import { Inbox } from './inbox.ts';
import type { Lane } from './lane.ts';
import {
  ackCcPacket,
  ackPacket,
  type Body,
  controlPacket,
  NO_BODY,
  nackPacket,
  negotiation,
  pdsRequest,
  response,
} from './packets.ts';
import { differences, type Kind, relative, type Seen, showFields, textOf } from './seen.ts';

export interface SendOptions {
  /** PSN, from the first one. Default: the next one. */
  readonly at?: number;
  /** Default: as long as the other number is not known. */
  readonly syn?: boolean;
  /** Default true. */
  readonly ar?: boolean;
  readonly retx?: boolean;
  /** Other flags, as a mask. */
  readonly flags?: number;
  /** CLEAR_PSN, from the first one. Default: the one before. */
  readonly clear?: number;
  readonly type?: number;
  readonly next?: number;
  readonly spdcid?: number;
  readonly dpdcid?: number;
  /** SYN: the first PSN that is claimed, as a difference to the real one. */
  readonly start?: number;
  /** SYN: the four bits beside the PSN offset. */
  readonly pdcInfo?: number;
  readonly creditTarget?: number;
  /** Changes the packet before it leaves. */
  readonly patch?: (bytes: Uint8Array) => Uint8Array;
  /** 1: from another UDP port. */
  readonly path?: number;
  /** Without the protection or the CRC that the endpoint wants. */
  readonly bare?: boolean;
}

export interface AckOptions {
  readonly cack?: number;
  readonly body?: Body;
  readonly retx?: boolean;
  readonly flags?: number;
  readonly req?: number;
  readonly mpr?: number;
  readonly sackBase?: number;
  readonly sack?: readonly number[];
  readonly spdcid?: number;
  readonly dpdcid?: number;
  readonly opaque?: number;
}

export interface PeerOptions {
  readonly ordered: boolean;
  /** PDCID of this end. */
  readonly id: number;
  readonly start: number;
  readonly isInitiator: boolean;
}

export class Peer {
  readonly inbox = new Inbox<Seen>();
  readonly id: number;
  readonly ordered: boolean;
  readonly isInitiator: boolean;
  /** First PSN. */
  start: number;
  /** PDCID of the endpoint; 0 while it is not known. */
  remote = 0;
  /** Next PSN to send, from the first one. */
  next = 0;
  /** The end of the context is settled: nothing is to be closed. */
  isClosed = false;
  readonly #lane: Lane;
  readonly #timeoutMs: number;
  readonly #silenceMs: number;

  constructor(lane: Lane, options: PeerOptions, timeoutMs: number, silenceMs: number) {
    this.#lane = lane;
    this.#timeoutMs = timeoutMs;
    this.#silenceMs = silenceMs;
    this.id = options.id;
    this.start = options.start;
    this.ordered = options.ordered;
    this.isInitiator = options.isInitiator;
    lane.contexts.set(this.id, this);
  }

  /** The PSN on the wire. */
  psn(offset: number): number {
    return (this.start + offset) >>> 0;
  }

  // ------------------------------------------------------------------ sending

  /** Sends a request. @returns its PSN, from the first one */
  send(body: Body, options: SendOptions = {}): number {
    const {
      at = this.next,
      syn = this.isInitiator && this.remote === 0,
      ar = true,
      retx = false,
      clear = at - 1,
    } = options;
    if (options.at === undefined) this.next++;
    else if (at >= this.next && at < this.next + 4096) this.next = at + 1;
    const { flags = 0, start = 0, pdcInfo = 0, patch, path } = options;
    const type = options.type ?? (this.ordered ? PdsType.ROD_REQ : PdsType.RUD_REQ);
    const place = syn ? (pdcInfo << 12) | ((at - start) & 0xfff) : this.remote;
    const bytes = pdsRequest(
      {
        ...{ type, psn: this.psn(at), clearPsnOffset: clear - at, spdcid: options.spdcid ?? this.id },
        ...{ dpdcid: options.dpdcid ?? place, creditTarget: options.creditTarget ?? 0 },
        ...(options.next === undefined ? {} : { nextHeader: options.next }),
      },
      flags | (syn ? FLAG_SYN : 0) | (ar ? FLAG_AR : 0) | (retx ? FLAG_RETX : 0),
      body,
    );
    const changed = patch === undefined ? bytes : patch(bytes);
    if (options.bare === true) this.#lane.sendRaw(changed, path);
    else this.#lane.send(changed, path);
    return at;
  }

  /** Sends a control packet; one that consumes a PSN takes the next one. */
  control(
    ctlType: number,
    options: SendOptions &
      Pick<HeaderValues<typeof ControlPacket>, 'payload' | 'probeOpaque'> & { readonly isrod?: boolean } = {},
  ): number {
    const consumes = CONSUMING.has(ctlType);
    const at = options.at ?? (consumes ? this.next : undefined);
    if (consumes && options.at === undefined) this.next++;
    if (ctlType === ControlType.CLOSE_COMMAND) this.isClosed = true;
    const { syn = false, ar = consumes || ctlType === ControlType.PROBE, retx = false, flags = 0 } = options;
    const { isrod = this.ordered && syn, payload = 0, probeOpaque = 0, start = 0, patch } = options;
    const bytes = controlPacket(
      {
        ...{
          ctlType,
          psn: at === undefined ? 0 : this.psn(at),
          spdcid: options.spdcid ?? this.id,
          payload,
          probeOpaque,
        },
        dpdcid: options.dpdcid ?? (syn ? ((at ?? 0) - start) & 0xfff : this.remote),
      },
      flags | (syn ? FLAG_SYN : 0) | (ar ? FLAG_AR : 0) | (retx ? FLAG_RETX : 0) | (isrod ? FLAG_ISROD : 0),
    );
    this.#lane.send(patch === undefined ? bytes : patch(bytes));
    return at ?? 0;
  }

  /** Sends a Negotiation with its TLV. */
  negotiate(featureMask: number, options: { readonly syn?: boolean; readonly negType?: number } = {}): number {
    const at = this.next++;
    const { syn = this.remote === 0, negType = 1 } = options;
    const values = { psn: this.psn(at), spdcid: this.id, dpdcid: syn ? at & 0xfff : this.remote, featureMask, negType };
    this.#lane.send(negotiation(values, (syn ? FLAG_SYN : 0) | FLAG_AR | (this.ordered && syn ? FLAG_ISROD : 0)));
    return at;
  }

  /** Acknowledges a PSN of the endpoint. An ACK_CC when it has something to say of a bitmap or a window. */
  ack(at: number, options: AckOptions = {}): void {
    const {
      cack = at,
      body = NO_BODY,
      retx = false,
      flags = 0,
      req = 0,
      mpr,
      sack,
      sackBase = cack + 1,
      opaque,
    } = options;
    const values = {
      ...{ cackPsn: this.psn(cack), spdcid: options.spdcid ?? this.id, dpdcid: options.dpdcid ?? this.remote, req },
      ackPsnOffset: opaque === undefined ? at - cack : (opaque << 16) >> 16,
    };
    const all = flags | (retx ? FLAG_RETX : 0) | (req << 1) | (opaque === undefined ? 0 : FLAG_P);
    if (mpr === undefined && sack === undefined && options.sackBase === undefined) {
      this.#lane.send(ackPacket(values, all, body));
      return;
    }
    let sackBitmap = 0n;
    for (const one of sack ?? []) sackBitmap |= 1n << BigInt(one - sackBase);
    this.#lane.send(ackCcPacket({ ...values, mpr: mpr ?? 8, sackPsnOffset: sackBase - cack, sackBitmap }, all, body));
  }

  /** Acknowledges a PSN with a semantic response. */
  answer(at: number, values: Parameters<typeof response>[0], options: AckOptions = {}): void {
    this.ack(at, { body: response(values), ...options });
  }

  nack(
    code: number,
    at: number,
    options: {
      readonly payload?: number;
      readonly spdcid?: number;
      readonly flags?: number;
      readonly dpdcid?: number;
    } = {},
  ): void {
    const { payload = 0, spdcid = this.id, flags = 0, dpdcid = this.remote } = options;
    const values = { nackCode: code, nackPsn: this.psn(at), spdcid, dpdcid, payload: payload >>> 0 };
    this.#lane.send(nackPacket(values, flags));
  }

  // ------------------------------------------------------------------ expecting

  /** Expects the acknowledgement of a PSN; learns the number of the endpoint's context. */
  async wantAck(at: number, expected: Partial<Seen> = {}): Promise<Seen> {
    const seen = await this.want('ack', { psn: at, probed: false }, expected);
    if (this.remote === 0) this.remote = seen.spdcid;
    return seen;
  }

  /** Expects all PSNs up to `at` to be acknowledged by a cumulative acknowledgement. */
  async wantCack(at: number): Promise<Seen> {
    const seen = await this.#take((one) => one.kind === 'ack' && one.cack >= at);
    if (seen === undefined) throw this.#missing(`an ACK with a cumulative PSN of at least +${at}`);
    if (this.remote === 0) this.remote = seen.spdcid;
    return seen;
  }

  wantNack(nackCode: number, at: number, expected: Partial<Seen> = {}): Promise<Seen> {
    return this.want('nack', { psn: at }, { nackCode, ...expected }, `NACK ${nameOf(NackCode, nackCode)}`);
  }

  wantControl(ctl: number, expected: Partial<Seen> = {}): Promise<Seen> {
    return this.want('control', { ctl }, expected, `control packet ${nameOf(ControlType, ctl)}`);
  }

  /** Expects the next request packet of the endpoint, or the one with a PSN. */
  wantRequest(expected: Partial<Seen> = {}, at?: number): Promise<Seen> {
    return this.want('request', at === undefined ? {} : { psn: at }, expected);
  }

  /** Expects the next packet of read data. */
  wantData(expected: Partial<Seen> = {}): Promise<Seen> {
    return this.want('data', {}, expected);
  }

  /** Expects the next packet, whatever it is. */
  async wantAny(): Promise<Seen> {
    const seen = await this.#take(() => true);
    if (seen === undefined) throw this.#missing('an answer');
    if (this.remote === 0 && seen.kind === 'ack') this.remote = seen.spdcid;
    return seen;
  }

  /** Expects a packet: the first that fits `select`, which must then be as `expected`. */
  async want(kind: Kind, select: Partial<Seen>, expected: Partial<Seen>, what: string = kind): Promise<Seen> {
    const seen = await this.#take((one) => one.kind === kind && differences(one, select) === '');
    const wanted = `${what} with ${showFields({ ...select, ...expected }) || 'anything'}`;
    if (seen === undefined) throw this.#missing(wanted);
    const wrong = differences(seen, { fault: '', ...expected });
    if (wrong !== '') throw new Broken(wanted, `${textOf(seen)}: ${wrong}`);
    return seen;
  }

  /** Nothing of a kind may come for a while. */
  async quiet(kind: Kind | 'anything' = 'anything', ms = this.#silenceMs): Promise<void> {
    const seen = await this.#take((one) => kind === 'anything' || one.kind === kind, ms);
    if (seen !== undefined) throw new Broken(`silence (${kind})`, textOf(seen));
  }

  /** Forgets what has come. */
  async forget(): Promise<void> {
    while ((await this.inbox.take(() => true, 0)) !== undefined);
  }

  async #take(fits: (seen: Seen) => boolean, timeoutMs = this.#timeoutMs): Promise<Seen | undefined> {
    const seen = await this.inbox.take((one) => fits(relative(one, this.start)), timeoutMs);
    return seen === undefined ? undefined : relative(seen, this.start);
  }

  #missing(wanted: string): Broken {
    const rest = [...this.inbox.items, ...this.#lane.loose.items].slice(0, 6);
    return new Broken(wanted, rest.map((one) => textOf(relative(one, this.start))).join('; ') || 'nothing');
  }
}

const CONSUMING = new Set<number>([
  ControlType.NOOP,
  ControlType.CLOSE_COMMAND,
  ControlType.CLOSE_REQUEST,
  ControlType.NEGOTIATION,
]);
