/** Headers that follow the BTH (IBTA vol. 1 §9.3). Which of them an opcode has says `ROCE_OPCODES`. */
import { type AnyHeader, bits, byteLength, header, u64 } from '../header.ts';
import type { RoceExtension } from './opcodes.ts';
import { AethKind, RnrTimer, RoceNak } from './syndrome.ts';

const virtualAddress = u64('Virtual address of the remote memory');
const rkey = bits(32, 'Remote key of that memory').hex();

/** Datagrams: who sends, and the right to send (IBTA vol. 1 §9.3.2). */
export const Deth = header('DETH', 'IBTA vol. 1 §9.3.2', {
  qkey: bits(32, 'Queue key').hex(),
  _r1: bits(8),
  sourceQp: bits(24, 'Queue pair of the sender').hex(),
});

/** RDMA WRITE and READ: where the data goes, or comes from (IBTA vol. 1 §9.3.3). */
export const Reth = header('RETH', 'IBTA vol. 1 §9.3.3', {
  virtualAddress,
  rkey,
  dmaLength: bits(32, 'Length of the whole message').unit('bytes'),
});

/** CMP_SWAP and FETCH_ADD (IBTA vol. 1 §9.3.4). */
export const AtomicEth = header('AtomicETH', 'IBTA vol. 1 §9.3.4', {
  virtualAddress,
  rkey,
  swapAdd: u64('Value to store, or to add'),
  compare: u64('CMP_SWAP: the value that must be there'),
});

const msn = bits(24, 'Messages that the responder has completed, modulo 2^24');

/** Acknowledgement (IBTA vol. 1 §9.3.5). What `value` means depends on `kind`; dumps use the three forms below. */
export const Aeth = header('AETH', 'IBTA vol. 1 §9.3.5', {
  _r1: bits(1),
  kind: bits(2, 'Acknowledged, try later, or refused', AethKind),
  value: bits(5, 'Credit code, timer code or reason'),
  msn,
});

/** The same, all is well. */
export const AethAck = header('AETH, ACK', 'IBTA vol. 1 §9.3.5', {
  _r1: bits(1),
  kind: bits(2, 'Acknowledged', AethKind),
  creditCode: bits(5, 'Receives that may be used, as a code; 31 means that credits are not counted'),
  msn,
});

/** The same, no receive is posted. */
export const AethRnr = header('AETH, RNR NAK', 'IBTA vol. 1 §9.3.5', {
  _r1: bits(1),
  kind: bits(2, 'Receiver not ready', AethKind),
  timer: bits(5, 'How long the requester must wait at least', RnrTimer),
  msn,
});

/** The same, refused. */
export const AethNak = header('AETH, NAK', 'IBTA vol. 1 §9.3.5', {
  _r1: bits(1),
  kind: bits(2, 'Refused', AethKind),
  reason: bits(5, 'Why', RoceNak),
  msn,
});

/** Result of an atomic operation, behind the AETH (IBTA vol. 1 §9.3). */
export const AtomicAckEth = header('AtomicAckETH', 'IBTA vol. 1 §9.3', {
  original: u64('Value that was there before'),
});

/** Immediate data, the last four bytes of the headers (IBTA vol. 1 §9.3). */
export const ImmDt = header('ImmDt', 'IBTA vol. 1 §9.3', {
  immediate: bits(32, 'Immediate data, opaque').hex(),
});

/** SEND with Invalidate, the last four bytes of the headers (IBTA vol. 1 §9.3). */
export const Ieth = header('IETH', 'IBTA vol. 1 §9.3', {
  rkey: bits(32, 'Remote key that the responder is to invalidate').hex(),
});

/** Behind the BTH of a congestion notification, all zero (IBTA annex A17). */
export const CnpPadding = header('CNP padding', 'IBTA annex A17', {
  _r1: bits(32),
  _r2: bits(32),
  _r3: bits(32),
  _r4: bits(32),
});

export const DETH_BYTES = byteLength(Deth);
export const RETH_BYTES = byteLength(Reth);
export const ATOMIC_ETH_BYTES = byteLength(AtomicEth);
export const AETH_BYTES = byteLength(Aeth);
export const ATOMIC_ACK_ETH_BYTES = byteLength(AtomicAckEth);
export const IMM_DT_BYTES = byteLength(ImmDt);
export const IETH_BYTES = byteLength(Ieth);

/** The declaration of each extension header. */
export const ROCE_EXTENSIONS: Readonly<Record<RoceExtension, AnyHeader>> = Object.freeze({
  DETH: Deth,
  RETH: Reth,
  AtomicETH: AtomicEth,
  AETH: Aeth,
  AtomicAckETH: AtomicAckEth,
  ImmDt,
  IETH: Ieth,
  'CNP padding': CnpPadding,
});
