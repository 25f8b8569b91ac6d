/** `verbena stand-in TOOL [HOST]`: the remote half of a Linux machine's RDMA tool. */
import { type LiveDeviceHandle, openDevice } from '@verbena/node';
import { type Command, Option } from 'commander';
import { interruptible, type JsonOption, outputFor } from '../command-runner.ts';
import { addFaultOptions, type DeviceOptions, type FaultOptions, faultsOf } from '../device-options.ts';
import { BadInput } from '../failure.ts';
import { byteCount, oneOf, wholeNumber } from '../option-values.ts';
import { localCandidates, resolveHost } from '../session/local-address.ts';
import { runStandIn } from '../stand-in/stand-in.ts';
import { STAND_IN_TOOLS, standInTool } from '../stand-in/tools.ts';

interface StandInOptions extends Pick<DeviceOptions, 'io' | 'capture'>, FaultOptions, JsonOption {
  readonly listen?: string;
  readonly exchange?: string;
  readonly from?: string;
  readonly port?: number;
  readonly size?: number;
  readonly iterations?: number;
  readonly mtu?: number;
  readonly qps?: number;
  readonly connection?: 'RC' | 'UC' | 'UD';
  readonly rdmaCm?: boolean;
  readonly bidirectional?: boolean;
  readonly atomicType?: 'FETCH_AND_ADD' | 'CMP_AND_SWAP';
  readonly depth?: number;
  readonly timeout?: number;
  readonly patience?: number;
}

export function addStandIn(program: Command): Command {
  const command = program
    .command('stand-in')
    .description('be the remote half of a Linux RDMA tool, over RoCEv2; without HOST it is the server')
    .argument('<tool>', STAND_IN_TOOLS.map(({ name }) => name).join(', '))
    .argument('[host]', 'where the tool runs as the server')
    .option('-l, --listen <host>', 'server: local address of the device (default: 127.0.0.1)')
    .option('--exchange <host>', 'server: local address of the TCP exchange (default: the one of the device)')
    .option('--from <host>', 'client: local address of the device')
    .option('-p, --port <number>', "the tool's port (default: 18515; rping: 7174)", wholeNumber(1, 65_535))
    .option('-s, --size <bytes>', "bytes of a message (default: the tool's)", byteCount(1, 1 << 30))
    .option('-n, --iterations <number>', "messages, or rounds (default: the tool's)", wholeNumber(1, 1e9))
    .option('-m, --mtu <bytes>', 'path MTU: 256, 512, 1024, 2048 or 4096 (default: 1024)', pathMtu)
    .option('-q, --qps <number>', 'queue pairs (default: 1; ibv_srq_pingpong: 16)', wholeNumber(1, 255))
    .option('-c, --connection <kind>', 'kind of queue pair, for perftest: RC, UC or UD', oneOf(['RC', 'UC', 'UD']))
    .option('-R, --rdma-cm', 'connect by the connection manager, for perftest')
    .option('-b, --bidirectional', 'both sides send, for ib_send_bw')
    .addOption(
      new Option('-A, --atomic-type <type>', 'FETCH_AND_ADD or CMP_AND_SWAP').argParser(
        oneOf(['FETCH_AND_ADD', 'CMP_AND_SWAP']),
      ),
    )
    .option('-t, --depth <number>', 'messages under way at a time (default: 128)', wholeNumber(1, 4096))
    .option('-u, --timeout <code>', 'of reliable queue pairs, 4.096 µs · 2^code (default: 16)', wholeNumber(1, 31))
    .option('--patience <seconds>', 'how long nothing may happen (default: 30)', wholeNumber(1, 3600))
    .option('--io <level>', 'how packets reach the kernel', oneOf(['auto', 'gso', 'batch', 'dgram']))
    .option('--capture <file>', 'record the traffic as pcapng')
    .addHelpText(
      'after',
      `
Example:
  verbena stand-in ib_write_bw --listen 192.0.2.1 -s 4096        and there: ib_write_bw -x 1 -s 4096 192.0.2.1
  ibv_rc_pingpong -g 1 there, and here:                          verbena stand-in ibv_rc_pingpong 192.0.2.2

Options are those of the tools; size, iterations and kind must be the same on both sides.`,
    )
    .action(standIn);
  return addFaultOptions(command);
}

async function standIn(name: string, host: string | undefined, options: StandInOptions): Promise<void> {
  const tool = standInTool(name);
  if (tool === undefined) {
    throw new BadInput(`there is no stand-in for '${name}'`, STAND_IN_TOOLS.map((known) => known.name).join(', '));
  }
  if (host !== undefined && options.listen !== undefined) {
    throw new BadInput('--listen is for the server, which has no host argument', '--from');
  }
  const output = outputFor(options);
  const remote = host === undefined ? undefined : await resolveHost(host, 'standIn');
  await interruptible(async (signal) => {
    const device = await openFor(remote, options);
    try {
      const { size, iterations, mtu, qps, connection, rdmaCm, bidirectional, atomicType, depth, timeout, port } =
        options;
      const report = await runStandIn(device, {
        ...{ tool, host: remote, port, size, iterations, depth, timeout, signal },
        ...{ pathMtu: mtu, queuePairs: qps, kind: connection, manager: rdmaCm, bothWays: bidirectional },
        atomic: atomicType === 'CMP_AND_SWAP' ? 'cmp-swap' : 'fetch-add',
        exchangeAddress: options.exchange,
        patienceMs: options.patience === undefined ? undefined : options.patience * 1e3,
        ready: () => {
          output.json({ listening: device.local.text, port: port ?? tool.port });
          output.text(`${tool.name}: waiting for its client at ${device.local.text}`);
        },
      });
      output.text(`${tool.name}: ${report.text}`);
      output.json({ tool: tool.name, ...report });
    } finally {
      await device.close();
    }
  });
}

/** Tools look for RoCEv2 at its own port only, so the device needs an address of its own. */
async function openFor(remote: string | undefined, options: StandInOptions): Promise<LiveDeviceHandle> {
  const { io, capture, seed, listen, from, mtu } = options;
  const faults = faultsOf(options);
  const common = {
    ...{ transport: 'roce', socket: false },
    ...(mtu === undefined ? {} : { payloadMtu: mtu }),
    ...(io === undefined ? {} : { io }),
    ...(capture === undefined ? {} : { capture }),
    ...(seed === undefined ? {} : { seed }),
    ...(faults === undefined ? {} : { faults }),
  };
  const chosen = remote === undefined ? (listen ?? '127.0.0.1') : from;
  if (chosen !== undefined) return await openDevice({ ...common, address: await resolveHost(chosen, 'standIn') });
  for await (const { address, port } of localCandidates(remote!, ROCE_PORT)) {
    if (port === ROCE_PORT) return await openDevice({ ...common, address });
  }
  throw new BadInput(`${remote} is an address of this machine, and its only one`, '--from with another one');
}

function pathMtu(text: string): number {
  return Number(oneOf(['256', '512', '1024', '2048', '4096'])(text));
}

const ROCE_PORT = 4791;
