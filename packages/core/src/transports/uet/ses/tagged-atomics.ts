/** Atomics on a receive that a tag finds: they use it up as a message would. @spec uet:ses/3.9 */
import type { Packet } from '../../../engine/packet.ts';
import { ReceiveWork } from '../../../engine/work.ts';
import { ReturnCode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import type { LocalQueuePair } from '../queue-pairs.ts';
import { atomicReach, checkAtomic } from './atomic-checks.ts';
import type { AtomicUnit } from './atomic-unit.ts';
import type { InboundMessages } from './inbound-messages.ts';
import type { MatchedSends } from './matched-sends.ts';
import type { ReceiveCompletions } from './receive-completions.ts';

export class TaggedAtomics {
  readonly #mtu: number;
  readonly #inbound: InboundMessages;
  readonly #completions: ReceiveCompletions;
  readonly #matched: MatchedSends;
  readonly #unit: AtomicUnit;
  readonly #receive = new ReceiveWork();

  constructor(
    core: Core,
    inbound: InboundMessages,
    completions: ReceiveCompletions,
    matched: MatchedSends,
    unit: AtomicUnit,
  ) {
    this.#mtu = core.config.payloadMtu;
    this.#inbound = inbound;
    this.#completions = completions;
    this.#matched = matched;
    this.#unit = unit;
  }

  /** Executes the request at hand on the first receive that takes it. Without one it is refused, never kept. */
  execute(context: DeliveryContext, qp: LocalQueuePair, packet: Packet, psn: number, at: number): void {
    const inbound = this.#inbound;
    const { request } = inbound;
    const { posted } = qp.matching!;
    const i = this.#matched.find(context, qp);
    if (i < 0) return this.#matched.refuse(context, qp);
    const receive = this.#receive;
    posted.copy(i, receive);
    const length = atomicReach(request);
    const code = this.#check(receive, length);
    if (code !== 0) return inbound.refuse(context, code, request.single);
    if (!this.#unit.run(context, packet, psn, at, receive.segments, request.offsetLo, length)) return;
    posted.remove(i);
    this.#completions.changed(context, qp.config.qp, receive, request, length);
  }

  /** @returns a return code, 0 when all is well */
  #check(receive: ReceiveWork, length: number): number {
    const { request } = this.#inbound;
    // where in a receive for many a message begins, its sender cannot know
    if (receive.multi) return ReturnCode.OP_VIOLATION;
    const offset = request.offsetHi * 2 ** 32 + request.offsetLo;
    if (!(offset <= receive.length && length <= receive.length - offset)) return ReturnCode.BAD_ADDR;
    return checkAtomic(request, this.#mtu);
  }
}
