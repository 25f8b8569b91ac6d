/** `verbena pingpong [HOST]`: messages to and fro, in the words of ibv_rc_pingpong. */
import type { Command } from 'commander';
import { interruptible, type JsonOption, outputFor, stopped } from '../command-runner.ts';
import { addDeviceOptions, addFaultOptions, type DeviceOptions, type FaultOptions } from '../device-options.ts';
import { BadInput, refusal } from '../failure.ts';
import { byteCount, wholeNumber } from '../option-values.ts';
import { drive } from '../perf/measurement.ts';
import { PerfLane } from '../perf/perf-lane.ts';
import { cardBody, MAX_SIZE, parseCard } from '../perf/perf-messages.ts';
import { PingPong } from '../perf/ping-pong.ts';
import type { Output } from '../print/output.ts';
import { Channel } from '../session/channel.ts';
import { DEFAULT_PORT, Endpoint } from '../session/endpoint.ts';
import { answerHello, sayHello } from '../session/hello.ts';
import { resolveHost } from '../session/local-address.ts';
import { type Body, isCount } from '../session/session.ts';

interface PingpongOptions extends DeviceOptions, FaultOptions, JsonOption {
  readonly listen?: string;
  readonly from?: string;
  readonly size: number;
  readonly iterations: number;
  readonly check?: boolean;
}

export function addPingpong(program: Command): Command {
  const command = program
    .command('pingpong')
    .description('send messages to and fro, after 5000 rounds to warm up; without HOST it is the server')
    .argument('[host]', 'where `verbena pingpong` runs as the server')
    .option('-l, --listen <host>', 'server: local address (default: 127.0.0.1)')
    .option('--from <host>', 'client: local address of the device')
    .option('-s, --size <bytes>', 'bytes of a message; the client decides', byteCount(1, MAX_SIZE), 4096)
    .option('-n, --iterations <number>', 'round trips; the client decides', wholeNumber(1, 1e8), 1000)
    .option('-c, --check', 'look at each byte')
    .addHelpText(
      'after',
      '\nExample:\n  verbena pingpong                     server; in another terminal:\n  verbena pingpong 127.0.0.1 -n 10000',
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
    const channel = new Channel(endpoint, {});
    const to = channel.server(server, options.port);
    await sayHello(channel, to, 'pingpong');
    const { size, iterations } = options;
    const check = options.check === true;
    const lane = new PerfLane(endpoint, { size, depth: DEPTH, ordered: true });
    const answer = await channel.request(to, 'play', { size, iterations, check, card: cardBody(lane.card) });
    const card = parseCard(answer.card);
    lane.connect(endpoint.addressHandle({ path: to.path }, card.qpn), card);
    printAddresses(output, endpoint, lane, card.qpn, server.includes(':') ? server : `::ffff:${server}`);
    const run = new PingPong(lane, iterations, true, check, WARM_UP);
    await drive(run, endpoint.device.polls);
    printTotals(output, run, size, iterations);
    await channel.request(to, 'bye', {}).catch(() => {});
    await channel.close();
  } finally {
    await endpoint.close();
  }
}

async function serve(options: PingpongOptions, output: Output): Promise<void> {
  const address = await resolveHost(options.listen ?? '127.0.0.1', 'pingpong');
  const port = options.port ?? DEFAULT_PORT;
  await interruptible(async (signal) => {
    const endpoint = await Endpoint.open({ address, port }, options);
    let channel: Channel | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        channel = new Channel(endpoint, {
          asked: (from, ask, body) => {
            if (ask === 'hello') return answerHello(body, 'pingpong', endpoint.payloadMtu);
            if (ask === 'play') return answerPlay(channel!, endpoint, from, body, output, reject);
            if (ask !== 'bye') throw refusal('EOPNOTSUPP', 'pingpong', 'the server does not know the request');
            setImmediate(resolve);
            return {};
          },
        });
        output.json({ listening: address, port });
        void stopped(signal).then(() => reject(signal.reason));
      });
    } finally {
      await channel?.close();
      await endpoint.close();
    }
  });
}

function answerPlay(
  channel: Channel,
  endpoint: Endpoint,
  from: number,
  body: Body,
  output: Output,
  fail: (error: unknown) => void,
): Body {
  const { size, iterations } = body;
  if (channel.drive !== undefined) throw refusal('EBUSY', 'pingpong', 'the server plays with another client');
  if (!isCount(size) || size < 1 || size > MAX_SIZE || !isCount(iterations) || iterations < 1) {
    throw refusal('EINVAL', 'pingpong', 'size or iterations are out of range');
  }
  const card = parseCard(body.card);
  const lane = new PerfLane(endpoint, { size, depth: DEPTH, ordered: true });
  const peer = endpoint.addressHandle({ path: from }, card.qpn);
  lane.connect(peer, card);
  printAddresses(
    output,
    endpoint,
    lane,
    card.qpn,
    peer.address.includes(':') ? peer.address : `::ffff:${peer.address}`,
  );
  const run = new PingPong(lane, iterations, false, body.check === true, WARM_UP);
  const steps = endpoint.device.polls ? STEPS : 1;
  let seen = 0;
  let seenAt = performance.now();
  channel.idle = () => run.idle();
  channel.drive = () => {
    try {
      for (let i = 0; i < steps; i++) {
        if (!run.step()) continue;
        channel.drive = undefined;
        printTotals(output, run, size, iterations);
        return;
      }
      const now = performance.now();
      if (run.progress !== seen) [seen, seenAt] = [run.progress, now];
      else if (now - seenAt > SILENCE_MS) throw refusal('ETIMEDOUT', 'pingpong', 'the client went silent');
    } catch (thrown) {
      channel.drive = undefined;
      fail(thrown);
    }
  };
  return { card: cardBody(lane.card) };
}

function printAddresses(
  output: Output,
  endpoint: Endpoint,
  lane: PerfLane,
  remoteQpn: number,
  remoteGid: string,
): void {
  const line = (qpn: number, gid: string) =>
    `LID 0x0000, QPN 0x${qpn.toString(16).padStart(6, '0')}, PSN 0x000000, GID ${gid}`;
  output.text(`  local address:  ${line(lane.qp.qpn, endpoint.gid)}`);
  output.text(`  remote address: ${line(remoteQpn, remoteGid)}`);
}

function printTotals(output: Output, run: PingPong, size: number, iterations: number): void {
  const seconds = (performance.now() - run.startedAt) / 1e3;
  const bytes = size * iterations * 2;
  output.text(`${bytes} bytes in ${seconds.toFixed(2)} seconds = ${((bytes * 8) / seconds / 1e6).toFixed(2)} Mbit/sec`);
  output.text(
    `${iterations} iters in ${seconds.toFixed(2)} seconds = ${((seconds * 1e6) / iterations).toFixed(2)} usec/iter`,
  );
  output.json({ bytes, iterations, size_bytes: size, seconds, usec_per_iteration: (seconds * 1e6) / iterations });
}

const DEPTH = 16;
/** Rounds before the clock starts: code that runs for the first time is a hundred times slower. */
const WARM_UP = 5_000;
const STEPS = 2_000;
const SILENCE_MS = 15_000;
