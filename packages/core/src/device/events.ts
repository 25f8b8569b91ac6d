/** Asynchronous events, numbered as in libibverbs. @spec verbs/6 */

export interface EventRow {
  readonly value: number;
  readonly name: string;
  readonly text: string;
  readonly about: 'cq' | 'qp' | 'srq' | 'port' | 'device';
}

const row = (value: number, name: string, text: string, about: EventRow['about']): EventRow => ({
  value,
  name,
  text,
  about,
});

export const EVENTS: readonly EventRow[] = [
  row(0, 'CQ_ERR', 'completion queue overrun', 'cq'),
  row(1, 'QP_FATAL', 'local work queue catastrophic error', 'qp'),
  row(2, 'QP_REQ_ERR', 'invalid request on the local work queue', 'qp'),
  row(3, 'QP_ACCESS_ERR', 'local access violation', 'qp'),
  row(4, 'COMM_EST', 'communication established', 'qp'),
  row(5, 'SQ_DRAINED', 'send queue drained', 'qp'),
  row(8, 'DEVICE_FATAL', 'local catastrophic error', 'device'),
  row(9, 'PORT_ACTIVE', 'port active', 'port'),
  row(10, 'PORT_ERR', 'port error', 'port'),
  row(14, 'SRQ_ERR', 'shared receive queue catastrophic error', 'srq'),
  row(15, 'SRQ_LIMIT_REACHED', 'shared receive queue limit reached', 'srq'),
  row(16, 'QP_LAST_WQE_REACHED', 'last receive of a shared receive queue taken', 'qp'),
  row(18, 'GID_CHANGE', 'address table changed', 'port'),
];

export const EventValue = {
  CQ_ERR: 0,
  QP_FATAL: 1,
  QP_REQ_ERR: 2,
  QP_ACCESS_ERR: 3,
  COMM_EST: 4,
  SQ_DRAINED: 5,
  DEVICE_FATAL: 8,
  PORT_ACTIVE: 9,
  PORT_ERR: 10,
  SRQ_ERR: 14,
  SRQ_LIMIT_REACHED: 15,
  QP_LAST_WQE_REACHED: 16,
  GID_CHANGE: 18,
} as const;

export const eventRow = (value: number): EventRow =>
  EVENTS.find((one) => one.value === value) ?? row(value, `EVENT_${value}`, 'unknown event', 'device');
