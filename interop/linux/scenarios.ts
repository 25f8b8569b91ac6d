/** What is tried against Linux: a table of uses of its tools, with the guest in either role. */
import { type PerfProgram, perf, pingpong, rping, type Tool, type ToolSettings } from './tools.ts';

export type Role =
  /** The guest's tool begins; our side waits. */
  | 'guest client'
  /** The guest's tool waits; our side begins. */
  | 'guest server'
  /** Both sides are in the guest: shows that the guest itself is sound. */
  | 'guest alone';

export interface Scenario {
  /** Unique, fit for a file name. */
  readonly name: string;
  readonly role: Role;
  readonly tool: Tool;
  readonly settings: ToolSettings;
  /** Whether the tool meets its peer through IPv6 addresses; only with the connection manager. */
  readonly ipv6: boolean;
  /** MTU of both ends of the wire. */
  readonly netMtuBytes: number;
  /** Share of packets that our side loses, of those it sends and of those it receives. */
  readonly lossPercent: number;
  /** Limit for the whole row. */
  readonly timeoutMs: number;
}

/** The rows against our own device. */
export function interopScenarios(): Scenario[] {
  return USES.flatMap((use) => [scenario(use, 'guest client'), scenario(use, 'guest server')]);
}

/** The rows in which the guest plays both sides. */
export function selfTestScenarios(): Scenario[] {
  return USES.filter((use) => (use.lossPercent ?? 0) === 0).map((use) => scenario(use, 'guest alone'));
}

interface Use {
  readonly tool: (settings: ToolSettings) => Tool;
  readonly settings?: Partial<ToolSettings>;
  /** What the name says besides the tool. */
  readonly variant?: string;
  readonly ipv6?: boolean;
  readonly netMtuBytes?: number;
  readonly lossPercent?: number;
}

function scenario(use: Use, role: Role): Scenario {
  const settings = { ...DEFAULTS, ...use.settings };
  const tool = use.tool(settings);
  const variant = use.variant === undefined ? '' : ` ${use.variant}`;
  const lossPercent = use.lossPercent ?? 0;
  return {
    name: `${tool.name}${variant}, ${role}`,
    role,
    tool,
    settings,
    ipv6: use.ipv6 ?? false,
    netMtuBytes: use.netMtuBytes ?? 1500,
    lossPercent,
    timeoutMs: lossPercent > 0 ? 60_000 : 30_000,
  };
}

/** Few messages, since the guest is slow; the last packet of each is padded. */
const DEFAULTS: ToolSettings = { count: 20, sizeBytes: 3001, mtuBytes: 1024, gidIndex: 1 };

/** The same tool with one packet, with small and with large packets, over IPv6, and with losses. */
function variations(tool: Use['tool']): Use[] {
  return [
    { tool },
    { tool, variant: '1 byte', settings: { sizeBytes: 1 } },
    { tool, variant: '64 KiB', settings: { sizeBytes: 65_536 } },
    { tool, variant: 'MTU 256', settings: { sizeBytes: 5000, mtuBytes: 256 } },
    { tool, variant: 'MTU 4096', settings: { sizeBytes: 100_000, mtuBytes: 4096 }, netMtuBytes: 4200 },
    { tool, variant: 'IPv6', settings: { gidIndex: 2 } },
  ];
}

function withLoss(tool: Use['tool']): Use {
  return { tool, variant: 'with loss', lossPercent: 2, settings: { count: 50 } };
}

const PINGPONG_RC = (settings: ToolSettings) => pingpong('rc', settings, ' -c');
const PINGPONG_UC = (settings: ToolSettings) => pingpong('uc', settings, ' -c');
const PINGPONG_UD = (settings: ToolSettings) => pingpong('ud', settings, ' -c');
const PINGPONG_SRQ = (settings: ToolSettings) => pingpong('srq', settings, ' -c');
const bandwidth = (program: PerfProgram) => (settings: ToolSettings) => perf(program, settings);
const throughManager = (program: PerfProgram) => (settings: ToolSettings) => perf(program, settings, { cm: true });
const SHORT = { sizeBytes: 64 };
const ATOMIC = { sizeBytes: 8 };

const USES: readonly Use[] = [
  ...variations(PINGPONG_RC),
  withLoss(PINGPONG_RC),
  { tool: PINGPONG_UC },
  { tool: PINGPONG_UC, variant: '1 byte', settings: { sizeBytes: 1 } },
  { tool: PINGPONG_UC, variant: 'MTU 256', settings: { sizeBytes: 5000, mtuBytes: 256 } },
  { tool: PINGPONG_UD, settings: { sizeBytes: 1000 } },
  { tool: PINGPONG_UD, variant: '1 byte', settings: { sizeBytes: 1 } },
  { tool: PINGPONG_UD, variant: 'IPv6', settings: { sizeBytes: 1000, gidIndex: 2 } },
  { tool: PINGPONG_SRQ },
  withLoss(PINGPONG_SRQ),
  ...(['ib_write', 'ib_read', 'ib_send'] as const).flatMap((verb): Use[] => [
    ...variations(bandwidth(`${verb}_bw`)),
    withLoss(bandwidth(`${verb}_bw`)),
    { tool: throughManager(`${verb}_bw`) },
    { tool: bandwidth(`${verb}_lat`), settings: SHORT },
    { tool: throughManager(`${verb}_lat`), settings: SHORT },
  ]),
  { tool: bandwidth('ib_atomic_bw'), settings: ATOMIC },
  {
    tool: (settings) => perf('ib_atomic_bw', settings, { more: '-A CMP_AND_SWAP' }),
    variant: 'compare and swap',
    settings: ATOMIC,
  },
  { tool: bandwidth('ib_atomic_bw'), variant: 'with loss', lossPercent: 2, settings: { ...ATOMIC, count: 50 } },
  { tool: throughManager('ib_atomic_bw'), settings: ATOMIC },
  { tool: bandwidth('ib_atomic_lat'), settings: ATOMIC },
  { tool: throughManager('ib_atomic_lat'), settings: ATOMIC },
  { tool: (settings) => perf('ib_write_bw', settings, { service: 'UC' }) },
  { tool: (settings) => perf('ib_write_lat', settings, { service: 'UC' }), settings: SHORT },
  { tool: (settings) => perf('ib_send_bw', settings, { service: 'UC' }) },
  { tool: (settings) => perf('ib_send_bw', settings, { service: 'UD' }), settings: { sizeBytes: 1000 } },
  { tool: (settings) => perf('ib_send_lat', settings, { service: 'UD' }), settings: SHORT },
  { tool: (settings) => perf('ib_send_bw', settings, { more: '-b' }), variant: 'both ways' },
  { tool: (settings) => perf('ib_write_bw', settings, { queuePairs: 2 }), variant: 'two queue pairs' },
  { tool: rping },
  { tool: rping, variant: '100 bytes', settings: { sizeBytes: 100 } },
  { tool: rping, variant: '20 kB', settings: { sizeBytes: 20_000, count: 5 } },
  { tool: rping, variant: 'IPv6', settings: { gidIndex: 2 }, ipv6: true },
  { tool: rping, variant: 'with loss', lossPercent: 2 },
];
