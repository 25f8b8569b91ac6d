/** What to answer to a request. @spec uet:ses/2.11 */
import { ResponseList, ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';

export class Answer {
  /** Not 0: PDS refuses the packet with this NACK; nothing changed and the same packet may succeed later. */
  nack = 0;
  /** A `SesResponseOpcode`, with the list in the two bits above it: {@link OVERFLOWED} names the other list. */
  opcode: number = SesResponseOpcode.DEFAULT_RESPONSE;
  code: number = ReturnCode.OK;
  messageId = 0;
  jobId = 0;
  generation = 0;
  modifiedLength = 0;
  /** The response must be kept and repeated until the initiator has seen it. */
  guaranteed = false;
  /** The answer is read data that rides in the acknowledgement. */
  withData = false;
  /** The request had no message id: its PSN names it. */
  small = false;
  dataRegion = 0;
  dataOffset = 0;
  dataLength = 0;
  /** Place of the data in the message. */
  messageOffset = 0;

  reset(messageId: number, jobId: number): void {
    this.nack = 0;
    this.opcode = SesResponseOpcode.DEFAULT_RESPONSE;
    this.code = ReturnCode.OK;
    this.messageId = messageId;
    this.jobId = jobId;
    this.generation = 0;
    this.modifiedLength = 0;
    this.guaranteed = this.withData = this.small = false;
  }
}

/** Opcode and list of the answer to a message that no receive takes yet. */
export const OVERFLOWED = (ResponseList.OVERFLOW << 6) | SesResponseOpcode.RESPONSE;
