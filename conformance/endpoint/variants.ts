/** The endpoints that our own program opens: one for each set of settings that a rule needs. */

export interface Variant {
  /** Last part of its address. */
  readonly host: number;
  readonly settings?: Readonly<Record<string, number>>;
  readonly security?: 'direct' | 'cluster' | 'server';
  readonly crc?: boolean;
  readonly isIpv6?: boolean;
}

const MS = 1_000_000;
/** Short enough for a quick run, long enough for a busy machine. */
const COMMON = { rtoInit: 150 * MS, closeRequestTime: 600 * MS, synRetxSafetyTime: 10 * MS };

export const VARIANTS: Readonly<Record<string, Variant>> = {
  main: { host: 1, settings: COMMON },
  // gives up soon, and closes what is idle
  hasty: {
    host: 2,
    settings: { ...COMMON, rtoInit: 40 * MS, maxRtoRetries: 3, maxNackRetries: 2, idleTime: 200 * MS },
  },
  // takes few of everything
  crowded: { host: 3, settings: { ...COMMON, maxTargetContextsPerPeer: 2, maxInboundPerPeer: 16 } },
  cccs: { host: 4, settings: { ...COMMON, maxCccs: 1 } },
  bitmaps: { host: 5, settings: { ...COMMON, maxBitmaps: 1 } },
  // believes no start that it has not told
  wary: { host: 6, settings: { ...COMMON, maxUnproven: 0, newPdcTime: 5000 * MS } },
  measuring: { host: 7, settings: { ...COMMON, ccState: 1 } },
  credit: { host: 8, settings: { ...COMMON, ccState: 2, ccRequests: 1 } },
  inferring: { host: 9, settings: { ...COMMON, inferLossPackets: 4 } },
  negotiating: { host: 10, settings: { ...COMMON, negotiate: 1 } },
  crc: { host: 11, settings: { ...COMMON, crc: 1 }, crc: true },
  direct: { host: 12, settings: { ...COMMON, secureStart: 0 }, security: 'direct' },
  cluster: { host: 13, settings: COMMON, security: 'cluster' },
  server: { host: 14, settings: { ...COMMON, secureStart: 0 }, security: 'server' },
  // keeps no packet that comes ahead of its turn
  goback: { host: 18, settings: { ...COMMON, reorderBuffer: 0 } },
  deferring: { host: 15, settings: { ...COMMON, deferAbove: 2048, deferTimeout: 2000 * MS } },
  short: { host: 16, settings: { ...COMMON, shortHeaders: 1 } },
  meeting: { host: 17, settings: { ...COMMON, rendezvousAbove: 2048 } },
  ipv6: { host: 0, settings: COMMON, isIpv6: true },
};

/** Payload bytes of a full packet. */
export const PAYLOAD_MTU = 1024;
export const JOB = 0x777;
export const OTHER_JOB = 0x778;
export const SDI = 0xabcd;
/** Keys of the secure variants: anybody may know them. */
export const KEY = '34448a064292601b11a0978f56a2d34cf3fc35ede1a6bc04f8db3e5243a2b0ca';
export const NEXT_KEY = '0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0';
