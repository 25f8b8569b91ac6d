/** Messages with tags: `fi_tsend`, `fi_trecv` and their kin. @spec uet:ses/4 uet:ses/7.2 */
import { ANY_SOURCE } from './address-vector.ts';
import { OperationFlag } from './flags.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { SendMessage } from './message-operations.ts';
import { applyDefaults, applyOptions, type OperationRules, tooLongToInject } from './operation-options.ts';
import { type DataOptions, ReceiveTemplate, SendTemplate } from './templates.ts';
import { CLAIM_BIT } from './traffic.ts';

/** 64 bits. */
export type Tag = number | bigint;

export interface TaggedSendMessage extends SendMessage {
  readonly tag: Tag;
}

export interface TaggedReceiveMessage extends DataOptions {
  readonly tag: Tag;
  /** Bits of the tag that do not count. Default 0: all count. */
  readonly ignore?: Tag;
  readonly from?: number;
  readonly context?: unknown;
  readonly completion?: boolean;
  /** Only looks at what waits: completes with its tag, length, data and sender, or with ENOMSG (FI_PEEK). */
  readonly peek?: boolean;
  /** With `peek`: reserves what it finds for the context. Without: takes what was reserved for it (FI_CLAIM). */
  readonly claim?: boolean;
  /** With one of both: what is found is thrown away (FI_DISCARD). */
  readonly discard?: boolean;
}

export class TaggedOperations {
  readonly #rules: OperationRules;
  readonly #send = new SendTemplate('tagged-send');
  readonly #receive = new ReceiveTemplate();

  constructor(rules: OperationRules) {
    this.#rules = rules;
  }

  /**
   * Sends a stretch of a region to the first receive of the peer that takes this tag.
   *
   * @throws VerbsError `EAGAIN` no room: take completions · `EINVAL` no such peer, outside of the region, no tag ·
   *   `EMSGSIZE` · `EOPNOTSUPP` the peer says that it takes no tags
   */
  send(
    region: MemoryRegion | undefined,
    offset: number,
    length: number,
    to: number,
    tag: Tag,
    context?: unknown,
  ): void {
    const template = this.#send;
    template.fromRegion(region, offset, length);
    template.imm = undefined;
    template.tag = tag;
    const wanted = applyDefaults(this.#rules, template);
    this.#rules.traffic.transmit('tagged.send', template, to, context, SEND, wanted);
  }

  /** The same, with data beside the message. */
  sendData(
    region: MemoryRegion | undefined,
    offset: number,
    length: number,
    data: number | bigint,
    to: number,
    tag: Tag,
    context?: unknown,
  ): void {
    const template = this.#send;
    template.fromRegion(region, offset, length);
    template.imm = data;
    template.tag = tag;
    const wanted = applyDefaults(this.#rules, template);
    this.#rules.traffic.transmit('tagged.sendData', template, to, context, SEND, wanted);
  }

  /** Copies bytes and sends them; counts, and completes invisibly. @throws VerbsError `EMSGSIZE`; as {@link send} */
  inject(bytes: Uint8Array, to: number, tag: Tag): void {
    this.#inject('tagged.inject', bytes, undefined, to, tag);
  }

  injectData(bytes: Uint8Array, data: number | bigint, to: number, tag: Tag): void {
    this.#inject('tagged.injectData', bytes, data, to, tag);
  }

  /** Sends with everything that can be said. @throws VerbsError as {@link send} */
  sendMessage(message: TaggedSendMessage): void {
    const template = this.#send;
    const rules = this.#rules;
    if (message.inject !== true) template.fromOptions(message);
    else if (!template.inject(message)) throw tooLongToInject(rules, 'tagged.sendMessage');
    template.imm = message.data;
    template.tag = message.tag;
    const wanted = applyOptions(rules, 'tagged.sendMessage', template, message);
    rules.traffic.transmit('tagged.sendMessage', template, message.to, message.context, SEND, wanted);
  }

  /**
   * Posts a receive for one message with this tag. Of several receives the one posted first takes it, of several messages
   * the one that arrived first is taken.
   *
   * @param from - only from this peer; {@link ANY_SOURCE} from anybody
   * @param ignore - bits of the tag that do not count
   * @throws VerbsError `EAGAIN` no room · `EINVAL` outside of the region, no such peer, no tag
   */
  receive(
    region: MemoryRegion | undefined,
    offset: number,
    length: number,
    from: number,
    tag: Tag,
    ignore: Tag = 0,
    context?: unknown,
  ): void {
    const template = this.#receive;
    const { traffic, selectiveReceive, defaults } = this.#rules;
    template.plain();
    template.fromRegion(region, offset, length);
    template.tag = tag;
    template.ignore = ignore;
    traffic.direct('tagged.receive', template, from);
    traffic.receive('tagged.receive', template, context, RECV, !selectiveReceive || defaults.completion);
  }

  /** Posts a receive, or looks at what waits. @throws VerbsError as {@link receive} */
  receiveMessage(message: TaggedReceiveMessage): void {
    const template = this.#receive;
    const rules = this.#rules;
    const { traffic, selectiveReceive } = rules;
    const { peek = false, claim = false, discard = false, context } = message;
    if (discard && !peek && !claim) {
      throw rules.refusal('tagged.receiveMessage', '`discard` goes with `peek` or `claim`', 'one of them as well');
    }
    template.plain();
    template.tag = message.tag;
    template.ignore = message.ignore ?? 0;
    template.claim = claim;
    template.discard = discard;
    traffic.direct('tagged.receiveMessage', template, message.from ?? ANY_SOURCE);
    const wanted = message.completion === true || !selectiveReceive;
    if (peek) {
      template.fromRegion(undefined, 0, 0);
      template.operation = 'peek';
      const reserves = claim && !discard ? CLAIM_BIT : 0;
      traffic.receive('tagged.receiveMessage', template, context, RECV | OperationFlag.PEEK | reserves, wanted);
      return;
    }
    template.fromOptions(discard ? NOTHING : message);
    if (claim) traffic.claimed('tagged.receiveMessage', template, context, RECV, wanted);
    else traffic.receive('tagged.receiveMessage', template, context, RECV, wanted);
  }

  #inject(call: string, bytes: Uint8Array, data: number | bigint | undefined, to: number, tag: Tag): void {
    const template = this.#send;
    const rules = this.#rules;
    if (bytes.length > rules.traffic.parts.info.transmit.injectBytes) throw tooLongToInject(rules, call);
    template.fromBytes(bytes);
    template.imm = data;
    template.tag = tag;
    template.levels(false, false, false);
    rules.traffic.transmit(call, template, to, undefined, SEND, false);
  }
}

const SEND = OperationFlag.TAGGED | OperationFlag.SEND;
const RECV = OperationFlag.TAGGED | OperationFlag.RECV;
const NOTHING: DataOptions = {};
