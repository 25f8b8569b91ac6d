/** The header of the loop transport, the same for requests and answers. */
import { bits, header, u64 } from '../header.ts';
import { names } from '../names.ts';

export const LoopOpcode = names({ SEND: 1, WRITE: 2, READ: 3, ANSWER: 4 });

export const LoopHeader = header('Loop', 'docs/transports/loop', {
  opcode: bits(8, 'Kind of packet', LoopOpcode),
  status: bits(8, 'Answers: completion status of the request'),
  hasImm: bits(1, 'Immediate data is meant'),
  _r1: bits(15),
  life: bits(32, 'Random number of the requester’s engine: another one is another life').hex(),
  sequence: bits(32, 'Number of the request; answers repeat it'),
  sourceQpn: bits(32, 'Queue pair that sends the packet').hex(),
  destQpn: bits(32, 'Queue pair that the packet is for').hex(),
  jobId: bits(32, 'Job that the work is done for'),
  sourceId: bits(32, 'Identity that the requester claims'),
  offset: bits(32, 'Where in the message the payload belongs').unit('bytes'),
  total: bits(32, 'Length of the message').unit('bytes'),
  key: u64('Remote key'),
  address: u64('Offset of the message in the remote region'),
  imm: u64('Immediate data'),
});
