/** What the RoCEv2 engine can do, and its settings with their defaults. */
import type { Setting, TransportAttributes } from '../../engine/engine.ts';
import { setting } from '../../engine/settings.ts';
import { MAX_INLINE, MAX_SEGMENTS } from '../../engine/work.ts';
import { DEFAULT_PKEY } from '../../wire/roce/bth.ts';

const US = 1_000;
const MS = 1_000_000;
const S = 1_000_000_000;

export const SETTINGS = [
  setting('pkey', DEFAULT_PKEY, '', 1, 0xffff, 'partition key of the port; bit 15: full member'),
  setting('windowPackets', 512, 'packets', 1, 4096, 'most packets of one queue pair without an acknowledgement'),
  setting('ackEvery', 32, 'packets', 1, 4096, 'packets after which an acknowledgement is asked for within a message'),
  setting('readPackets', 128, 'packets', 1, 4096, 'most packets that one READ request asks for; long READs are split'),
  setting('minTimeout', MS, 'ns', 10 * US, 10 * S, 'least time-out of a queue pair, whatever its attribute says'),
  setting('ecn', 1, '', 0, 1, 'data packets say that they may be marked instead of dropped'),
  setting('cnpInterval', 50 * US, 'ns', 0, S, 'least time between congestion notifications of one queue pair'),
  setting(
    'lineRate',
    1_250,
    'MB/s',
    1,
    100_000,
    'rate from which a marked queue pair comes down, and at which it is free again',
  ),
  setting('minRate', 1, 'MB/s', 1, 100_000, 'least rate of a marked queue pair'),
  setting('alphaGain', 256, '', 2, 65_536, 'g of DCQCN is 1 over this'),
  setting('alphaTime', 55 * US, 'ns', US, S, 'time without a mark after which the congestion estimate falls'),
  setting('increaseTime', 300 * US, 'ns', US, S, 'time without a mark after which the rate rises'),
  setting(
    'increaseBytes',
    10_000_000,
    'bytes',
    1_000,
    1_000_000_000,
    'bytes without a mark after which the rate rises',
  ),
  setting(
    'recoverySteps',
    5,
    'steps',
    1,
    100,
    'rises half way back to the rate before the mark, until it goes further',
  ),
  setting('additiveRate', 5, 'MB/s', 1, 100_000, 'step of the additive increase'),
  setting('hyperRate', 50, 'MB/s', 1, 100_000, 'step of the hyper increase'),
] as const satisfies readonly Setting[];

export type SettingName = (typeof SETTINGS)[number]['name'];
export type Settings = Readonly<Record<SettingName, number>>;

/** Longest message. @spec IBTA vol. 1 §9.7.1 */
export const MAX_MESSAGE_BYTES = 2 ** 31;

export const ATTRIBUTES: TransportAttributes = {
  addressType: 'RoCE v2',
  queuePairTypes: ['RC', 'UC', 'UD', 'GSI'],
  operations: ['send', 'send-inv', 'write', 'write-imm', 'read', 'cmp-swap', 'fetch-add'],
  ordering: ['ordered'],
  reliable: true,
  immediateBits: 32,
  keyBits: 32,
  jobsOnWire: false,
  noticesTakeReceives: true,
  payloadMtus: [256, 512, 1024, 2048, 4096],
  limits: {
    maxQueuePairs: 16_384,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    maxPayloadMtu: 4096,
    maxWorkRequests: 16_384,
    maxSegments: MAX_SEGMENTS,
    maxInlineBytes: MAX_INLINE,
    maxJobs: 4096,
    maxJobId: 0xff_ffff,
  },
  settings: SETTINGS,
};
