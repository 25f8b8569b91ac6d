/**
 * The profiles AI Base, AI Full and HPC: what each demands, and what of that this engine has.
 *
 * The tables of the specification that define them were read at second hand only: `sure` says how well a row is
 * attested. @spec uet:ses/6.3 uet:cms/11
 */
import type { Profile, TransportAttributes } from '../../engine/engine.ts';

export const PROFILES = ['AI Base', 'AI Full', 'HPC'] as const;

/** What a profile says of a feature. */
export type Demand = 'must' | 'may' | 'no';

/** What the engine tells of itself elsewhere. */
export type Offer = Omit<TransportAttributes, 'profiles'>;

/** Parts that no attribute tells of. */
export type Part = keyof typeof PARTS;

export interface Feature {
  readonly name: string;
  /** In the order of `PROFILES`. */
  readonly demands: readonly [base: Demand, full: Demand, hpc: Demand];
  /** Attested by several sources, by one, or only from memory. */
  readonly sure: 'several' | 'one' | 'recalled';
  readonly section: string;
  /** Whether it is there. */
  readonly isThere: (offer: Offer, parts: Readonly<Record<Part, boolean>>) => boolean;
}

/** What each profile demands of an engine that offers this. A pure function of the table and its arguments. */
export function profilesOf(offer: Offer, parts: Readonly<Record<Part, boolean>> = PARTS): readonly Profile[] {
  return PROFILES.map((name, i) => ({
    name,
    demands: FEATURES.filter(({ demands }) => demands[i] === 'must').map(({ name: feature, section, isThere }) => ({
      feature,
      met: isThere(offer, parts),
      section,
    })),
  }));
}

/** Whether the engine has what no attribute tells of. Whoever builds one of them turns it on here. */
export const PARTS = {
  /** Headers for short messages are taken from peers; whether they are sent is a setting. */
  mediumHeader: true,
  smallHeader: true,
  trimmedPackets: true,
  congestionState: true,
  taggedSend: true,
  tagWildcards: true,
  deferrableSend: true,
  rendezvous: true,
  atomics: true,
  fetchingAtomics: true,
  fence: true,
  deviceMemory: false,
  nscc: false,
  rccc: false,
};

const SES = 'uet:ses/6.3';
const CMS = 'uet:cms/11';
const ALL = ['must', 'must', 'must'] as const;

const feature = (
  name: string,
  demands: Feature['demands'],
  sure: Feature['sure'],
  isThere: Feature['isThere'],
  section = SES,
): Feature => ({ name, demands, sure, section, isThere });

const has = (...names: readonly string[]) => {
  return ({ operations }: Offer) => names.every((name) => (operations as readonly string[]).includes(name));
};
const part = (name: Part) => (_: Offer, parts: Readonly<Record<Part, boolean>>) => parts[name];

/** 1 GB: the least that the longest remote access must reach. */
const LEAST_RMA_BYTES = 2 ** 30;

/** Every feature that one of the profiles mentions. */
export const FEATURES: readonly Feature[] = [
  feature('untagged send, write, read', ALL, 'several', has('send', 'write', 'read')),
  feature('datagrams (UUD)', ALL, 'one', ({ queuePairTypes }) => queuePairTypes.includes('UD')),
  feature(
    ...(['unordered delivery (RUD)', ALL, 'several'] as const),
    ({ reliable, ordering }) => reliable && ordering.includes('unordered'),
  ),
  feature(
    ...(['ordered delivery (ROD)', ALL, 'several'] as const),
    ({ reliable, ordering }) => reliable && ordering.includes('ordered'),
  ),
  feature(
    ...(['idempotent delivery (RUDI)', ['no', 'no', 'must'], 'one'] as const),
    ({ idempotent }) => idempotent === true,
  ),
  feature('tagged send, exact match', ['no', 'must', 'must'], 'one', part('taggedSend')),
  feature('tagged send, wildcards', ['no', 'no', 'must'], 'recalled', part('tagWildcards')),
  feature('deferrable send', ['no', 'must', 'no'], 'several', part('deferrableSend')),
  feature('rendezvous send', ['no', 'no', 'must'], 'several', part('rendezvous')),
  feature('atomics without a result', ['no', 'must', 'must'], 'one', part('atomics')),
  feature('fetching atomics, compare and swap', ['no', 'may', 'must'], 'one', part('fetchingAtomics')),
  feature('SMALL header', ['may', 'may', 'must'], 'one', part('smallHeader')),
  feature('MEDIUM header', ['may', 'may', 'must'], 'recalled', part('mediumHeader')),
  feature(
    ...(['completion data of 64 bits', ALL, 'recalled'] as const),
    (offer) => has('write-imm')(offer) && offer.immediateBits === 64,
  ),
  feature('fence', ALL, 'one', part('fence')),
  feature('memory of other devices (FI_HMEM)', ALL, 'one', part('deviceMemory')),
  feature('remote accesses of 1 GB', ALL, 'one', ({ limits }) => limits.maxMessageBytes >= LEAST_RMA_BYTES),
  feature('congestion control by the sender (NSCC)', ALL, 'several', part('nscc'), CMS),
  feature('congestion control by the receiver (RCCC)', ['may', 'may', 'may'], 'one', part('rccc'), CMS),
  feature('congestion state in acknowledgements', ALL, 'several', part('congestionState'), CMS),
  feature('reaction to trimmed packets', ALL, 'one', part('trimmedPackets'), CMS),
];
