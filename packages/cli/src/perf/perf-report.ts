/** Tables in the shapes of perftest, and JSON with fixed keys. */

import type { CarrierStyle } from '../session/carrier.ts';
import type { LaneCard } from './lane.ts';
import type { SizeResult } from './measure-size.ts';
import type { PerfPlan } from './perf-tests.ts';

export interface PerfFacts {
  readonly device: string;
  readonly transport: string;
  readonly payloadMtu: number;
  readonly level: string;
  /** Kind of the queue pairs. */
  readonly connection: string;
  readonly delivery: string;
  /** How the two sides told each other what they need to know. */
  readonly exchange: string;
  readonly local: LaneFacts;
  readonly remote: LaneFacts;
}

export interface LaneFacts {
  readonly qpn: number;
  readonly psn: number;
  readonly rkey: bigint;
  readonly gid: string;
}

export function laneFacts({ qpn, psn, in: rkey }: LaneCard, gid: string): LaneFacts {
  return { qpn, psn, rkey, gid };
}

/** Everything above the first row. */
export function headingLines({ test, depth }: PerfPlan, facts: PerfFacts): string[] {
  return [
    RULE,
    `${' '.repeat(20)}${test.title}`,
    ` Dual-port       : OFF\t\tDevice         : ${facts.device}`,
    ` Number of qps   : 1\t\tTransport type : ${facts.transport.toUpperCase()}`,
    ` Connection type : ${facts.connection}\t\tUsing SRQ      : OFF`,
    ` Delivery        : ${facts.delivery}`,
    ` TX depth        : ${test.kind === 'bw' ? depth : 1}`,
    ` Mtu             : ${facts.payloadMtu}[B]`,
    ` Link type       : Ethernet`,
    ` I/O level       : ${facts.level}`,
    ` Data ex. method : ${facts.exchange}`,
    RULE,
    laneLine('local', facts.local),
    ` GID: ${facts.local.gid}`,
    laneLine('remote', facts.remote),
    ` GID: ${facts.remote.gid}`,
    RULE,
    test.kind === 'bw' ? BW_COLUMNS : LATENCY_COLUMNS,
  ];
}

export function rowLine(result: SizeResult): string {
  const { size, iterations, seconds, peak, latencies } = result;
  if (latencies === undefined) {
    const average = (size * iterations) / seconds;
    const rate = iterations / seconds / 1e6;
    return ` ${pad(size, 10)} ${pad(iterations, 16)} ${pad(mb(Math.max(peak, average)), 18)} ${pad(mb(average), 20)}  ${rate.toFixed(6)}`;
  }
  const { min, max, p50, p90, p99, p999, average, deviation } = latencies;
  const us = (value: number, width: number) => pad(value.toFixed(2), width);
  return ` ${pad(size, 7)} ${pad(iterations, 13)} ${us(min, 14)} ${us(max, 14)} ${us(p50, 16)} ${us(average, 13)} ${us(deviation, 16)} ${us(p99, 22)} ${us(p999, 25)} ${us(p90, 8)}`.trimEnd();
}

export function closingLines(results: readonly SizeResult[]): string[] {
  const sum = (pick: (result: SizeResult) => number) => results.reduce((total, result) => total + pick(result), 0);
  return [
    RULE,
    ` data verified, ${sum((r) => r.retransmittedPackets)} packets retransmitted, ${sum((r) => r.droppedPackets)} dropped, ` +
      `${sum((r) => r.cpuSeconds).toFixed(2)} s of CPU`,
  ];
}

/** Keys are fixed: scripts rely on them. */
export function resultDocument(
  { test, seed }: PerfPlan,
  transport: string,
  result: SizeResult,
): Record<string, unknown> {
  const { size, iterations, seconds, latencies } = result;
  return {
    test: test.name,
    transport,
    size_bytes: size,
    iterations,
    seconds,
    bandwidth_bytes_per_s: (size * iterations) / seconds,
    messages_per_s: iterations / seconds,
    latency_us:
      latencies === undefined
        ? null
        : {
            min: latencies.min,
            p50: latencies.p50,
            p90: latencies.p90,
            p99: latencies.p99,
            p999: latencies.p999,
            max: latencies.max,
          },
    retransmitted_packets: result.retransmittedPackets,
    dropped_packets: result.droppedPackets,
    cpu_seconds: result.cpuSeconds,
    seed,
  };
}

function laneLine(side: string, { qpn, psn, rkey }: LaneFacts): string {
  const hex = (value: number | bigint, width: number) => value.toString(16).padStart(width, '0');
  return ` ${side} address: LID 0000 QPN 0x${hex(qpn, 8)} PSN 0x${hex(psn, 6)} RKey 0x${hex(rkey, 12)} VAddr 0x${hex(0, 12)}`;
}

function pad(value: number | string, width: number): string {
  return String(value).padEnd(width);
}

/** perftest's megabyte has 2^20 bytes. */
function mb(bytesPerSecond: number): string {
  return (bytesPerSecond / 2 ** 20).toFixed(2);
}

/** Where it is not the transport itself that needs no agreement. */
export const EXCHANGES: Readonly<Record<CarrierStyle, string | undefined>> = {
  addressed: undefined,
  connected: 'rdma_cm',
};
/** 87 dashes, as in perftest. */
const RULE = '-'.repeat(87);
const BW_COLUMNS = ' #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]';
const LATENCY_COLUMNS =
  ' #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec]   90%[usec]';
