/** A message that is arriving: what its packets must agree on, and how much of it is here. @spec uet:ses/2.9 */
import type { MultiReceive } from '../../../engine/matching/index.ts';
import { ReceiveWork } from '../../../engine/work.ts';
import type { Matching } from './matched-sends.ts';

export class InboundMessage {
  /** Next incomplete message of the same delivery context. */
  next: InboundMessage | undefined = undefined;
  messageId = 0;
  opcode = 0;
  /** Device handle of the queue pair that it is for; 0 when it was refused before one was found. */
  qp = 0;
  total = 0;
  /** Payload bytes seen, placed or refused. */
  received = 0;
  /** Return code of a message that failed; 0 while all is well. */
  failed = 0;
  /** A guaranteed response has told the initiator that it failed. */
  answered = false;
  /** Generation to name with that code, where it is about one. */
  generation = 0;
  keyLo = 0;
  keyHi = 0;
  offset = 0;
  hasImm = false;
  immLo = 0;
  immHi = 0;
  jobId = 0;
  initiator = 0;
  resource = 0;
  pid = 0;
  /** The receive that a SEND fills. */
  readonly receive = new ReceiveWork();
  /** Bytes of the message that fit the receive. */
  accepted = 0;
  /** Where in the receive it begins. */
  base = 0;
  /** Its receive takes other messages too. */
  multi: MultiReceive | undefined = undefined;
  /** Of the queue pair that it is for, where that matches. */
  matching: Matching | undefined = undefined;
  /** No receive has it yet: where it is kept; -1 otherwise. */
  unexpected = -1;
  /** It was thrown away: the rest is accepted and goes nowhere. */
  discarded = false;
  /** A deferrable message that is to come again later, by its token; nothing of it is kept. */
  isPutOff = false;
  token = 0;

  open(messageId: number, opcode: number, total: number): void {
    this.next = undefined;
    this.messageId = messageId;
    this.opcode = opcode;
    this.total = total;
    this.qp = this.received = this.failed = this.generation = this.accepted = 0;
    this.base = 0;
    this.multi = undefined;
    this.matching = undefined;
    this.unexpected = -1;
    this.hasImm = this.answered = this.discarded = this.isPutOff = false;
    this.immLo = this.immHi = 0;
  }

  get complete(): boolean {
    return this.received >= this.total;
  }
}
