/** Access to memory of peers: `fi_write`, `fi_read` and their kin. @spec uet:ses/7.2 uet:ses/5 */
import { OperationFlag } from './flags.ts';
import type { MemoryRegion, RemoteKey } from './memory-region.ts';
import {
  applyDefaults,
  applyOptions,
  type OperationRules,
  type TransmitOptions,
  tooLongToInject,
} from './operation-options.ts';
import { RemoteKeys } from './remote-keys.ts';
import { type DataOptions, SendTemplate } from './templates.ts';

export interface RemoteAccess extends DataOptions, TransmitOptions {
  /** Number of the peer in the address vector. */
  readonly to: number;
  /** Key of its memory. */
  readonly key: bigint | RemoteKey;
  /** Bytes from the start of that memory. Default 0. */
  readonly remoteOffset?: number | bigint;
  readonly context?: unknown;
}

export interface WriteMessage extends RemoteAccess {
  /** Goes beside the write: the peer's program is told, with this (FI_REMOTE_CQ_DATA). */
  readonly data?: number | bigint;
}

export class RmaOperations {
  readonly #rules: OperationRules;
  readonly #keys = new RemoteKeys();
  readonly #write = new SendTemplate('write');
  readonly #read = new SendTemplate('read');

  constructor(rules: OperationRules) {
    this.#rules = rules;
  }

  /**
   * Writes a stretch of a region into memory of a peer.
   *
   * @param remoteOffset - bytes from the start of its memory
   * @param key - `region.key` of the peer, as a number, or split beforehand
   * @throws VerbsError `EAGAIN` no room: take completions · `EINVAL` no such peer, outside of the region · `EMSGSIZE`
   */
  write(
    region: MemoryRegion | undefined,
    offset: number,
    length: number,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
    context?: unknown,
  ): void {
    const template = this.#write;
    template.fromRegion(region, offset, length);
    this.#transmit('write', template, undefined, to, remoteOffset, key, context);
  }

  /** The same, and the peer's program is told, with data. */
  writeData(
    region: MemoryRegion | undefined,
    offset: number,
    length: number,
    data: number | bigint,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
    context?: unknown,
  ): void {
    const template = this.#write;
    template.fromRegion(region, offset, length);
    this.#transmit('writeData', template, data, to, remoteOffset, key, context);
  }

  /** Copies bytes and writes them; counts, and completes invisibly. @throws VerbsError `EMSGSIZE`; as {@link write} */
  injectWrite(bytes: Uint8Array, to: number, remoteOffset: number | bigint, key: bigint | RemoteKey): void {
    this.#inject('injectWrite', bytes, undefined, to, remoteOffset, key);
  }

  injectWriteData(
    bytes: Uint8Array,
    data: number | bigint,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
  ): void {
    this.#inject('injectWriteData', bytes, data, to, remoteOffset, key);
  }

  /** Writes with everything that can be said. @throws VerbsError as {@link write} */
  writeMessage(message: WriteMessage): void {
    const template = this.#write;
    const rules = this.#rules;
    if (message.inject !== true) template.fromOptions(message);
    else if (!template.inject(message)) throw tooLongToInject(rules, 'writeMessage');
    this.#message('writeMessage', template, message, message.data, WRITE);
  }

  /** Reads memory of a peer into a stretch of a region. @throws VerbsError as {@link write} */
  read(
    region: MemoryRegion | undefined,
    offset: number,
    length: number,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
    context?: unknown,
  ): void {
    const template = this.#read;
    template.fromRegion(region, offset, length);
    const wanted = applyDefaults(this.#rules, template);
    const remote = this.#keys.of(key);
    template.remote = remote.memory;
    template.remoteOffset = remoteOffset;
    this.#rules.traffic.transmit('read', template, to, context, READ, wanted, remote.isIdempotent);
  }

  /** Reads with everything that can be said. @throws VerbsError as {@link write} */
  readMessage(message: RemoteAccess): void {
    const template = this.#read;
    template.fromOptions(message);
    this.#message('readMessage', template, message, undefined, READ);
  }

  #transmit(
    call: string,
    template: SendTemplate,
    data: number | bigint | undefined,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
    context: unknown,
  ): void {
    const wanted = applyDefaults(this.#rules, template);
    const remote = this.#keys.of(key);
    template.imm = data;
    template.remote = remote.memory;
    template.remoteOffset = remoteOffset;
    const mayRepeat = remote.isIdempotent && data === undefined;
    this.#rules.traffic.transmit(call, template, to, context, WRITE, wanted, mayRepeat);
  }

  #message(
    call: string,
    template: SendTemplate,
    message: RemoteAccess,
    data: number | bigint | undefined,
    flags: number,
  ): void {
    const wanted = applyOptions(this.#rules, call, template, message);
    const remote = this.#keys.of(message.key);
    template.imm = data;
    template.remote = remote.memory;
    template.remoteOffset = message.remoteOffset ?? 0;
    const mayRepeat = remote.isIdempotent && data === undefined && message.fence !== true;
    this.#rules.traffic.transmit(call, template, message.to, message.context, flags, wanted, mayRepeat);
  }

  #inject(
    call: string,
    bytes: Uint8Array,
    data: number | bigint | undefined,
    to: number,
    remoteOffset: number | bigint,
    key: bigint | RemoteKey,
  ): void {
    const template = this.#write;
    const rules = this.#rules;
    if (bytes.length > rules.traffic.parts.info.transmit.injectBytes) throw tooLongToInject(rules, call);
    template.fromBytes(bytes);
    template.levels(false, false, false);
    const remote = this.#keys.of(key);
    template.imm = data;
    template.remote = remote.memory;
    template.remoteOffset = remoteOffset;
    const mayRepeat = remote.isIdempotent && data === undefined;
    rules.traffic.transmit(call, template, to, undefined, WRITE, false, mayRepeat);
  }
}

const WRITE = OperationFlag.RMA | OperationFlag.WRITE;
const READ = OperationFlag.RMA | OperationFlag.READ;
