/** Messages without tags: `fi_send`, `fi_recv` and their kin. @spec uet:ses/7.2 */
import { ANY_SOURCE } from './address-vector.ts';
import { OperationFlag } from './flags.ts';
import type { MemoryRegion } from './memory-region.ts';
import {
  applyDefaults,
  applyOptions,
  type OperationRules,
  type TransmitOptions,
  tooLongToInject,
} from './operation-options.ts';
import { type DataOptions, ReceiveTemplate, SendTemplate, type VerbsSegment } from './templates.ts';

export interface SendMessage extends DataOptions, TransmitOptions {
  /** Number of the peer in the address vector. */
  readonly to: number;
  /** Comes back in the completion. */
  readonly context?: unknown;
  /** Goes beside the message, up to `info.domain.cqDataBytes` (FI_REMOTE_CQ_DATA). */
  readonly data?: number | bigint;
}

export interface ReceiveMessage extends DataOptions {
  /** Only from this peer, or from the peers of this authorisation key. Default: from anybody. */
  readonly from?: number;
  readonly context?: unknown;
  /** Takes message after message, until less than `endpoint.minMultiReceive` is left (FI_MULTI_RECV). */
  readonly multi?: boolean;
  /** Completes visibly; counts only where the queue was bound with `selective`. */
  readonly completion?: boolean;
}

export class MessageOperations {
  readonly #rules: OperationRules;
  readonly #send = new SendTemplate('send');
  readonly #receive: ReceiveTemplate;

  /** @param first - what stands in front of the data of receives */
  constructor(rules: OperationRules, first: VerbsSegment | undefined) {
    this.#rules = rules;
    this.#receive = new ReceiveTemplate(first);
  }

  /**
   * Sends a stretch of a region. No operation here allocates.
   *
   * @param region - undefined for a message without data
   * @param to - number of the peer in the address vector
   * @param context - comes back in the completion
   * @throws VerbsError `EAGAIN` no room: take completions · `EINVAL` no such peer, outside of the region · `EMSGSIZE`
   */
  send(region: MemoryRegion | undefined, offset: number, length: number, to: number, context?: unknown): void {
    const template = this.#send;
    template.fromRegion(region, offset, length);
    template.imm = undefined;
    const wanted = applyDefaults(this.#rules, template);
    this.#rules.traffic.transmit('send', template, to, context, SEND, wanted);
  }

  /** The same, with data beside the message. */
  sendData(
    region: MemoryRegion | undefined,
    offset: number,
    length: number,
    data: number | bigint,
    to: number,
    context?: unknown,
  ): void {
    const template = this.#send;
    template.fromRegion(region, offset, length);
    template.imm = data;
    const wanted = applyDefaults(this.#rules, template);
    this.#rules.traffic.transmit('sendData', template, to, context, SEND, wanted);
  }

  /** Copies bytes and sends them; counts, and completes invisibly. @throws VerbsError `EMSGSIZE`; as {@link send} */
  inject(bytes: Uint8Array, to: number): void {
    this.#inject('inject', bytes, undefined, to);
  }

  injectData(bytes: Uint8Array, data: number | bigint, to: number): void {
    this.#inject('injectData', bytes, data, to);
  }

  /** Sends with everything that can be said. @throws VerbsError as {@link send} */
  sendMessage(message: SendMessage): void {
    const template = this.#send;
    const rules = this.#rules;
    if (message.inject !== true) template.fromOptions(message);
    else if (!template.inject(message)) throw tooLongToInject(rules, 'sendMessage');
    template.imm = message.data;
    const wanted = applyOptions(rules, 'sendMessage', template, message);
    rules.traffic.transmit('sendMessage', template, message.to, message.context, SEND, wanted);
  }

  /**
   * Posts a receive for one message.
   *
   * @param from - only from this peer
   * @throws VerbsError `EAGAIN` no room · `EINVAL` outside of the region, no such peer
   */
  receive(
    region: MemoryRegion | undefined,
    offset: number,
    length: number,
    from: number = ANY_SOURCE,
    context?: unknown,
  ): void {
    const template = this.#receive;
    const { traffic, selectiveReceive, defaults } = this.#rules;
    template.plain();
    template.fromRegion(region, offset, length);
    traffic.direct('receive', template, from);
    traffic.receive('receive', template, context, RECV, !selectiveReceive || defaults.completion);
  }

  /** Posts a receive with everything that can be said. @throws VerbsError as {@link receive} */
  receiveMessage(message: ReceiveMessage): void {
    const template = this.#receive;
    const rules = this.#rules;
    const { traffic, selectiveReceive } = rules;
    template.plain();
    template.fromOptions(message);
    traffic.direct('receiveMessage', template, message.from ?? ANY_SOURCE);
    let flags = RECV;
    if (message.multi === true) {
      if (!traffic.parts.info.caps.multiReceive) {
        throw rules.refusal('receiveMessage', 'a receive takes one message here', 'hints with caps.multiReceive');
      }
      template.multi = rules.minMultiReceive();
      flags |= OperationFlag.MULTI_RECV;
    }
    const wanted = message.completion === true || !selectiveReceive;
    traffic.receive('receiveMessage', template, message.context, flags, wanted);
  }

  #inject(call: string, bytes: Uint8Array, data: number | bigint | undefined, to: number): void {
    const template = this.#send;
    const rules = this.#rules;
    if (bytes.length > rules.traffic.parts.info.transmit.injectBytes) throw tooLongToInject(rules, call);
    template.fromBytes(bytes);
    template.imm = data;
    template.levels(false, false, false);
    rules.traffic.transmit(call, template, to, undefined, SEND, false);
  }
}

const SEND = OperationFlag.MSG | OperationFlag.SEND;
const RECV = OperationFlag.MSG | OperationFlag.RECV;
