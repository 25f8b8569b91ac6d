/** Asynchronous events, numbered as in libibverbs. @spec verbs/6 */
import type { CodeTable } from '../base/code-table.ts';

export interface EventRow {
  readonly value: number;
  readonly name: string;
  readonly text: string;
  readonly about: 'cq' | 'qp' | 'srq' | 'port' | 'device';
  /** What a user can do about it; empty for what is only news. */
  readonly advice: string;
}

const row = (value: number, name: string, text: string, about: EventRow['about'], advice = ''): EventRow => ({
  value,
  name,
  text,
  about,
  advice,
});

const OBJECTS = {
  cq: 'a completion queue',
  qp: 'a queue pair',
  srq: 'a shared receive queue',
  port: 'a port',
  device: 'the device',
} as const satisfies Record<EventRow['about'], string>;

export const EVENTS: readonly EventRow[] = [
  row(
    0,
    'CQ_ERR',
    'completion queue overrun',
    'cq',
    'make the queue as large as all that can complete on it, or poll more often',
  ),
  row(
    1,
    'QP_FATAL',
    'local work queue catastrophic error',
    'qp',
    'read the completions, then reset the queue pair or make a new one',
  ),
  row(
    2,
    'QP_REQ_ERR',
    'invalid request on the local work queue',
    'qp',
    'the peer sent what the queue pair does not take: compare opcodes and sizes',
  ),
  row(
    3,
    'QP_ACCESS_ERR',
    'local access violation',
    'qp',
    'the peer used a key, a range or a right that it was not given',
  ),
  row(4, 'COMM_EST', 'communication established', 'qp'),
  row(5, 'SQ_DRAINED', 'send queue drained', 'qp'),
  row(8, 'DEVICE_FATAL', 'local catastrophic error', 'device', 'close the context and open the device again'),
  row(9, 'PORT_ACTIVE', 'port active', 'port'),
  row(10, 'PORT_ERR', 'port error', 'port', 'the port is down: `verbena link` shows it'),
  row(14, 'SRQ_ERR', 'shared receive queue catastrophic error', 'srq', 'make a new queue, and new queue pairs on it'),
  row(15, 'SRQ_LIMIT_REACHED', 'shared receive queue limit reached', 'srq', 'post receives, then set the limit again'),
  row(
    16,
    'QP_LAST_WQE_REACHED',
    'last receive of a shared receive queue taken',
    'qp',
    'now the queue pair can be reset or destroyed',
  ),
  row(18, 'GID_CHANGE', 'address table changed', 'port'),
];

/** The events as a table of codes. */
export const EVENT_CODES: CodeTable = {
  kind: 'event',
  name: 'asynchronous event',
  layer: 'verbs',
  prefixes: ['IBV_EVENT_', 'IB_EVENT_', 'EVENT_'],
  section: 'verbs/6',
  rows: EVENTS.map(({ value, name, text, about, advice }) => ({
    value,
    name,
    text,
    cause: `raised for ${OBJECTS[about]}`,
    advice,
  })),
};

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
