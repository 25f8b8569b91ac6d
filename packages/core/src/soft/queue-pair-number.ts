/**
 * Numbers of RU queue pairs and the rules for them.
 *
 *   31 absolute | 30..24 zero | 23..12 resource index | 11..0 PIDonFEP
 *
 * @spec verbs/5.8
 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Transport } from '../engine/engine.ts';
import type { SoftPd } from './objects.ts';

/** Bit 31: the peer names the queue pair itself, not a member of a job. */
export const ABSOLUTE_QPN = 0x8000_0000;

export const pidOf = (qpn: number): number => qpn & 0xfff;
export const resourceOf = (qpn: number): number => (qpn >>> 12) & 0xfff;
export const isAbsolute = (qpn: number): boolean => qpn >>> 31 === 1;

export interface QpnRequest {
  readonly pd: SoftPd;
  readonly qpn: number | undefined;
  readonly hasJobKey: boolean;
  /** Whether another queue pair of this address entry has the number, whatever its upper byte. */
  readonly taken: (qpn: number) => boolean;
  /** PIDonFEP values of the device. */
  readonly pids: ReadonlyMap<number, SoftPd>;
}

/**
 * The number of a new RU queue pair: the one asked for, checked, or a free one.
 *
 * @throws VerbsError `EINVAL` reserved bits, other PIDonFEP than the domain's, relative without a job key · `EEXIST`
 *   resource index taken in the domain · `EBUSY` PIDonFEP of another domain · `ENOSPC` no number is free
 */
export function chooseRuQpn(request: QpnRequest, transport: Transport, random: () => number): number {
  const { pd, qpn, hasJobKey, pids, taken } = request;
  if (qpn === undefined) {
    const used = (candidate: number) => {
      const owner = pids.get(pidOf(candidate));
      return taken(candidate) || (owner !== undefined && owner !== pd);
    };
    const assigned = transport.assignQpn(used, random, pd.pid < 0 ? undefined : pd.pid);
    if (assigned < 0) throw refusal('ENOSPC', 'no queue pair number is free', { try: 'close queue pairs' });
    return ((assigned & 0xff_ffff) | (hasJobKey ? 0 : ABSOLUTE_QPN)) >>> 0;
  }
  check(request, qpn);
  return qpn;
}

function check({ pd, hasJobKey, pids, taken }: QpnRequest, qpn: number): void {
  const given = `qpn ${hex(qpn)}`;
  if (!Number.isInteger(qpn) || qpn < 0 || qpn > 0xffff_ffff) {
    throw refusal('EINVAL', `${qpn} is not a queue pair number`, { try: 'a whole number of 32 bits' });
  }
  if ((qpn & 0x7f00_0000) !== 0) {
    throw refusal('EINVAL', 'bits 30..24 of a queue pair number are reserved', { given, try: hex(qpn & 0x80ff_ffff) });
  }
  if (!isAbsolute(qpn) && !hasJobKey) {
    throw refusal('EINVAL', 'a relative queue pair belongs to a job', {
      given,
      missing: 'jobKey',
      try: `pass a jobKey, or set bit 31 (${hex(qpn | ABSOLUTE_QPN)}) for an absolute one`,
    });
  }
  const pid = pidOf(qpn);
  if (pd.pid >= 0 && pd.pid !== pid) {
    throw refusal('EINVAL', `the domain has PIDonFEP ${hex(pd.pid)}, latched by its first RU queue pair`, {
      given: `${given}: PIDonFEP ${hex(pid)}`,
      try: hex((qpn & 0x80ff_f000) | pd.pid),
    });
  }
  const owner = pids.get(pid);
  if (owner !== undefined && owner !== pd) {
    throw refusal('EBUSY', `PIDonFEP ${hex(pid)} belongs to another protection domain of this device`, {
      given,
      try: 'another PIDonFEP (bits 11..0), or the queue pairs of the other domain',
    });
  }
  if (taken(qpn)) {
    throw refusal('EEXIST', `resource index ${hex(resourceOf(qpn))} is taken in this protection domain`, {
      given,
      try: 'another resource index (bits 23..12), or leave `qpn` out',
    });
  }
}

const refusal = (code: 'EINVAL' | 'EEXIST' | 'EBUSY' | 'ENOSPC', text: string, facts: object): VerbsError =>
  new VerbsError(code, 'createQueuePair', text, { ...facts, see: 'verbs 5.8' });

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;
