/** The header of the loop transport, the same for requests and answers. */
import { bits, byteLength, header } from '../header.ts';
import { names } from '../names.ts';

/** Requests are numbered as in `WorkOpcode`. */
export const LoopOpcode = names({ WRITE: 0, WRITE_IMM: 1, SEND: 2, SEND_IMM: 3, READ: 4, ANSWER: 5 });

/** Most fields have the names that they have in `SendWork`. */
export const LoopHeader = header('Loop', 'docs/transports/loop', {
  opcode: bits(8, 'Kind of packet', LoopOpcode),
  status: bits(8, 'Answers: how the request ended, a completion status'),
  sequence: bits(16, 'Number of the request; its answer repeats it, and all fields below'),
  sourceQpn: bits(32, 'Queue pair that asks').hex(),
  remoteQpn: bits(32, 'Queue pair that is asked').hex(),
  jobId: bits(32, 'Job that the work is done for'),
  sourceId: bits(32, 'Identity that the requester claims'),
  length: bits(32, 'Length of the message').unit('bytes'),
  offset: bits(32, 'Where in the message the payload belongs').unit('bytes'),
  rkeyHi: bits(32, 'Remote key').hex(),
  rkeyLo: bits(32).hex(),
  remoteOffsetHi: bits(32, 'Where in the remote region the message belongs').unit('bytes'),
  remoteOffsetLo: bits(32).unit('bytes'),
  immHi: bits(32, 'Immediate data').hex(),
  immLo: bits(32).hex(),
});

export const LOOP_HEADER_BYTES = byteLength(LoopHeader);
