/** Why a connection is refused, in sentences; the codes are those of the wire. @spec IBTA vol. 1 §12.6.7.2 */
import type { CodeTable } from '../base/code-table.ts';
import { VerbsError } from '../base/verbs-error.ts';
import { CmRejectReason } from '../wire/roce/cm-codes.ts';

interface ReasonRow {
  /** What happened, in the words of who was refused. */
  readonly text: string;
  /** What would work. */
  readonly advice: string;
}

const row = (text: string, advice = ''): ReasonRow => ({ text, advice });

/** The sentences. */
export const REJECT_REASONS: Readonly<Record<RejectReason, ReasonRow>> = {
  NO_QP: row('the peer has no queue pair left'),
  NO_EEC: row('the peer has no end-to-end context left'),
  NO_RESOURCES: row('the peer has no room for another connection', 'later, or with a larger backlog of its listener'),
  TIMEOUT: row('the peer waited too long for an answer'),
  UNSUPPORTED_REQUEST: row('the peer does not support the request'),
  INVALID_COMM_ID: row('the peer does not know the connection'),
  INVALID_COMM_INSTANCE: row('the peer knows another connection by these numbers'),
  INVALID_SERVICE_ID: row('nobody listens on this port', 'start the server first, and compare the ports'),
  INVALID_TRANSPORT_SERVICE: row('the peer wants another kind of queue pair', 'the same kind, RC or UC, on both sides'),
  STALE_CONNECTION: row('the peer believes that this queue pair is connected', 'again, or with a new queue pair'),
  RDC_DOES_NOT_EXIST: row('the peer has no reliable datagram channel'),
  PRIMARY_REMOTE_GID: row('the peer does not accept the address', 'an address of its RDMA device'),
  PRIMARY_REMOTE_LID: row('the peer does not accept the local identifier'),
  PRIMARY_SERVICE_LEVEL: row('the peer does not accept the service level'),
  PRIMARY_TRAFFIC_CLASS: row('the peer does not accept the traffic class'),
  PRIMARY_HOP_LIMIT: row('the peer does not accept the hop limit'),
  PRIMARY_PACKET_RATE: row('the peer does not accept the packet rate'),
  ALTERNATE_REMOTE_GID: row('the peer does not accept the alternate address'),
  ALTERNATE_REMOTE_LID: row('the peer does not accept the alternate local identifier'),
  ALTERNATE_SERVICE_LEVEL: row('the peer does not accept the alternate service level'),
  ALTERNATE_TRAFFIC_CLASS: row('the peer does not accept the alternate traffic class'),
  ALTERNATE_HOP_LIMIT: row('the peer does not accept the alternate hop limit'),
  ALTERNATE_PACKET_RATE: row('the peer does not accept the alternate packet rate'),
  PORT_AND_CM_REDIRECTION: row('the peer names another port and connection manager'),
  PORT_REDIRECTION: row('the peer names another port'),
  INVALID_PATH_MTU: row('the peer cannot take packets of this size', 'a smaller pathMtu'),
  INSUFFICIENT_RESPONDER_RESOURCES: row('the peer cannot serve so many reads at a time', 'a smaller initiatorDepth'),
  CONSUMER: row('the program on the other side refused'),
  RNR_RETRY_COUNT: row('the peer does not accept the RNR retry count'),
  DUPLICATE_LOCAL_COMM_ID: row('the peer has a connection of this number', 'again'),
  CLASS_VERSION: row('the peer speaks another version of the connection protocol'),
  PRIMARY_FLOW_LABEL: row('the peer does not accept the flow label'),
  ALTERNATE_FLOW_LABEL: row('the peer does not accept the alternate flow label'),
};

/** The reasons as a table of codes. */
export const REJECT_CODES: CodeTable = {
  kind: 'reject-reason',
  name: 'reject reason of the connection manager',
  layer: 'CM',
  prefixes: ['IB_CM_REJ_', 'CM_REJ_', 'REJ_'],
  section: 'IBTA vol. 1 §12.6.7.2',
  rows: Object.entries(REJECT_REASONS).map(([name, { text, advice }]) => ({
    value: CmRejectReason[name as RejectReason],
    name,
    text,
    effect: 'the attempt to connect fails with ECONNREFUSED',
    advice,
  })),
};

/** Name of a reason. */
export type RejectReason = keyof typeof CmRejectReason;

/** The peer refused. Its code is `ECONNREFUSED`. */
export class ConnectionRejected extends VerbsError {
  /** Number as it came; also of reasons that the table lacks. */
  readonly reasonCode: number;
  /** Name of the reason; undefined when the table lacks it. */
  readonly reason: RejectReason | undefined;
  /** What the peer said to it: 148 bytes, zeros behind. */
  readonly privateData: Uint8Array;

  constructor(call: string, object: string, code: number, privateData: Uint8Array) {
    const reason = reasonOf(code);
    const known = reason === undefined ? undefined : REJECT_REASONS[reason];
    super('ECONNREFUSED', call, known?.text ?? `the peer refused with code ${code}`, {
      object,
      given: `reason ${code}${reason === undefined ? '' : ` (${reason})`}`,
      ...(known === undefined || known.advice === '' ? {} : { try: known.advice }),
      see: 'docs/connection-manager.md',
    });
    this.reasonCode = code;
    this.reason = reason;
    this.privateData = privateData;
  }
}

/** Name of a code; undefined for one that the table lacks. */
export const reasonOf = (code: number): RejectReason | undefined => NAMES.get(code);

const NAMES = new Map(Object.entries(CmRejectReason).map(([name, code]) => [code as number, name as RejectReason]));
