/** Packets as the tester makes them: field by field, right or wrong on purpose. */
import {
  Ack,
  AckCc,
  AtomicExtension,
  byteLength,
  CompareSwapExtension,
  ControlPacket,
  ControlType,
  emit,
  type HeaderValues,
  Nack,
  Negotiation,
  NextHeader,
  PdsRequest,
  PdsRequestCc,
  PdsType,
  RendezvousExtension,
  RequestDeferrable,
  RequestDeferrableNext,
  RequestMedium,
  RequestMediumData,
  RequestReadyToRestart,
  RequestSmall,
  RequestStd,
  RequestStdNext,
  Response,
  ResponseData,
  RudiPacket,
  SesResponseOpcode,
  UudRequest,
} from '@verbena/core/wire';

/** A semantic header of some kind, and what follows it. */
export interface Body {
  readonly next: number;
  readonly bytes: Uint8Array;
}

/** Any field of any request header. */
export type Fields = HeaderValues<typeof RequestStd>;
export type NextFields = HeaderValues<typeof RequestStdNext>;
export type ShortFields = HeaderValues<typeof RequestMedium>;

export const std = (values: Fields, payload: Uint8Array, extension: Uint8Array = NOTHING): Body => ({
  next: NextHeader.REQUEST_STD,
  bytes: join(headerOf(RequestStd, values), extension, payload),
});
export const stdNext = (values: NextFields, payload: Uint8Array): Body => ({
  next: NextHeader.REQUEST_STD,
  bytes: join(headerOf(RequestStdNext, values), payload),
});
export const deferrable = (values: HeaderValues<typeof RequestDeferrable>, payload: Uint8Array): Body => ({
  next: NextHeader.REQUEST_STD,
  bytes: join(headerOf(RequestDeferrable, values), payload),
});
export const deferrableNext = (values: HeaderValues<typeof RequestDeferrableNext>, payload: Uint8Array): Body => ({
  next: NextHeader.REQUEST_STD,
  bytes: join(headerOf(RequestDeferrableNext, values), payload),
});
export const readyToRestart = (values: HeaderValues<typeof RequestReadyToRestart>): Body => ({
  next: NextHeader.REQUEST_STD,
  bytes: headerOf(RequestReadyToRestart, values),
});
export const medium = (values: ShortFields, payload: Uint8Array, extension: Uint8Array = NOTHING): Body => ({
  next: NextHeader.REQUEST_MEDIUM,
  bytes: join(headerOf(RequestMedium, values), extension, payload),
});
export const mediumData = (values: HeaderValues<typeof RequestMediumData>, payload: Uint8Array): Body => ({
  next: NextHeader.REQUEST_MEDIUM,
  bytes: join(headerOf(RequestMediumData, values), payload),
});
export const small = (values: HeaderValues<typeof RequestSmall>, payload: Uint8Array): Body => ({
  next: NextHeader.REQUEST_SMALL,
  bytes: join(headerOf(RequestSmall, values), payload),
});
export const atomic = (values: HeaderValues<typeof AtomicExtension>): Uint8Array => headerOf(AtomicExtension, values);
export const compareSwap = (values: HeaderValues<typeof CompareSwapExtension>): Uint8Array =>
  headerOf(CompareSwapExtension, values);
export const rendezvous = (values: HeaderValues<typeof RendezvousExtension>): Uint8Array =>
  headerOf(RendezvousExtension, values);

export const response = (values: HeaderValues<typeof Response>): Body => ({
  next: NextHeader.RESPONSE,
  bytes: headerOf(Response, { opcode: SesResponseOpcode.RESPONSE, ...values }),
});
export const responseData = (values: HeaderValues<typeof ResponseData>, payload: Uint8Array): Body => ({
  next: NextHeader.RESPONSE_DATA,
  bytes: join(
    headerOf(ResponseData, {
      opcode: SesResponseOpcode.RESPONSE_W_DATA,
      returnCode: 1,
      payloadLength: payload.length,
      ...values,
    }),
    payload,
  ),
});
export const NO_BODY: Body = { next: NextHeader.NONE, bytes: new Uint8Array() };

/** RUD_REQ, ROD_REQ and their CC forms. `flags` are the seven bits. */
export function pdsRequest(values: HeaderValues<typeof PdsRequestCc>, flags: number, body: Body): Uint8Array {
  const isCc = values.type! >= PdsType.RUD_CC_REQ;
  const { cccId, creditTarget, ...plain } = values;
  const all = { nextHeader: body.next, ...plain };
  const head = isCc
    ? headerOf(PdsRequestCc, { cccId: cccId ?? 0, creditTarget: creditTarget ?? 0, ...all })
    : headerOf(PdsRequest, all);
  return join(setFlags(head, flags), body.bytes);
}

export function controlPacket(values: HeaderValues<typeof ControlPacket>, flags: number): Uint8Array {
  return setFlags(headerOf(ControlPacket, { type: PdsType.CP, ...values }), flags);
}

export function negotiation(values: HeaderValues<typeof Negotiation>, flags: number): Uint8Array {
  const all = { type: PdsType.CP, ctlType: ControlType.NEGOTIATION, negType: 1, negLength: 2, ...values };
  return setFlags(headerOf(Negotiation, all), flags);
}

export function ackPacket(values: HeaderValues<typeof Ack>, flags: number, body: Body): Uint8Array {
  const head = headerOf(Ack, { type: PdsType.ACK, nextHeader: body.next, ...values });
  return join(setFlags(head, flags), body.bytes);
}

export function ackCcPacket(values: HeaderValues<typeof AckCc>, flags: number, body: Body): Uint8Array {
  const head = headerOf(AckCc, { type: PdsType.ACK_CC, nextHeader: body.next, mpr: 8, ...values });
  return join(setFlags(head, flags), body.bytes);
}

export function nackPacket(values: HeaderValues<typeof Nack>, flags = 0): Uint8Array {
  return setFlags(headerOf(Nack, { type: PdsType.NACK, ...values }), flags);
}

export function rudiRequest(pktId: number, body: Body, flags = 0): Uint8Array {
  const head = headerOf(RudiPacket, { type: PdsType.RUDI_REQ, nextHeader: body.next, pktId });
  return join(setFlags(head, flags), body.bytes);
}

export function rudiResponse(pktId: number, body: Body, flags = 0): Uint8Array {
  const head = headerOf(RudiPacket, { type: PdsType.RUDI_RESP, nextHeader: body.next, pktId });
  return join(setFlags(head, flags), body.bytes);
}

export function datagram(body: Body, flags = 0): Uint8Array {
  return join(setFlags(headerOf(UudRequest, { type: PdsType.UUD_REQ, nextHeader: body.next }), flags), body.bytes);
}

/** Bytes that tell places and packets apart. */
export function fill(length: number, salt = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >> 8) * 7 + salt;
  return bytes;
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function headerOf<H extends Parameters<typeof emit>[0]>(declared: H, values: HeaderValues<H>): Uint8Array {
  const view = new DataView(new ArrayBuffer(byteLength(declared)));
  emit(declared, view, 0, values);
  return new Uint8Array(view.buffer);
}

function setFlags(head: Uint8Array, flags: number): Uint8Array {
  head[1] = (head[1]! & 0x80) | flags;
  return head;
}

const NOTHING = new Uint8Array();
