/** What the loop transport can do. */
import type { Setting, TransportAttributes } from '../../engine/engine.ts';
import { MAX_INLINE, MAX_SEGMENTS } from '../../engine/work.ts';

/** Queue pairs of a device, and remote queue pairs that it can remember. */
export const MAX_SENDERS = 64;
export const MAX_PEERS = 256;

const ms = (name: string, value: number, text: string): Setting => ({
  ...{ name, text, unit: 'ns', value: value * 1e6, min: 10_000, max: 8e9 },
});
const times = (name: string, value: number, text: string): Setting => ({
  ...{ name, text, unit: 'times', value, min: 0, max: 255 },
});

const SETTINGS: readonly Setting[] = [
  ms('rto', 2, 'first retransmission time-out; doubles four times'),
  times('maxRetries', 15, 'retransmissions of one packet before its request fails'),
  ms('rnrBackoff', 1, 'first wait when the peer had no receive posted; doubles four times'),
  times('maxRnrRetries', 8, 'tries before receiver-not-ready is reported'),
];

export const ATTRIBUTES: TransportAttributes = {
  addressType: 'Loop/UDP',
  queuePairTypes: ['RU'],
  operations: ['send', 'write', 'write-imm', 'read'],
  ordering: ['ordered', 'unordered'],
  reliable: true,
  limits: {
    maxQueuePairs: MAX_SENDERS,
    maxMessageBytes: 0xffff_ffff,
    maxWorkRequests: 16_384,
    maxSegments: MAX_SEGMENTS,
    maxInlineBytes: MAX_INLINE,
    maxJobs: 4096,
    maxJobId: 0xff_ffff,
  },
  settings: SETTINGS,
};

export const settingOf = (given: Readonly<Record<string, number>> | undefined, name: string): number =>
  given?.[name] ?? SETTINGS.find((one) => one.name === name)!.value;
