/** The address table of a device that is not open here. */
import { decodeAnswer, encodeRequest, type Message, type Row, UAPI } from '@verbena/core';

/** @throws VerbsError what opening the device says */
export function addressTable(port: { invoke(message: Message): Message }, device: string): readonly Row[] {
  const { OPEN, CLOSE, QUERY_GID_TABLE } = UAPI.DEVICE.methods;
  const ask = (bytes: Uint8Array) => port.invoke({ bytes, attachments: [] }).bytes;
  const { context, driver } = decodeAnswer(OPEN, ask(encodeRequest(UAPI.DEVICE, OPEN, { device })));
  try {
    const request = encodeRequest(UAPI.DEVICE, QUERY_GID_TABLE, {}, { context, driver });
    return decodeAnswer(QUERY_GID_TABLE, ask(request)).entries;
  } finally {
    ask(encodeRequest(UAPI.DEVICE, CLOSE, {}, { context, driver }));
  }
}
