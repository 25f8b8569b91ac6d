/**
 * Sweeps of malformed packets against a live engine. The engine must not throw, must account for each packet under a
 * counter, must stay within its tables, and must go on serving honest peers. All offenders are reported at once.
 */
import type { Transport } from '@verbena/core';
import {
  type CaptureBed,
  type CapturedPacket,
  captureTraffic,
  checkStatus,
  type Mutation,
  noticed,
} from '@verbena/core/testing';

export interface SweepReport {
  readonly packets: number;
  /** Kinds of packets that were changed. */
  readonly originals: number;
  readonly offenders: readonly string[];
}

/** Throws every mutation of every captured packet at the device that the original was for. */
export function sweep(
  transport: Transport,
  mutate: (packet: Uint8Array) => Iterable<Mutation>,
  settings: Readonly<Record<string, number>> = {},
): SweepReport {
  const offenders: string[] = [];
  let state = captureTraffic(transport, SEED, settings);
  const originals = state.packets;
  let packets = 0;
  for (const [i, original] of originals.entries()) {
    for (const mutation of mutate(original.bytes)) {
      packets++;
      const why = attack(state, original, mutation) ?? (packets % HONEST_EVERY === 0 ? honest(state) : undefined);
      if (why === undefined) continue;
      offenders.push(`packet ${i} (${original.from} -> ${original.to}) ${mutation.what}: ${why}`);
      if (offenders.length >= MAX_OFFENDERS) return { packets, originals: originals.length, offenders };
      state = captureTraffic(transport, SEED, settings);
    }
  }
  const why = honest(state);
  if (why !== undefined) offenders.push(`after all: ${why}`);
  return { packets, originals: originals.length, offenders };
}

/** @returns what went wrong */
function attack({ bed }: CaptureBed, { from, to }: CapturedPacket, { bytes }: Mutation): string | undefined {
  const { pump } = bed;
  const { kernel } = pump.node(to);
  const before = kernel.counters();
  try {
    pump.network.inject(pump.now, from, to, bytes);
    pump.drive({ limitNs: 1_000 });
  } catch (thrown) {
    return String(thrown instanceof Error ? thrown.message : thrown).split('\n', 1)[0];
  }
  const after = kernel.counters();
  if (after.received_packets === before.received_packets) return 'the packet did not arrive';
  if (!noticed(before, after)) return 'the packet vanished: no counter tells what became of it';
  const census = Object.entries(kernel.census()).find(([, count]) => count > MAX_CENSUS);
  return census === undefined ? undefined : `${census[0]} grew to ${census[1]}`;
}

/** An exchange of the bystander with both devices. @returns what went wrong */
function honest({ bed }: CaptureBed): string | undefined {
  const [a, b, c] = bed.ends as [(typeof bed.ends)[0], (typeof bed.ends)[0], (typeof bed.ends)[0]];
  try {
    const sent = c.sent.length;
    const source = c.buffer(600, { salt: 3 });
    const sinks = [a, b].map((end) => {
      const sink = end.buffer(600);
      c.qp.post({ opcode: 'write', to: c.to(end), ...source.part(), remote: sink.remote });
      return sink;
    });
    bed.completed(c, sent + 2, 0);
    for (const one of c.sent.slice(sent)) checkStatus(one, 'SUCCESS');
    for (const sink of sinks) sink.expectPattern(3);
    return undefined;
  } catch (thrown) {
    return `honest work fails: ${String(thrown instanceof Error ? thrown.message : thrown).split('\n', 1)[0]}`;
  }
}

const SEED = 77;
const HONEST_EVERY = 500;
const MAX_OFFENDERS = 40;
/** More of anything than this is a leak in a bed of this size. */
const MAX_CENSUS = 6000;
