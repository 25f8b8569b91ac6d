/** The tools of Linux machines whose remote half this program can be. */

/** A program and what it does unless it is told otherwise. */
export interface StandInTool {
  readonly name: string;
  readonly family: 'pingpong' | 'perftest' | 'rping';
  readonly verb: 'send' | 'write' | 'read' | 'atomic';
  readonly measures: 'bandwidth' | 'latency';
  /** Kinds of queue pair, the first one by default. */
  readonly kinds: readonly ToolKind[];
  /** It takes all receives from one shared queue. */
  readonly isShared: boolean;
  /** It can be, or has to be, connected by the connection manager (`-R`). */
  readonly manager: 'never' | 'optional' | 'always';
  /** TCP port, or port of the connection manager. */
  readonly port: number;
  readonly size: number;
  readonly iterations: number;
  readonly queuePairs: number;
}

export type ToolKind = 'RC' | 'UC' | 'UD';

const EXCHANGE_PORT = 18_515;

const pingpong = (kind: ToolKind, over: Partial<StandInTool> = {}): StandInTool => ({
  name: `ibv_${kind.toLowerCase()}_pingpong`,
  family: 'pingpong',
  verb: 'send',
  measures: 'latency',
  kinds: [kind],
  isShared: false,
  manager: 'never',
  port: EXCHANGE_PORT,
  size: 4096,
  iterations: 1000,
  queuePairs: 1,
  ...over,
});

const perftest = (
  verb: StandInTool['verb'],
  measures: StandInTool['measures'],
  kinds: readonly ToolKind[],
): StandInTool => {
  const size = measures === 'bandwidth' ? 65_536 : 2;
  return {
    name: `ib_${verb}_${measures === 'bandwidth' ? 'bw' : 'lat'}`,
    family: 'perftest',
    verb,
    measures,
    kinds,
    isShared: false,
    manager: 'optional',
    port: EXCHANGE_PORT,
    size: verb === 'atomic' ? 8 : size,
    iterations: verb === 'write' && measures === 'bandwidth' ? 5000 : 1000,
    queuePairs: 1,
  };
};

export const STAND_IN_TOOLS: readonly StandInTool[] = [
  pingpong('RC'),
  pingpong('UC'),
  pingpong('UD', { size: 1024 }),
  pingpong('RC', { name: 'ibv_srq_pingpong', isShared: true, queuePairs: 16 }),
  perftest('write', 'bandwidth', ['RC', 'UC']),
  perftest('read', 'bandwidth', ['RC']),
  perftest('send', 'bandwidth', ['RC', 'UC', 'UD']),
  perftest('atomic', 'bandwidth', ['RC']),
  perftest('write', 'latency', ['RC', 'UC']),
  perftest('read', 'latency', ['RC']),
  perftest('send', 'latency', ['RC', 'UC', 'UD']),
  perftest('atomic', 'latency', ['RC']),
  {
    ...pingpong('RC', { name: 'rping', family: 'rping', manager: 'always', port: 7174, size: 100 }),
    iterations: 0,
  },
];

export const standInTool = (name: string): StandInTool | undefined => STAND_IN_TOOLS.find((tool) => tool.name === name);
