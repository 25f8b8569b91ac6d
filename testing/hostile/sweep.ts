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
  Notice,
} from '@verbena/core/testing';
import type { QpType } from '@verbena/core/uapi';

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
  kind?: QpType,
): SweepReport {
  const offenders: string[] = [];
  let target = new Target(transport, kind);
  const originals = target.state.packets;
  let packets = 0;
  for (const [i, original] of originals.entries()) {
    for (const { what, bytes } of mutate(original.bytes)) {
      packets++;
      let why = target.attack(original, bytes);
      if (why === undefined && packets % HONEST_EVERY === 0) why = target.honest();
      if (why === undefined) continue;
      offenders.push(`packet ${i} (${original.from} -> ${original.to}) ${what}: ${why}`);
      if (offenders.length >= MAX_OFFENDERS) return { packets, originals: originals.length, offenders };
      target = new Target(transport, kind);
    }
  }
  const why = target.honest();
  if (why !== undefined) offenders.push(`after all: ${why}`);
  return { packets, originals: originals.length, offenders };
}

class Target {
  readonly state: CaptureBed;
  readonly #notices: readonly Notice[];
  #attacks = 0;

  constructor(transport: Transport, kind: QpType | undefined) {
    this.state = captureTraffic(transport, SEED, {}, kind);
    this.#notices = this.state.bed.ends.map(({ node }) => new Notice(node.kernel.links[0]!.engine.counters));
  }

  /** @returns what went wrong */
  attack({ from, to }: CapturedPacket, bytes: Uint8Array): string | undefined {
    const { pump, ends } = this.state.bed;
    const notice = this.#notices[to]!;
    try {
      ends[to]!.revive();
      notice.mark();
      pump.network.inject(pump.now, from, to, bytes);
      pump.drive({ limitNs: 1_000 });
    } catch (thrown) {
      return firstLine(thrown);
    }
    if (!notice.arrived) return 'the packet did not arrive';
    if (!notice.noticed) return 'the packet vanished: no counter tells what became of it';
    if (this.#attacks++ % CENSUS_EVERY !== 0) return undefined;
    const census = Object.entries(pump.node(to).registered.census()).find(([, count]) => count > MAX_CENSUS);
    return census === undefined ? undefined : `${census[0]} grew to ${census[1]}`;
  }

  /** An exchange of the bystander with both devices. @returns what went wrong */
  honest(): string | undefined {
    const { bed } = this.state;
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
      return `honest work fails: ${firstLine(thrown)}`;
    }
  }
}

const firstLine = (thrown: unknown): string =>
  String(thrown instanceof Error ? thrown.message : thrown).split('\n', 1)[0]!;

const SEED = 77;
const CENSUS_EVERY = 50;
const HONEST_EVERY = 500;
const MAX_OFFENDERS = 40;
/** More of anything than this is a leak in a bed of this size. */
const MAX_CENSUS = 6000;
