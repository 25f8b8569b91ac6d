/**
 * The fabric that a device is on: what endpoints there can be, and domains to open them in. The objects are those of
 * libfabric; below them are the queue pairs of the device.
 *
 * @spec uet:ses/7.1
 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Transport } from '../engine/engine.ts';
import type { Context } from '../verbs/context.ts';
import type { DeviceHandle } from '../verbs/device.ts';
import { Domain, type DomainOptions } from './domain.ts';
import { type FabricHints, matching } from './hints.ts';
import { type DeviceFacts, datagramInfos, type FabricInfo, RECEIVE_RESERVE, rdmInfos } from './info.ts';

/** What is known of a protocol, by the type of its address entries: `transportOfAddress` of the library knows its own. */
export type TransportLookup = (addressType: string) => Transport | undefined;

export interface FabricOptions {
  /** The device stays open when the fabric is closed. Default false. */
  readonly keepDevice?: boolean;
}

export class Fabric implements AsyncDisposable {
  readonly device: DeviceHandle;
  readonly #transportOf: TransportLookup;
  readonly #domains = new Set<Domain>();
  /** For what belongs to no domain. */
  readonly #context: Context;
  /** Capabilities of the jobs that were made here, by id and address entry. */
  readonly #jobs = new Map<string, Uint8Array>();
  readonly #keepsDevice: boolean;
  #closed: Promise<void> | undefined;

  /**
   * The device belongs to the fabric from now on, and is closed with it, unless told otherwise.
   *
   * @param transportOf - tells about the protocol what the device does not: codes, and kinds of atomics. Without it there
   *   are no atomics, and errors are told by status only.
   */
  constructor(device: DeviceHandle, transportOf: TransportLookup = () => undefined, options: FabricOptions = {}) {
    this.device = device;
    this.#keepsDevice = options.keepDevice ?? false;
    this.#transportOf = transportOf;
    this.#context = device.open();
  }

  /**
   * What endpoints there can be: those that fit the hints, the plainest first. Without hints all, with all they can do.
   *
   * @throws VerbsError ENODATA nothing fits; the error says what stands in the way
   */
  getInfo(hints: FabricHints = {}): FabricInfo[] {
    this.#check('getInfo');
    const { maxQpWr } = this.#context.attributes;
    const infos = this.#context.queryPort().gids.flatMap((gid) => this.#infosOf(gid.index));
    return matching(infos, hints, { transmit: maxQpWr, receive: maxQpWr - RECEIVE_RESERVE });
  }

  /**
   * Opens a domain: objects in it may be used together.
   *
   * @throws VerbsError `EINVAL` no authorisation key has this form · `EEXIST` the job is somebody else's
   */
  openDomain(info: FabricInfo, options: DomainOptions = {}): Domain {
    this.#check('openDomain');
    const domain = new Domain(this, info, options);
    this.#domains.add(domain);
    return domain;
  }

  /** Ends everything that was opened here, and the device if it belongs to the fabric. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  describe(): string {
    return `the fabric of ${this.device.name}`;
  }

  /** For domains only. */
  forget(domain: Domain): void {
    this.#domains.delete(domain);
  }

  /** For domains only: the transport of an address entry. */
  transportAt(sgidIndex: number): Transport | undefined {
    const gid = this.#context.queryPort().gids.find(({ index }) => index === sgidIndex);
    return gid === undefined ? undefined : this.#transportOf(gid.type);
  }

  /** For domains only: a capability of the job with this id. @throws VerbsError as `context.createJob` says */
  jobToken(id: number, sgidIndex: number): Uint8Array {
    const key = `${id} ${sgidIndex}`;
    let token = this.#jobs.get(key);
    if (token === undefined) {
      token = this.#context.createJob({ id, sgidIndex, maxAddresses: 1 }).export();
      this.#jobs.set(key, token);
    }
    return token;
  }

  /** For endpoints only: where a device receives. */
  place(sgidIndex: number): { readonly address: string; readonly port: number } {
    const gid = this.#context.queryPort().gids.find(({ index }) => index === sgidIndex);
    if (gid === undefined) {
      throw new VerbsError('EINVAL', 'getName', `the device has no address entry ${sgidIndex}`, { try: '0' });
    }
    const usual = this.#transportOf(gid.type)?.udpPort;
    return { address: gid.gid, port: gid.udpPort === usual ? 0 : gid.udpPort };
  }

  async #close(): Promise<void> {
    for (const domain of [...this.#domains].reverse()) domain.end();
    this.#context.close();
    if (!this.#keepsDevice) await this.device.close();
  }

  #infosOf(sgidIndex: number): FabricInfo[] {
    const device = this.#context.attributes;
    const { gids, activeMtu } = this.#context.queryPort();
    const gid = gids.find(({ index }) => index === sgidIndex)!;
    const transport = this.#transportOf(gid.type);
    const kinds: readonly string[] = transport?.attributes.queuePairTypes ?? device.queuePairTypes;
    const has = (kind: string) => kinds.includes(kind) && device.queuePairTypes.includes(kind);
    const facts = (kind: 'RU' | 'UD'): DeviceFacts => {
      const semantics = this.#context.querySemantics(kind, { sgidIndex });
      return { device, gid, mtu: Number(semantics['max_pdu'] ?? activeMtu), semantics, transport };
    };
    return [...(has('RU') ? rdmInfos(facts('RU')) : []), ...(has('UD') ? datagramInfos(facts('UD')) : [])];
  }

  #check(call: string): void {
    if (this.#closed === undefined) return;
    throw new VerbsError('EINVAL', call, 'the fabric is closed', {
      object: this.describe(),
      try: 'open a device again',
    });
  }
}
