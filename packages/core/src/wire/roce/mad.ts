/** Management datagrams: 256 bytes, SEND Only over UD to queue pair 1 for general services (IBTA vol. 1 §13.4). */
import { bits, byteLength, header, u64 } from '../header.ts';
import { names } from '../names.ts';

/** Who the datagram is for. */
export const MadClass = names({
  SUBNET_LID_ROUTED: 0x01,
  SUBNET_ADMINISTRATION: 0x03,
  PERFORMANCE: 0x04,
  BASEBOARD: 0x05,
  DEVICE: 0x06,
  COMMUNICATION: 0x07,
  SNMP: 0x08,
});

/** What it wants; responses have the high bit. */
export const MadMethod = names({
  GET: 0x01,
  SET: 0x02,
  SEND: 0x03,
  TRAP: 0x05,
  REPORT: 0x06,
  TRAP_REPRESS: 0x07,
  GET_RESP: 0x81,
  REPORT_RESP: 0x86,
});

/** Attributes of the communication class: which message it is (IBTA vol. 1 §12.6, table of attributes §16.7). */
export const CmAttribute = names({
  CLASS_PORT_INFO: 0x0001,
  REQ: 0x0010,
  MRA: 0x0011,
  REJ: 0x0012,
  REP: 0x0013,
  RTU: 0x0014,
  DREQ: 0x0015,
  DREP: 0x0016,
  SIDR_REQ: 0x0017,
  SIDR_REP: 0x0018,
  LAP: 0x0019,
  APR: 0x001a,
});

const start = {
  baseVersion: bits(8, 'Version of this header: 1'),
  managementClass: bits(8, 'Who it is for', MadClass),
  classVersion: bits(8, 'Version of the class; 2 for communication management'),
  method: bits(8, 'What it wants', MadMethod),
  status: bits(16, 'Responses: 0 is success').hex(),
  classSpecific: bits(16, 'Meaning depends on the class').hex(),
  transactionId: u64('Pairs an answer with its question'),
};
const end = { _r1: bits(16), attributeModifier: bits(32, 'Meaning depends on the attribute').hex() };

export const Mad = header('MAD', 'IBTA vol. 1 §13.4.2', {
  ...start,
  attributeId: bits(16, 'What it is about').hex(),
  ...end,
});

/** The same for communication management, where the attribute is the kind of message. */
export const CmMad = header('MAD, CM', 'IBTA vol. 1 §13.4.2', {
  ...start,
  attributeId: bits(16, 'Which message', CmAttribute),
  ...end,
});

export const MAD_HEADER_BYTES = byteLength(Mad);
/** Length of every management datagram. */
export const MAD_BYTES = 256;
/** Queue pair of the general services. */
export const GSI_QP = 1;
/** Queue key of queue pair 1 (IBTA vol. 1 §10.2.5). */
export const GSI_QKEY = 0x8001_0000;
export const MAD_BASE_VERSION = 1;
export const CM_CLASS_VERSION = 2;
