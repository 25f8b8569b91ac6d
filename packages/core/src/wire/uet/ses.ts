/**
 * Headers of the UET semantic sublayer (uet:ses/2). Code points: `ses-codes.ts`, exported again here.
 *
 * `memoryKey` is the place of the memory key (RMA) and of the match bits (SEND and TAGGED): one field, two uses.
 */
import { bits, bytes, header, u64 } from '../header.ts';
import { AmoDatatype, AmoOpcode, ResponseList, ReturnCode, SesOpcode, SesResponseOpcode } from './ses-codes.ts';

export * from './ses-codes.ts';

const requestStart = {
  _r1: bits(2),
  opcode: bits(6, 'Operation', SesOpcode),
  ver: bits(2, 'Header version: 0'),
  dc: bits(1, 'Delivery complete: answer only when the data is visible'),
  ie: bits(1, 'Initiator error: the payload must not touch memory'),
  rel: bits(1, 'Relative addressing'),
  hd: bits(1, 'Header data present'),
  eom: bits(1, 'End of message'),
  som: bits(1, 'Start of message'),
};
const jobId = bits(24, 'Job of the sender').hex();
const target = {
  riGeneration: bits(8, 'Generation of the resource index; 0 when unused'),
  jobId,
  _r2: bits(4),
  pidOnFep: bits(12, 'Process at the target'),
  _r3: bits(4),
  resourceIndex: bits(12, 'Resource at the target; index part of an optimized memory key'),
};
const messageId = bits(16, 'Message identifier; 0 is none').hex();
const stdPrefix = { ...requestStart, messageId, ...target };
const shortPrefix = {
  ...requestStart,
  _r4: bits(2),
  requestLength: bits(14, 'Length of the message').unit('bytes'),
  ...target,
};
const bufferOffset = u64('Offset from the base of the region');
const tokens = {
  initiatorToken: bits(32, 'Restart token of the initiator').hex(),
  targetToken: bits(32, 'Restart token of the target; 0 while unknown').hex(),
};
const initiator = bits(32, 'Initiator identifier');
const memoryKey = u64('Memory key (RMA) or match bits (SEND, TAGGED)');
const headerData = u64('Completion data for the target; valid with hd = 1');
const requestLength = bits(32, 'Length of the whole message').unit('bytes');
const place = {
  _r4: bits(18),
  payloadLength: bits(14, 'Payload of this packet').unit('bytes'),
  messageOffset: bits(32, 'Place of this payload in the message').unit('bytes'),
};

/** REQUEST_SMALL: RMA with an optimized key, one packet (uet:ses/2.3). */
export const RequestSmall = header('SES small request', 'uet:ses/2.3', { ...shortPrefix, bufferOffset });
/** REQUEST_MEDIUM without header data (`hd` = 0; uet:ses/2.5). */
export const RequestMedium = header('SES medium request', 'uet:ses/2.5', {
  ...shortPrefix,
  bufferOffset,
  initiator,
  memoryKey,
});
/** REQUEST_MEDIUM with header data (`hd` = 1): the buffer offset is 0 (uet:ses/2.5). */
export const RequestMediumData = header('SES medium request, header data', 'uet:ses/2.5', {
  ...shortPrefix,
  headerData,
  initiator,
  memoryKey,
});
/** REQUEST_STD, first packet of a message (`som` = 1; uet:ses/2.4). */
export const RequestStd = header('SES request', 'uet:ses/2.4', {
  ...stdPrefix,
  bufferOffset,
  initiator,
  memoryKey,
  headerData,
  requestLength,
});
/** REQUEST_STD, further packets of a message (`som` = 0; uet:ses/2.4). */
export const RequestStdNext = header('SES request, continued', 'uet:ses/2.4', {
  ...stdPrefix,
  bufferOffset,
  initiator,
  memoryKey,
  ...place,
  requestLength,
});
/** DEFERRABLE_SEND and DEFERRABLE_TSEND, first packet (uet:ses/2.4). */
export const RequestDeferrable = header('SES deferrable request', 'uet:ses/2.4', {
  ...stdPrefix,
  ...tokens,
  initiator,
  memoryKey,
  headerData,
  requestLength,
});
/** DEFERRABLE_SEND and DEFERRABLE_TSEND, further packets (uet:ses/2.4). */
export const RequestDeferrableNext = header('SES deferrable request, continued', 'uet:ses/2.4', {
  ...stdPrefix,
  ...tokens,
  initiator,
  memoryKey,
  ...place,
  requestLength,
});
/** DEFERRABLE_RTR: the target asks the sender to go on (uet:ses/2.4). */
export const RequestReadyToRestart = header('SES ready to restart', 'uet:ses/2.4', {
  ...stdPrefix,
  bufferOffset,
  initiator,
  ...tokens,
  headerData,
  requestLength,
});

/** Behind RequestStd of RENDEZVOUS_SEND and RENDEZVOUS_TSEND (uet:ses/2.6). */
export const RendezvousExtension = header('SES rendezvous extension', 'uet:ses/2.6', {
  eagerLength: bits(32, 'Bytes pushed with the request').unit('bytes'),
  riGeneration: bits(8, 'Generation of the resource index for the READ'),
  pidOnFep: bits(12, 'Process at the initiator, for the READ'),
  resourceIndex: bits(12, 'Resource at the initiator, for the READ'),
  readOffset: u64('Buffer offset for the READ'),
  readMemoryKey: u64('Memory key for the READ'),
});

const atomicFields = {
  amoOpcode: bits(8, 'Atomic operation', AmoOpcode),
  amoDatatype: bits(8, 'Operand type', AmoDatatype),
  semanticControl: bits(8, '1 may run in a cache, 2 coherent with host atomics').hex(),
  _r1: bits(8),
};
/** Behind the request header of an atomic (uet:ses/2.6). */
export const AtomicExtension = header('SES atomic extension', 'uet:ses/2.6', atomicFields);
/** In its place for compare-and-swap. Narrow operands stand in the low-order, that is last, bytes (uet:ses/2.6). */
export const CompareSwapExtension = header('SES compare-and-swap extension', 'uet:ses/2.6', {
  ...atomicFields,
  compareValue: bytes(16, 'Compare operand, right-aligned'),
  swapValue: bytes(16, 'Swap operand, right-aligned'),
});

const responseStart = {
  list: bits(2, 'List that the message met', ResponseList),
  opcode: bits(6, 'Kind of response', SesResponseOpcode),
  ver: bits(2, 'Header version: 0'),
  returnCode: bits(6, 'Outcome', ReturnCode),
};

/** RESPONSE without data (uet:ses/2.11). */
export const Response = header('SES response', 'uet:ses/2.11', {
  ...responseStart,
  messageId,
  riGeneration: bits(8, 'Current generation when the request had a wrong one, else 0'),
  jobId,
  modifiedLength: bits(32, 'Bytes of the target buffer that change').unit('bytes'),
});
/** RESPONSE_DATA: data of a read or fetching atomic follows (uet:ses/2.11). */
export const ResponseData = header('SES response with data', 'uet:ses/2.11', {
  ...responseStart,
  responseMessageId: bits(16, 'Message identifier chosen by the responder; 0 is none').hex(),
  _r1: bits(8),
  jobId,
  readRequestMessageId: bits(16, 'Message identifier of the request').hex(),
  _r2: bits(2),
  payloadLength: bits(14, 'Payload of this packet').unit('bytes'),
  modifiedLength: bits(32, 'Length of the request').unit('bytes'),
  messageOffset: bits(32, 'Place of this data in the read').unit('bytes'),
});
/** RESPONSE_DATA_SMALL: data for a request that had no message identifier follows (uet:ses/2.11). */
export const ResponseDataSmall = header('SES small response with data', 'uet:ses/2.11', {
  ...responseStart,
  _r1: bits(2),
  payloadLength: bits(14, 'Payload of this packet').unit('bytes'),
  _r2: bits(8),
  jobId,
  originalRequestPsn: bits(32, 'PSN of the request; packet identifier for RUDI').hex(),
});
