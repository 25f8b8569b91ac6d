/** `verbena pingpong [HOST]`: messages to and fro, in the words of ibv_rc_pingpong. */
import type { Command } from 'commander';
import { interruptible, type JsonOption, outputFor } from '../command-runner.ts';
import { addDeviceOptions, addFaultOptions, type DeviceOptions, type FaultOptions } from '../device-options.ts';
import { BadInput } from '../failure.ts';
import { byteCount, wholeNumber } from '../option-values.ts';
import { MAX_SIZE } from '../perf/perf-messages.ts';
import { CONNECTION_MEETING } from '../pingpong/connection-meeting.ts';
import { EXCHANGE_MEETING } from '../pingpong/exchange-meeting.ts';
import type { Game, Meeting } from '../pingpong/game.ts';
import { SESSION_MEETING } from '../pingpong/session-meeting.ts';
import type { Output } from '../print/output.ts';
import type { CarrierStyle } from '../session/carrier.ts';
import { Endpoint } from '../session/endpoint.ts';
import { resolveHost } from '../session/local-address.ts';

interface PingpongOptions extends DeviceOptions, FaultOptions, JsonOption {
  readonly listen?: string;
  readonly from?: string;
  readonly cm?: boolean;
  readonly size: number;
  readonly iterations: number;
  readonly check?: boolean;
  readonly warmup: number;
}

export function addPingpong(program: Command): Command {
  const command = program
    .command('pingpong')
    .description('send messages to and fro; without HOST it is the server')
    .argument('[host]', 'where `verbena pingpong` runs as the server')
    .option('-l, --listen <host>', 'server: local address (default: 127.0.0.1)')
    .option('--from <host>', 'client: local address of the device')
    .option('-s, --size <bytes>', 'bytes of a message; the client decides', byteCount(1, MAX_SIZE), 4096)
    .option('-n, --iterations <number>', 'round trips; the client decides', wholeNumber(1, 1e8), 1000)
    .option('-c, --check', 'look at each byte')
    .option('--warmup <number>', 'rounds before the clock starts; the client decides', wholeNumber(0, 1e6), 5_000)
    .option('--cm', 'meet through the connection manager (roce); the same on both sides')
    .addHelpText(
      'after',
      `
Example:
  verbena pingpong                     server; in another terminal:
  verbena pingpong 127.0.0.1 -n 10000
  verbena pingpong --transport roce --cm 127.0.0.1

With --transport roce and without --cm both sides tell each other their addresses as ibv_rc_pingpong does: over TCP
(-p, default 18515), with no rounds to warm up, in packets of 1024 bytes unless --mtu says otherwise, and with the same
-s, -n and -c on both sides. So the other side may be an ibv_rc_pingpong.`,
    )
    .action(pingpong);
  return addFaultOptions(addDeviceOptions(command));
}

async function pingpong(host: string | undefined, options: PingpongOptions): Promise<void> {
  if (host !== undefined && options.listen !== undefined) {
    throw new BadInput('--listen is for the server, which has no host argument');
  }
  const output = outputFor(options);
  await (host === undefined ? serve(options, output) : play(host, options, output));
}

async function play(host: string, options: PingpongOptions, output: Output): Promise<void> {
  const server = await resolveHost(host, 'pingpong');
  const from = options.from === undefined ? undefined : await resolveHost(options.from, 'pingpong');
  const endpoint = await Endpoint.reaching(server, from, options);
  try {
    await meetingOf(endpoint, options).play(endpoint, server, gameOf(options), output);
  } finally {
    await endpoint.close();
  }
}

async function serve(options: PingpongOptions, output: Output): Promise<void> {
  const address = await resolveHost(options.listen ?? '127.0.0.1', 'pingpong');
  await interruptible(async (signal) => {
    const endpoint = await Endpoint.serving(address, options);
    try {
      await meetingOf(endpoint, options).serve(endpoint, gameOf(options), output, signal);
    } finally {
      await endpoint.close();
    }
  });
}

function meetingOf({ style }: Endpoint, { cm }: PingpongOptions): Meeting {
  return cm === true ? CONNECTION_MEETING : MEETINGS[style];
}

function gameOf({ size, iterations, check, warmup: warmUp, mtu, port }: PingpongOptions): Game {
  return {
    ...{ size, iterations, warmUp, check: check === true },
    ...(mtu === undefined ? {} : { mtu }),
    ...(port === undefined ? {} : { port }),
  };
}

const MEETINGS: Readonly<Record<CarrierStyle, Meeting>> = { addressed: SESSION_MEETING, connected: EXCHANGE_MEETING };
