/** Messages whose context or queue pair goes away: what is reported, and what another context may still carry. @spec uet:pds/8 uet:ses/8 */
import { Status } from '../../../engine/status.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import { Kind } from '../pds/send-window.ts';
import type { Initiator } from './initiator.ts';
import type { Message } from './message.ts';

/**
 * The context is gone. Reports everything on it, or hands back what certainly never reached the target.
 * @returns the first of a list of messages that may go to another context, -1 for none
 */
export function contextFailed(
  initiator: Initiator,
  context: DeliveryContext,
  status: number,
  vendorStatus: number,
  refused: number,
): number {
  let head = -1;
  let tail = -1;
  const give = (message: Message): void => {
    // sent and not refused may mean executed, with the answer lost on its way
    const untouched = message.sent === 0 || (message.index === refused && message.acked === 0 && !message.resent);
    if (refused !== NOTHING_REFUSED && untouched && message.moves < MAX_MOVES && message.qp !== 0) {
      message.moves++;
      message.restart();
      message.next = -1;
      if (tail < 0) head = message.index;
      else initiator.messages.at(tail).next = message.index;
      tail = message.index;
      return;
    }
    if (message.status === Status.SUCCESS || message.again) {
      message.status = status;
      message.vendorStatus = vendorStatus;
    }
    initiator.finish(message);
  };
  const open: Message[] = [];
  const seen = new Set<number>();
  const { tx } = context;
  const keep = (index: number): void => {
    if (index < 0 || seen.has(index)) return;
    seen.add(index);
    open.push(initiator.messages.at(index));
  };
  for (let psn = tx.base; psn !== tx.next; psn = (psn + 1) >>> 0) {
    const kind = tx.kind[psn & tx.mask];
    if (kind === Kind.REQUEST || kind === Kind.ABORT) {
      const message = initiator.messages.at(tx.ref[psn & tx.mask]!);
      // a slot may be acknowledged and its message long finished: only live ones of this context count
      if (message.live && tx.pending(psn)) keep(message.index);
    }
  }
  keep(context.current);
  for (const ref of context.reads.values()) keep(ref);
  for (let i = context.queueHead; i >= 0; i = initiator.messages.at(i).next) keep(i);
  for (let i = context.retryHead; i >= 0; i = initiator.messages.at(i).next) keep(i);
  open.sort((a, b) => a.sequence - b.sequence);
  context.queueHead = context.queueTail = context.current = context.retryHead = -1;
  context.reads.clear();
  context.openMessages = context.readsInFlight = 0;
  for (const message of open) give(message);
  return head;
}

/** The queue pair goes away: nothing of it starts any more, nobody waits for what is under way. */
export function flush(initiator: Initiator, context: DeliveryContext, qp: number): void {
  const flushList = (head: number, into: (message: Message) => void): void => {
    for (let i = head; i >= 0; ) {
      const message = initiator.messages.at(i);
      i = message.next;
      into(message);
    }
  };
  const live = [...initiator.messages.live()].sort((a, b) => a.sequence - b.sequence);
  for (const message of live) {
    if (
      message.qp === qp &&
      (message.index === context.current || message.unacked > 0 || context.reads.get(message.readKey) === message.index)
    ) {
      flushOne(initiator, message, false);
    }
  }
  const queue = context.queueHead;
  context.queueHead = context.queueTail = -1;
  flushList(queue, (message) => {
    if (message.qp === qp) flushOne(initiator, message, true);
    else initiator.enqueue(context, message);
  });
  const retries = context.retryHead;
  context.retryHead = -1;
  flushList(retries, (message) => {
    if (message.qp === qp) flushOne(initiator, message, true);
    else {
      message.next = context.retryHead;
      context.retryHead = message.index;
    }
  });
  initiator.unstall(context);
}

function flushOne(initiator: Initiator, message: Message, release: boolean): void {
  message.status = Status.WR_FLUSH_ERR;
  message.vendorStatus = 0;
  message.again = false;
  if (release) {
    initiator.finish(message);
    return;
  }
  // packets are out: the message stays until they are settled, but its owner hears now
  initiator.report(message);
  message.qp = 0;
}

/** A context failed and no message is known to be refused; those that never left may move. */
export const NO_MESSAGE = -1;
/** A context failed in a way that leaves no message to move. */
export const NOTHING_REFUSED = -2;
/** Times that a message may move to another context. @spec uet:pds/8 D33 */
const MAX_MOVES = 1;
