/** Code points of the connection manager (IBTA vol. 1 §12.6). */
import { names } from '../names.ts';

/** Kind of connection that a REQ asks for. */
export const CmService = names({ RC: 0, UC: 1, RD: 2, EXTENDED: 3 });

/** Largest payload of a packet, as a code. */
export const PathMtu = names({ MTU_256: 1, MTU_512: 2, MTU_1024: 3, MTU_2048: 4, MTU_4096: 5 });

/** Which message a REJ refuses. */
export const CmRejected = names({ REQ: 0, REP: 1, OTHER: 2 });

/** Why a request or an answer was refused (IBTA vol. 1 §12.6.7.2). */
export const CmRejectReason = names({
  NO_QP: 1,
  NO_EEC: 2,
  NO_RESOURCES: 3,
  TIMEOUT: 4,
  UNSUPPORTED_REQUEST: 5,
  INVALID_COMM_ID: 6,
  INVALID_COMM_INSTANCE: 7,
  INVALID_SERVICE_ID: 8,
  INVALID_TRANSPORT_SERVICE: 9,
  STALE_CONNECTION: 10,
  RDC_DOES_NOT_EXIST: 11,
  PRIMARY_REMOTE_GID: 12,
  PRIMARY_REMOTE_LID: 13,
  PRIMARY_SERVICE_LEVEL: 14,
  PRIMARY_TRAFFIC_CLASS: 15,
  PRIMARY_HOP_LIMIT: 16,
  PRIMARY_PACKET_RATE: 17,
  ALTERNATE_REMOTE_GID: 18,
  ALTERNATE_REMOTE_LID: 19,
  ALTERNATE_SERVICE_LEVEL: 20,
  ALTERNATE_TRAFFIC_CLASS: 21,
  ALTERNATE_HOP_LIMIT: 22,
  ALTERNATE_PACKET_RATE: 23,
  PORT_AND_CM_REDIRECTION: 24,
  PORT_REDIRECTION: 25,
  INVALID_PATH_MTU: 26,
  INSUFFICIENT_RESPONDER_RESOURCES: 27,
  CONSUMER: 28,
  RNR_RETRY_COUNT: 29,
  DUPLICATE_LOCAL_COMM_ID: 30,
  CLASS_VERSION: 31,
  PRIMARY_FLOW_LABEL: 32,
  ALTERNATE_FLOW_LABEL: 33,
});

/** Answer to the question for the queue pair of a datagram service. */
export const SidrStatus = names({
  VALID: 0,
  SERVICE_NOT_SUPPORTED: 1,
  REJECTED_BY_PROVIDER: 2,
  NO_QP: 3,
  REDIRECTION: 4,
  VERSION_NOT_SUPPORTED: 5,
});
