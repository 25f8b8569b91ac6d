/** What the UET engine can do, and its settings with their defaults. */
import type { Setting, TransportAttributes } from '../../engine/engine.ts';
import { setting } from '../../engine/settings.ts';
import { MAX_INLINE, MAX_SEGMENTS } from '../../engine/work.ts';
import { MAX_SES_PAYLOAD_BYTES } from '../../wire/uet/ses.ts';
import { type Offer, profilesOf } from './profiles.ts';

const MS = 1_000_000;
const S = 1_000_000_000;

/** Names follow the parameters of the specification. @spec uet:pds/7 */
export const SETTINGS = [
  setting('startPsnBelow', 2 ** 31, 'PSN', 2 ** 17, 2 ** 32, 'own contexts start at a random PSN below this'),
  setting('defaultMpr', 8, '128 packets', 1, 255, 'window assumed before the peer tells its own'),
  setting('windowPackets', 512, 'packets', 16, 4096, 'most packets in flight on one delivery context (power of two)'),
  setting(
    'crc',
    0,
    '0 or 1',
    0,
    1,
    'a CRC behind each packet (UET_Data_Protect 1); both ends alike, not with security',
  ),
  setting('maxContexts', 1024, 'contexts', 2, 32_768, 'most delivery contexts at a time'),
  setting('maxTargetContextsPerPeer', 256, 'contexts', 1, 32_768, 'most contexts that one peer may open here'),
  setting(
    'maxUnproven',
    256,
    'contexts',
    0,
    32_768,
    'starts taken at once from peers that may be forged; beyond, they must start again at a PSN told to them; 0 = always',
  ),
  setting('newPdcTime', S, 'ns', MS, 100 * S, 'how long a first PSN that was told to a peer is good for'),
  setting(
    'secureStart',
    1,
    '0 or 1',
    0,
    1,
    'which starts of protected contexts are taken: 0 those behind all that the peer has used (0-RTT), 1 only such as were told (1-RTT)',
  ),
  setting('proveFirst', 1, '0 or 1', 0, 1, 'read data waits until the peer has shown that it hears this endpoint'),
  setting('maxCccs', 32_768, 'contexts', 1, 32_768, 'most congestion control contexts, one for each delivery context'),
  setting('maxBitmaps', 32_768, 'contexts', 1, 32_768, 'most receive windows, one for each delivery context'),
  setting('reservedContexts', 0, 'contexts', 0, 16_384, 'contexts kept for peers that ask for the reserved pool'),
  setting('reservedFlag', 0, 'bit', 0, 2, 'what asks for it: 0 nothing, 1 bit 0x1000, 2 bit 0x8000 of the SYN field'),
  setting('negotiate', 0, 'mask', 0, 1, 'features offered by a Negotiation that opens each context; 0 = none is sent'),
  setting('maxMessages', 4096, 'messages', 16, 65_536, 'most messages being sent at a time'),
  setting('maxInboundMessages', 4096, 'messages', 16, 65_536, 'most incomplete messages being received at a time'),
  setting('maxInboundPerPeer', 2048, 'messages', 16, 65_536, 'most incomplete messages being received from one peer'),
  setting('ackGenTrigger', 16_384, 'bytes', 0, 32_768, 'received bytes after which an acknowledgement is sent'),
  setting('ackGenMinPktAdd', 1_024, 'bytes', 0, 2_048, 'least that one packet counts towards the trigger'),
  setting('ackDelay', 3_000, 'ns', 0, 10 * MS, 'how long a wanted acknowledgement waits for data to travel with'),
  setting('ecn', 1, '0 or 1', 0, 1, 'packets say that they may be marked instead of dropped'),
  setting('ackOnEcn', 1, '0 or 1', 0, 1, 'a marked packet is acknowledged at once'),
  setting(
    'ccState',
    0,
    'kind',
    0,
    2,
    'congestion state in acknowledgements: 0 measured, beside bitmaps only; 1 measured; 2 credit, in each',
  ),
  setting('ccRequests', 0, '0 or 1', 0, 1, 'requests tell the credit that they want (RUD_CC_REQ, ROD_CC_REQ)'),
  setting('maxAckData', 16, 'bytes', 0, 16, 'reads up to here are answered inside the acknowledgement'),
  setting('rtoInit', 20 * MS, 'ns', 10_000, 8 * S, 'first retransmission time-out; doubles up to 8 s'),
  setting('maxRtoRetries', 5, 'times', 0, 15, 'time-outs of one packet before the context fails; 15 = no limit'),
  setting('nackRetx', MS, 'ns', 0, 8 * S, 'wait after a recoverable NACK; doubles for one packet'),
  setting('maxNackRetries', 12, 'times', 0, 31, 'NACKs of one packet before the context fails; 31 = no limit'),
  setting('tailLoss', 2 * MS, 'ns', 0, 8 * S, 'silence after which a probe asks what arrived; 0 = never'),
  setting('clearTime', MS, 'ns', 0, 100 * MS, 'wait for a request that can carry a clear'),
  setting('closeRequestTime', S, 'ns', 0, 10 * S, 'how long a target waits for the close that it asked for'),
  setting('idleTime', 60 * S, 'ns', MS, 3_600 * S, 'quiet time after which a context is closed'),
  setting('synSafetyTime', 10 * S, 'ns', 0, 100 * S, 'how long a closed context is remembered against late packets'),
  setting('synRetxSafetyTime', 100 * MS, 'ns', 0, 8 * S, 'least time between a repeated SYN packet and the close'),
  setting(
    'inferLossPackets',
    0,
    'packets',
    0,
    1_024,
    'later packets after which a destination calls a gap a loss; 0 = never',
  ),
  setting(
    'rudiPackets',
    512,
    'packets',
    16,
    4096,
    'most idempotent request packets without an answer; a quarter to one peer',
  ),
  setting(
    'rudiReads',
    1,
    '0 or 1',
    0,
    1,
    'answer idempotent reads, although anybody may have asked in the name of a peer',
  ),
  setting(
    'idempotentRequests',
    0,
    '0 or 1',
    0,
    1,
    'writes and reads of all unordered queue pairs go as idempotent ones (RUDI)',
  ),
  setting('rnrBackoff', MS, 'ns', 0, S, 'first wait when the peer had no receive posted; doubles'),
  setting('maxRnrRetries', 8, 'times', 0, 255, 'tries before receiver-not-ready is reported'),
  setting('reorderPackets', 24, 'packets', 3, 1_024, 'later packets that must arrive before a gap counts as a loss'),
] as const satisfies readonly Setting[];

export type SettingName = (typeof SETTINGS)[number]['name'];
export type Settings = Readonly<Record<SettingName, number>>;

/** Without what follows from it. */
export const OFFER: Offer = {
  addressType: 'UET/UDP',
  queuePairTypes: ['RU', 'UD'],
  idempotent: true,
  operations: ['send', 'write', 'write-imm', 'read'],
  ordering: ['ordered', 'unordered'],
  reliable: true,
  immediateBits: 64,
  keyBits: 48,
  jobsOnWire: true,
  limits: {
    maxQueuePairs: 16_384,
    maxMessageBytes: 0xffff_ffff,
    maxPayloadMtu: MAX_SES_PAYLOAD_BYTES,
    maxWorkRequests: 16_384,
    maxSegments: MAX_SEGMENTS,
    maxInlineBytes: MAX_INLINE,
    maxJobs: 4096,
    maxJobId: 0xff_ffff,
  },
  settings: SETTINGS,
};

export const ATTRIBUTES: TransportAttributes = { ...OFFER, profiles: profilesOf(OFFER) };
