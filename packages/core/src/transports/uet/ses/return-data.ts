/** Headers of read data on its way back. @spec uet:ses/2.11 uet:ses/3.8 */
import type { DmaSpace } from '../../../engine/dma.ts';
import type { Packet } from '../../../engine/packet.ts';
import { NextHeader, sesLength } from '../../../wire/uet/pds.ts';
import { ResponseData, ResponseDataSmall, ReturnCode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { ReturnFields } from '../pds/return-queue.ts';

/** Which header slot `i` of the return direction has. */
export const returnHeader = (slots: ReturnFields, i: number): number =>
  slots.small[i] === 1 ? NextHeader.RESPONSE_DATA_SMALL : NextHeader.RESPONSE_DATA;

/**
 * Writes the header at `at` and names the data as payload; where the region, or what it named, is gone, says so instead.
 * @returns bytes of header
 */
export function writeReturn(dma: DmaSpace, slots: ReturnFields, i: number, out: Packet, at: number): number {
  const { view } = out;
  const gone = !dma.readable(slots.region[i]!, slots.offset[i]!, slots.length[i]!);
  const length = gone ? 0 : slots.length[i]!;
  const bytes = sesLength(returnHeader(slots, i));
  for (let n = 0; n < bytes; n += 4) view.setUint32(at + n, 0);
  view.setUint16(at, (SesResponseOpcode.RESPONSE_W_DATA << 8) | (gone ? ReturnCode.BAD_MKEY : ReturnCode.OK));
  if (slots.small[i] === 1) {
    ResponseDataSmall.payloadLength.set(view, at, length);
    ResponseDataSmall.jobId.set(view, at, slots.jobId[i]!);
    ResponseDataSmall.originalRequestPsn.set(view, at, slots.psn[i]!);
  } else {
    ResponseData.jobId.set(view, at, slots.jobId[i]!);
    ResponseData.readRequestMessageId.set(view, at, slots.messageId[i]!);
    ResponseData.payloadLength.set(view, at, length);
    ResponseData.modifiedLength.set(view, at, slots.total[i]!);
    ResponseData.messageOffset.set(view, at, slots.messageOffset[i]!);
  }
  if (length > 0) out.gather(slots.region[i]!, slots.offset[i]!, length);
  return bytes;
}
