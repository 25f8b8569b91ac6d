/** Objects as lines, in the manner of `rdma resource show`. */
import type { Row } from '@verbena/core';
import { cellsText, lineText, restText, type Shown, valueText } from './row-text.ts';

/** `link uet0/1 lqpn 17 type RU state RTS pid 4711 comm perf` */
export function resourceLine(row: Row, details: boolean): string {
  const kind = String(row.kind);
  const { number, brief = [] } = KINDS[kind] ?? { number: ['id', `${kind}n`] };
  const subject = row.port === undefined ? `dev ${row.dev}` : `link ${row.dev}/${row.port}`;
  const cells = [number, ...brief].map((one) => (typeof one === 'string' ? one : one[0]));
  const rest = details ? restText(row, ['kind', 'dev', 'port', 'pid', 'comm', ...cells]) : '';
  return lineText(subject, cellsText(row, [number, ...brief]), rest, ownerText(row));
}

/** `1: uet0: ctx 1 pd 3 ...`; with details also the most that there can be: `qp 4/16384`. */
export function summaryLine(row: Row, details: boolean): string {
  const counts = Object.keys(row).filter((cell) => cell !== 'ifindex' && cell !== 'dev' && !cell.startsWith('max_'));
  const parts = counts.map((kind) => {
    const most = row[`max_${kind}`];
    return `${kind} ${row[kind]}${details && most !== undefined ? `/${most}` : ''}`;
  });
  return `${row.ifindex}: ${row.dev}: ${parts.join(' ')}`;
}

/** Names that rdma(8) has for numbers, in filters. */
export function filterOf(kind: string, words: Readonly<Record<string, string>>): Row {
  const [cell, title] = KINDS[kind]?.number ?? ['id', `${kind}n`];
  const names: Readonly<Record<string, string>> = { [title]: cell, pdn: kind === 'pd' ? cell : 'pd', ctxn: 'ctx' };
  if (kind === 'ctx') return Object.fromEntries(Object.entries(words).map(([n, v]) => [n === 'ctxn' ? 'id' : n, v]));
  return Object.fromEntries(Object.entries(words).map(([name, value]) => [names[name] ?? name, value]));
}

function ownerText(row: Row): string {
  const { pid, comm } = row;
  return comm === undefined
    ? ''
    : lineText(cellsText({ ...(pid === undefined ? {} : { pid }) }, ['pid']), `comm ${valueText(comm)}`);
}

interface KindText {
  readonly number: readonly [cell: string, title: string];
  readonly brief?: readonly Shown[];
}

const IN_CONTEXT: Shown = ['ctx', 'ctxn'];
const IN_DOMAIN: Shown = ['pd', 'pdn'];
const KINDS: Readonly<Record<string, KindText>> = {
  ctx: { number: ['id', 'ctxn'], brief: ['uid', 'objects'] },
  pd: { number: ['id', 'pdn'], brief: [['uses', 'users'], IN_CONTEXT] },
  cq: { number: ['id', 'cqn'], brief: [['entries', 'cqe'], ['uses', 'users'], IN_CONTEXT] },
  qp: { number: ['qpn', 'lqpn'], brief: ['type', 'state'] },
  mr: { number: ['id', 'mrn'], brief: [['length', 'mrlen'], IN_DOMAIN, IN_CONTEXT] },
  mw: { number: ['id', 'mwn'], brief: [IN_DOMAIN, IN_CONTEXT] },
  srq: { number: ['id', 'srqn'], brief: ['entries', 'limit', IN_DOMAIN, IN_CONTEXT] },
  ah: { number: ['id', 'ahn'], brief: ['qpn', IN_DOMAIN, IN_CONTEXT] },
  job: { number: ['id', 'jobn'], brief: ['job', 'name', 'addresses', IN_CONTEXT] },
  job_key: { number: ['id', 'keyn'], brief: ['job', IN_DOMAIN, IN_CONTEXT] },
  pdc: { number: ['id', 'pdcn'], brief: ['remote_id', 'mode', 'role', 'state', 'peer', 'in_flight', 'window'] },
};
