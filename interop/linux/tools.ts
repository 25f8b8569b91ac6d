/** The ordinary RDMA programs of the guest, as command lines of their Debian 12 versions. */

/** How the two sides of a program find each other. */
export type Meeting =
  /** A TCP connection carries the addresses of the queue pairs. */
  | { readonly kind: 'tcp'; readonly port: number }
  /** The connection manager: REQ, REP and RTU over queue pair 1. */
  | { readonly kind: 'cm'; readonly port: number };

export interface Tool {
  /** Unique: the program and what is special about this use of it. Fits a file name. */
  readonly name: string;
  readonly meeting: Meeting;
  /** Command of the side that waits, given its own address. */
  server(own: string): string;
  /** Command of the side that begins, given the server's address. */
  client(server: string): string;
  /** What the output of a side that did all its work contains, besides status 0. */
  readonly proof: { readonly server?: RegExp; readonly client?: RegExp };
}

export interface ToolSettings {
  /** Messages, or rounds. */
  readonly count: number;
  readonly sizeBytes: number;
  /** Path MTU. */
  readonly mtuBytes: number;
  /** 1 is the IPv4 address of the guest, 2 its IPv6 address. */
  readonly gidIndex: number;
}

/** `ibv_*_pingpong`: ends with status 0 when all rounds are done; `-c` makes both sides check what they received. */
export function pingpong(service: 'rc' | 'uc' | 'ud' | 'srq', settings: ToolSettings, more = ''): Tool {
  const { count, mtuBytes, gidIndex } = settings;
  // A datagram is one packet; the program adds the 40 bytes of the global routing header itself.
  const sizeBytes = service === 'ud' ? Math.min(settings.sizeBytes, mtuBytes) : settings.sizeBytes;
  const mtu = service === 'ud' ? '' : ` -m ${mtuBytes}`;
  const command = `ibv_${service}_pingpong -d rxe0 -g ${gidIndex} -s ${sizeBytes} -n ${count}${mtu}${more}`;
  return {
    name: `ibv_${service}_pingpong`,
    meeting: { kind: 'tcp', port: EXCHANGE_PORT },
    server: () => command,
    client: (server) => `${command} ${server}`,
    proof: { server: new RegExp(`^${count} iters in`, 'm'), client: new RegExp(`^${count} iters in`, 'm') },
  };
}

export type PerfProgram =
  | 'ib_write_bw'
  | 'ib_write_lat'
  | 'ib_read_bw'
  | 'ib_read_lat'
  | 'ib_send_bw'
  | 'ib_send_lat'
  | 'ib_atomic_bw'
  | 'ib_atomic_lat';

/** perftest. With `cm`, its `-R`, addresses travel through the connection manager. */
export function perf(
  program: PerfProgram,
  settings: ToolSettings,
  options: {
    readonly cm?: boolean;
    readonly service?: 'UC' | 'UD';
    readonly queuePairs?: number;
    readonly more?: string;
  } = {},
): Tool {
  const { count, sizeBytes, mtuBytes, gidIndex } = settings;
  const atomic = program.startsWith('ib_atomic');
  const words = [
    `${program} -d rxe0 -x ${gidIndex} -F -m ${mtuBytes} -n ${count} -u ${ACK_TIMEOUT}`,
    atomic ? '' : `-s ${sizeBytes}`,
    options.service === undefined ? '' : `-c ${options.service}`,
    options.cm === true ? '-R' : '',
    options.queuePairs === undefined ? '' : `-q ${options.queuePairs}`,
    options.more ?? '',
  ];
  const command = words.filter((word) => word !== '').join(' ');
  return {
    name: `${program}${options.service === undefined ? '' : `-${options.service}`}${options.cm === true ? '-R' : ''}`,
    meeting: { kind: options.cm === true ? 'cm' : 'tcp', port: EXCHANGE_PORT },
    server: () => command,
    client: (server) => `${command} ${server}`,
    // One line of the table: size, rounds, figures. perftest's server prints none for most tests.
    proof: { client: new RegExp(`^ ${atomic ? 8 : sizeBytes} +${count * (options.queuePairs ?? 1)} `, 'm') },
  };
}

/** `rping`: `-V` makes both sides check every byte. */
export function rping(settings: Pick<ToolSettings, 'count' | 'sizeBytes'>): Tool {
  const { count, sizeBytes } = settings;
  const command = `-C ${count} -S ${sizeBytes} -V -v`;
  return {
    name: 'rping',
    meeting: { kind: 'cm', port: RPING_PORT },
    server: (own) => `rping -s -a ${own} ${command}`,
    client: (server) => `rping -c -a ${server} ${command}`,
    proof: {
      server: new RegExp(`^server ping data: rdma-ping-${count - 1}: `, 'm'),
      client: new RegExp(`^ping data: rdma-ping-${count - 1}: `, 'm'),
    },
  };
}

/** `ucmatose`: several connections, messages both ways. */
export function ucmatose(connections: number, count: number, sizeBytes: number): Tool {
  const command = `ucmatose -c ${connections} -C ${count} -S ${sizeBytes}`;
  return {
    name: 'ucmatose',
    meeting: { kind: 'cm', port: RPING_PORT },
    server: (own) => `${command} -b ${own}`,
    client: (server) => `${command} -s ${server}`,
    proof: {},
  };
}

/** `udaddy`: datagrams with addresses found through the connection manager's SIDR exchange. */
export function udaddy(count: number, sizeBytes: number): Tool {
  const command = `udaddy -c 1 -C ${count} -S ${sizeBytes}`;
  return {
    name: 'udaddy',
    meeting: { kind: 'cm', port: RPING_PORT },
    server: (own) => `${command} -b ${own}`,
    client: (server) => `${command} -s ${server}`,
    proof: {},
  };
}

/** `rdma_server` and `rdma_client`: one message each way over a connection of librdmacm. */
export function rdmaClientServer(): Tool {
  return {
    name: 'rdma_client',
    meeting: { kind: 'cm', port: RPING_PORT },
    server: (own) => `rdma_server -s ${own}`,
    client: (server) => `rdma_client -s ${server}`,
    proof: {},
  };
}

/** What a tool prints when bytes are not what they should be, or work failed, whatever its status. */
export const COMPLAINT = /invalid data|data mismatch|Failed status|Completion with error|wc error|Segmentation fault/i;

/**
 * Half a second, instead of 67 ms. When rxe's timer runs out and acknowledgements come while it repeats, it may send an empty
 * SEND ONLY for a message that is done already, which shifts the numbers of all later packets by one.
 */
const ACK_TIMEOUT = 17;

/** Of the pingpong programs and of perftest. */
export const EXCHANGE_PORT = 18515;
/** Of rping, ucmatose, udaddy and rdma_server. */
export const RPING_PORT = 7174;
