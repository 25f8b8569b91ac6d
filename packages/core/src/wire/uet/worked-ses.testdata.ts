/** Test data: worked packets of uet:ses/10, each with its bytes and the value of each field that is not 0. */
import {
  AtomicExtension,
  CompareSwapExtension,
  RendezvousExtension,
  RequestDeferrable,
  RequestMedium,
  RequestMediumData,
  RequestReadyToRestart,
  RequestSmall,
  RequestStd,
  RequestStdNext,
  Response,
  ResponseData,
  ResponseDataSmall,
} from './ses.ts';
import { type Worked, wide, worked } from './worked.testdata.ts';

/** Headers E1 to E17 and R1 to R10 of uet:ses/10. `starts` is the value of nextHeader that announces them. */
// biome-ignore format: one header per line
export const WORKED_SES: readonly Worked[] = [
  {
    id: 'E1',
    what: 'SEND single: untagged 64-byte single-packet send',
    starts: 3,
    hex: '05 0b 00 01 00 00 a1 b2 00 02 00 05 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 40',
    layers: [
      worked(RequestStd, { opcode: 5, ver: 0, messageId: 1, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, bufferOffset: 0n, initiator: 7, memoryKey: 0n, headerData: 0n, requestLength: 64, rel: 1, eom: 1, som: 1 }),
    ],
  },
  {
    id: 'E2',
    what: 'TAGGED_SEND first of 3, HD: 10,000-byte tagged send with completion data, payload MTU 4096, packet 1 (bytes 0-4095)',
    starts: 3,
    hex: '09 0d 01 01 00 00 a1 b2 00 02 00 05 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 03 00 00 00 07 00 00 00 00 00 00 00 2a 00 00 27 10',
    layers: [
      worked(RequestStd, { opcode: 9, ver: 0, messageId: 0x101, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, bufferOffset: 0n, initiator: 7, memoryKey: 0x300000007n, headerData: 0x2an, requestLength: 10000, rel: 1, hd: 1, som: 1 }),
    ],
  },
  {
    id: 'E3',
    what: 'TAGGED_SEND middle: same message, packet 2',
    starts: 3,
    hex: '09 08 01 01 00 00 a1 b2 00 02 00 05 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 03 00 00 00 07 00 00 10 00 00 00 10 00 00 00 27 10',
    layers: [
      worked(RequestStdNext, { opcode: 9, ver: 0, messageId: 0x101, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, bufferOffset: 0n, initiator: 7, memoryKey: 0x300000007n, payloadLength: 4096, messageOffset: 4096, requestLength: 10000, rel: 1 }),
    ],
  },
  {
    id: 'E4',
    what: 'TAGGED_SEND last: same message, packet 3',
    starts: 3,
    hex: '09 0a 01 01 00 00 a1 b2 00 02 00 05 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 03 00 00 00 07 00 00 07 10 00 00 20 00 00 00 27 10',
    layers: [
      worked(RequestStdNext, { opcode: 9, ver: 0, messageId: 0x101, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, bufferOffset: 0n, initiator: 7, memoryKey: 0x300000007n, payloadLength: 1808, messageOffset: 8192, requestLength: 10000, rel: 1, eom: 1 }),
    ],
  },
  {
    id: 'E5',
    what: 'WRITE + imm + DC: fi_writedata of 256 bytes, delivery complete',
    starts: 3,
    hex: '01 2f 02 02 00 00 a1 b2 00 02 00 09 00 00 00 00 00 00 10 00 00 00 00 07 00 00 00 00 00 00 12 34 00 00 00 00 de ad be ef 00 00 01 00',
    layers: [
      worked(RequestStd, { opcode: 1, ver: 0, messageId: 0x202, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 9, bufferOffset: 0x1000n, initiator: 7, memoryKey: 0x1234n, headerData: 0xdeadbeefn, requestLength: 256, dc: 1, rel: 1, hd: 1, eom: 1, som: 1 }),
    ],
  },
  {
    id: 'E6',
    what: 'READ 2nd of 2: 5000-byte read, second request packet, no payload follows',
    starts: 3,
    hex: '02 0a 03 03 00 00 a1 b2 00 02 00 09 00 00 00 00 00 00 20 00 00 00 00 07 00 00 00 00 00 00 12 34 00 00 03 88 00 00 10 00 00 00 13 88',
    layers: [
      worked(RequestStdNext, { opcode: 2, ver: 0, messageId: 0x303, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 9, bufferOffset: 0x2000n, initiator: 7, memoryKey: 0x1234n, payloadLength: 904, messageOffset: 4096, requestLength: 5000, rel: 1, eom: 1 }),
    ],
  },
  {
    id: 'E7',
    what: 'WRITE SMALL: 512-byte write with the optimized key 0x4000000000000123 (index goes to RI, inferred)',
    starts: 1,
    hex: '01 0b 02 00 00 00 a1 b2 00 02 01 23 00 00 00 00 00 00 00 40',
    layers: [
      worked(RequestSmall, { opcode: 1, ver: 0, requestLength: 512, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 0x123, bufferOffset: 0x40n, rel: 1, eom: 1, som: 1 }),
    ],
  },
  {
    id: 'E8',
    what: 'TAGGED_SEND MEDIUM HD: 32-byte tagged send with completion data',
    starts: 2,
    hex: '09 0f 00 20 00 00 a1 b2 00 02 00 05 00 00 00 00 00 00 00 2a 00 00 00 07 00 00 00 03 00 00 00 07',
    layers: [
      worked(RequestMediumData, { opcode: 9, ver: 0, requestLength: 32, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, headerData: 0x2an, initiator: 7, memoryKey: 0x300000007n, rel: 1, hd: 1, eom: 1, som: 1 }),
    ],
  },
  {
    id: 'E9',
    what: 'FETCHING_ATOMIC SUM u64: fetch-add on UINT64, 8-byte operand follows as payload',
    starts: 3,
    hex: '04 0b 04 04 00 00 a1 b2 00 02 00 09 00 00 00 00 00 00 00 18 00 00 00 07 00 00 00 00 00 00 12 34 00 00 00 00 00 00 00 00 00 00 00 08 02 07 02 00',
    layers: [
      worked(RequestStd, { opcode: 4, ver: 0, messageId: 0x404, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 9, bufferOffset: 0x18n, initiator: 7, memoryKey: 0x1234n, headerData: 0n, requestLength: 8, rel: 1, eom: 1, som: 1 }),
      worked(AtomicExtension, { amoOpcode: 2, amoDatatype: 7, semanticControl: 2 }),
    ],
  },
  {
    id: 'E10',
    what: 'FETCHING_ATOMIC CSWAP u64: compare 0x11, swap 0x22 on UINT64, no payload',
    starts: 3,
    hex: '04 0b 04 05 00 00 a1 b2 00 02 00 09 00 00 00 00 00 00 00 20 00 00 00 07 00 00 00 00 00 00 12 34 00 00 00 00 00 00 00 00 00 00 00 08 0d 07 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 22',
    layers: [
      worked(RequestStd, { opcode: 4, ver: 0, messageId: 0x405, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 9, bufferOffset: 0x20n, initiator: 7, memoryKey: 0x1234n, headerData: 0n, requestLength: 8, rel: 1, eom: 1, som: 1 }),
      worked(CompareSwapExtension, { amoOpcode: 13, amoDatatype: 7, semanticControl: 2, compareValue: wide(0x11), swapValue: wide(0x22) }),
    ],
  },
  {
    id: 'E11',
    what: 'RENDEZVOUS_TSEND: 1 MiB tagged rendezvous, 4096 eager bytes in one packet',
    starts: 3,
    hex: '0a 0b 05 05 00 00 a1 b2 00 02 00 05 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 03 00 00 00 07 00 00 00 00 00 00 00 00 00 10 00 00 00 00 10 00 00 00 10 0b 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 77',
    layers: [
      worked(RequestStd, { opcode: 10, ver: 0, messageId: 0x505, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, bufferOffset: 0n, initiator: 7, memoryKey: 0x300000007n, headerData: 0n, requestLength: 1048576, rel: 1, eom: 1, som: 1 }),
      worked(RendezvousExtension, { eagerLength: 4096, riGeneration: 0, pidOnFep: 1, resourceIndex: 0xb, readOffset: 0n, readMemoryKey: 0x77n }),
    ],
  },
  {
    id: 'E12',
    what: 'DEFERRABLE_TSEND first: 32 KiB deferrable tagged send, first packet, target token unknown',
    starts: 3,
    hex: '0b 09 06 06 00 00 a1 b2 00 02 00 05 aa 00 00 01 00 00 00 00 00 00 00 07 00 00 00 03 00 00 00 07 00 00 00 00 00 00 00 00 00 00 80 00',
    layers: [
      worked(RequestDeferrable, { opcode: 11, ver: 0, messageId: 0x606, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, initiatorToken: 0xaa000001, targetToken: 0, initiator: 7, memoryKey: 0x300000007n, headerData: 0n, requestLength: 32768, rel: 1, som: 1 }),
    ],
  },
  {
    id: 'E13',
    what: 'DEFERRABLE_RTR: ready-to-restart from the target to the sender of E12 (sender is pid 1, RI 4)',
    starts: 3,
    hex: '0c 0b 00 07 00 00 a1 b2 00 01 00 04 00 00 00 00 00 00 00 00 00 00 00 09 aa 00 00 01 bb 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00',
    layers: [
      worked(RequestReadyToRestart, { opcode: 12, ver: 0, messageId: 7, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 1, resourceIndex: 4, bufferOffset: 0n, initiator: 9, initiatorToken: 0xaa000001, targetToken: 0xbb000002, headerData: 0n, requestLength: 0, rel: 1, eom: 1, som: 1 }),
    ],
  },
  {
    id: 'E14',
    what: 'DEFERRABLE_TSEND restarted: restart of E12: new message, both tokens',
    starts: 3,
    hex: '0b 09 06 08 00 00 a1 b2 00 02 00 05 aa 00 00 01 bb 00 00 02 00 00 00 07 00 00 00 03 00 00 00 07 00 00 00 00 00 00 00 00 00 00 80 00',
    layers: [
      worked(RequestDeferrable, { opcode: 11, ver: 0, messageId: 0x608, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, initiatorToken: 0xaa000001, targetToken: 0xbb000002, initiator: 7, memoryKey: 0x300000007n, headerData: 0n, requestLength: 32768, rel: 1, som: 1 }),
    ],
  },
  {
    id: 'E15',
    what: 'MSG_ERROR: ends the message of E2 after 8192 bytes',
    starts: 3,
    hex: '0f 0a 01 01 00 00 a1 b2 00 02 00 05 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 03 00 00 00 07 00 00 00 00 00 00 20 00 00 00 27 10',
    layers: [
      worked(RequestStdNext, { opcode: 15, ver: 0, messageId: 0x101, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, bufferOffset: 0n, initiator: 7, memoryKey: 0x300000007n, payloadLength: 0, messageOffset: 8192, requestLength: 10000, rel: 1, eom: 1 }),
    ],
  },
  {
    id: 'E16',
    what: 'DATAGRAM_SEND absolute MEDIUM: 100-byte datagram, absolute address',
    starts: 2,
    hex: '07 03 00 64 00 00 a1 b2 00 03 00 06 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 00 00 00 00 00',
    layers: [
      worked(RequestMedium, { opcode: 7, ver: 0, requestLength: 100, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 3, resourceIndex: 6, bufferOffset: 0n, initiator: 7, memoryKey: 0n, eom: 1, som: 1 }),
    ],
  },
  {
    id: 'E17',
    what: 'NO_OP SMALL',
    starts: 1,
    hex: '00 0b 00 00 00 00 a1 b2 00 02 00 05 00 00 00 00 00 00 00 00',
    layers: [
      worked(RequestSmall, { opcode: 0, ver: 0, requestLength: 0, riGeneration: 0, jobId: 0xa1b2, pidOnFep: 2, resourceIndex: 5, bufferOffset: 0n, rel: 1, eom: 1, som: 1 }),
    ],
  },
  {
    id: 'R1',
    what: 'DEFAULT_RESPONSE: success of E2 (ACK of the completing packet)',
    starts: 4,
    hex: '00 01 01 01 00 00 a1 b2 00 00 00 00',
    layers: [
      worked(Response, { list: 0, opcode: 0, ver: 0, returnCode: 1, messageId: 0x101, riGeneration: 0, jobId: 0xa1b2, modifiedLength: 0 }),
    ],
  },
  {
    id: 'R2',
    what: 'NO_RESPONSE: ACK of a non-completing packet of E2',
    starts: 4,
    hex: '03 00 01 01 00 00 a1 b2 00 00 00 00',
    layers: [
      worked(Response, { list: 0, opcode: 3, ver: 0, returnCode: 0, messageId: 0x101, riGeneration: 0, jobId: 0xa1b2, modifiedLength: 0 }),
    ],
  },
  {
    id: 'R3',
    what: 'RESPONSE OVERFLOW OK: deferral / header-only unexpected',
    starts: 4,
    hex: '41 01 01 01 00 00 a1 b2 00 00 00 00',
    layers: [
      worked(Response, { list: 1, opcode: 1, ver: 0, returnCode: 1, messageId: 0x101, riGeneration: 0, jobId: 0xa1b2, modifiedLength: 0 }),
    ],
  },
  {
    id: 'R4',
    what: 'RESPONSE truncated: E2 matched an 8000-byte buffer',
    starts: 4,
    hex: '01 01 01 01 00 00 a1 b2 00 00 1f 40',
    layers: [
      worked(Response, { list: 0, opcode: 1, ver: 0, returnCode: 1, messageId: 0x101, riGeneration: 0, jobId: 0xa1b2, modifiedLength: 8000 }),
    ],
  },
  {
    id: 'R5',
    what: 'RESPONSE BAD_GENERATION: answer to E1, current generation 6',
    starts: 4,
    hex: '01 02 00 01 06 00 a1 b2 00 00 00 00',
    layers: [
      worked(Response, { list: 0, opcode: 1, ver: 0, returnCode: 2, messageId: 1, riGeneration: 6, jobId: 0xa1b2, modifiedLength: 0 }),
    ],
  },
  {
    id: 'R6',
    what: 'RESPONSE PERM_VIOLATION: answer to E5',
    starts: 4,
    hex: '01 17 02 02 00 00 a1 b2 00 00 00 00',
    layers: [
      worked(Response, { list: 0, opcode: 1, ver: 0, returnCode: 0x17, messageId: 0x202, riGeneration: 0, jobId: 0xa1b2, modifiedLength: 0 }),
    ],
  },
  {
    id: 'R7',
    what: 'RESPONSE_W_DATA read 1st: return data of the read of E6, first piece, responder message ID 9, 4096 bytes follow',
    starts: 5,
    hex: '02 01 00 09 00 00 a1 b2 03 03 10 00 00 00 13 88 00 00 00 00',
    layers: [
      worked(ResponseData, { list: 0, opcode: 2, ver: 0, returnCode: 1, responseMessageId: 9, jobId: 0xa1b2, readRequestMessageId: 0x303, payloadLength: 4096, modifiedLength: 5000, messageOffset: 0 }),
    ],
  },
  {
    id: 'R8',
    what: 'RESPONSE_W_DATA read 2nd: second piece, 904 bytes follow',
    starts: 5,
    hex: '02 01 00 09 00 00 a1 b2 03 03 03 88 00 00 13 88 00 00 10 00',
    layers: [
      worked(ResponseData, { list: 0, opcode: 2, ver: 0, returnCode: 1, responseMessageId: 9, jobId: 0xa1b2, readRequestMessageId: 0x303, payloadLength: 904, modifiedLength: 5000, messageOffset: 4096 }),
    ],
  },
  {
    id: 'R9',
    what: 'RESPONSE_W_DATA fetch: result of E9 in the ACK, 8 bytes follow',
    starts: 5,
    hex: '02 01 00 00 00 00 a1 b2 04 04 00 08 00 00 00 08 00 00 00 00',
    layers: [
      worked(ResponseData, { list: 0, opcode: 2, ver: 0, returnCode: 1, responseMessageId: 0, jobId: 0xa1b2, readRequestMessageId: 0x404, payloadLength: 8, modifiedLength: 8, messageOffset: 0 }),
    ],
  },
  {
    id: 'R10',
    what: 'RESPONSE_DATA_SMALL: 64 bytes read with a SMALL header sent as PSN 333',
    starts: 6,
    hex: '02 01 00 40 00 00 a1 b2 00 00 01 4d',
    layers: [
      worked(ResponseDataSmall, { list: 0, opcode: 2, ver: 0, returnCode: 1, payloadLength: 64, jobId: 0xa1b2, originalRequestPsn: 333 }),
    ],
  },
];
