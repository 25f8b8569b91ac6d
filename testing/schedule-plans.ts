/** How each transport's random schedules are run, here and from the command line. */
import type { SeededRandom, Transport } from '@verbena/core';
import type { ScheduleRunOptions } from '@verbena/core/testing';
import { roceInspector } from './invariants/roce-inspector.ts';
import { uetInspector } from './invariants/uet-inspector.ts';
import { RELIABLE_KINDS } from './reliable-kinds.ts';
import { drawUetSettings } from './schedule-settings.ts';
import { SECURITY_MODES, securedWorld } from './secured-network.ts';

export interface SchedulePlan {
  readonly transport: Transport;
  /** What queue pairs promise. */
  readonly mode: string;
  /** How packets are protected: `clear`, or the name of a security mode. */
  readonly security: string;
  readonly options: ScheduleRunOptions;
}

/** Small tables make a run cheap; what is full is a case of its own. */
const OPTIONS: Readonly<Record<string, ScheduleRunOptions>> = {
  loop: { faults: false }, // it is for links that lose, repeat and reorder nothing
  roce: { inspector: roceInspector },
  uet: {
    settings: {
      ...{ maxContexts: 32, maxMessages: 128, maxInboundMessages: 128, maxAnswers: 512, rudiPackets: 64 },
      ...{ windowPackets: 128, defaultMpr: 1, maxUnexpected: 128, maxUnexpectedBytes: 2 ** 18, atomicResults: 16 },
    },
    inspector: uetInspector,
  },
};

/** A message that its target reads is there when the read is done. */
const DRAWN: ScheduleRunOptions = {
  draw: drawUetSettings,
  completesLate: ({ rendezvousAbove = 0 }) => rendezvousAbove > 0,
};

/** Modes of delivery by transport; of the others there is one, which depends on the kind of queue pair. */
const MODES: Readonly<Record<string, Readonly<Record<string, ScheduleRunOptions>>>> = {
  uet: {
    rud: { kind: 'RU', ordered: false },
    rod: { kind: 'RU', ordered: true },
    'rud-drawn': { kind: 'RU', ordered: false, ...DRAWN },
    'rod-drawn': { kind: 'RU', ordered: true, ...DRAWN },
    rudi: { kind: 'RU', ordered: false, idempotent: true },
    uud: { kind: 'UD' },
  },
};

const modesOf = ({ transport, kind }: (typeof RELIABLE_KINDS)[number]) =>
  Object.entries(MODES[transport.name] ?? { [kind.toLowerCase()]: { kind } });

/** Every mode of every transport in the clear, and protected in every way where the transport can do that. */
export const SCHEDULE_PLANS: readonly SchedulePlan[] = RELIABLE_KINDS.flatMap((one) =>
  modesOf(one).flatMap(([mode, options]) => {
    const { transport } = one;
    const all = { ...OPTIONS[transport.name], ...options };
    const secured = SECURITY_MODES.map((security) => {
      // what is inside is for the two ends only
      const { inspector: _, draw, ...rest } = all;
      // a checksum of its own is for packets in the clear
      const drawn = draw === undefined ? {} : { draw: (random: SeededRandom) => ({ ...draw(random), crc: 0 }) };
      return {
        transport,
        mode,
        security: security.name,
        options: { ...rest, ...drawn, world: () => securedWorld(transport, security) },
      };
    });
    return [{ transport, mode, security: 'clear', options: all }, ...(transport.secured === undefined ? [] : secured)];
  }),
);

/** One line of `regressions/schedules.json`: a seed that once failed. */
export interface Regression {
  readonly transport: string;
  /** Mode of delivery; default: the first of the transport. */
  readonly mode?: string;
  /** Default `clear`. */
  readonly security?: string;
  readonly seed: number;
  readonly what: string;
}
