/** `verbena perf TEST [HOST]`: bandwidth and latency, as perftest measures them. */
import { type Command, Option } from 'commander';
import { interruptible, type JsonOption, outputFor, stopped } from '../command-runner.ts';
import {
  addDeviceOptions,
  addFaultOptions,
  type DeviceOptions,
  type FaultOptions,
  sameOptions,
} from '../device-options.ts';
import { BadInput } from '../failure.ts';
import { byteCount, seconds, wholeNumber } from '../option-values.ts';
import type { Lane } from '../perf/lane.ts';
import type { SizeResult } from '../perf/measure-size.ts';
import { PerfClient } from '../perf/perf-client.ts';
import { measureLoopback } from '../perf/perf-loopback.ts';
import { MAX_DEPTH, MAX_SIZE } from '../perf/perf-messages.ts';
import {
  closingLines,
  EXCHANGES,
  headingLines,
  type LaneFacts,
  laneFacts,
  resultDocument,
  rowLine,
} from '../perf/perf-report.ts';
import { PerfServer } from '../perf/perf-server.ts';
import { ALL_SIZES, ATOMIC_BYTES, PERF_TESTS, type PerfPlan, perfTest } from '../perf/perf-tests.ts';
import type { Output } from '../print/output.ts';
import { DEFAULT_PORT } from '../session/carrier.ts';
import { Endpoint, gidText } from '../session/endpoint.ts';
import { resolveHost } from '../session/local-address.ts';

interface PerfOptions extends DeviceOptions, FaultOptions, JsonOption {
  readonly loopback?: boolean;
  readonly listen?: string;
  readonly from?: string;
  readonly keep?: boolean;
  readonly size?: number;
  readonly all?: boolean;
  readonly iterations?: number;
  readonly duration?: number;
  readonly depth: number;
  readonly ordered?: boolean;
  readonly warmup?: number;
}

export function addPerf(program: Command): Command {
  const command = program
    .command('perf')
    .description('measure bandwidth and latency; without HOST it is the server, as in perftest')
    .argument('<test>', PERF_TESTS.map(({ name }) => name).join(', '))
    .argument('[host]', 'where `verbena perf TEST` runs as the server')
    .option('--loopback', 'both sides in this process, on two loopback addresses')
    .option('-l, --listen <host>', 'server: local address (default: 127.0.0.1)')
    .option('--keep', 'server: stay for more clients')
    .option('--from <host>', 'client: local address of the device')
    .option(
      '-s, --size <bytes>',
      'bytes of a message (default: 65536 for bandwidth, 2 for latency)',
      byteCount(1, MAX_SIZE),
    )
    .addOption(new Option('-a, --all', 'sizes 2, 4, 8 ... 2^23').conflicts('size'))
    .option('-n, --iterations <number>', 'messages per size (default: as perftest, at most 2 GiB)', wholeNumber(1, 1e9))
    .addOption(
      new Option('-D, --duration <seconds>', 'measure for so long instead')
        .argParser(seconds(0.01, 3600))
        .conflicts('iterations'),
    )
    .option('-t, --depth <number>', 'messages in flight', wholeNumber(1, MAX_DEPTH), 128)
    .option('--ordered', 'ordered delivery (ROD) instead of unordered (RUD)')
    .option('--warmup <number>', 'messages before the clock starts', wholeNumber(0, 1e6))
    .addHelpText(
      'after',
      `
Example:
  verbena perf write-bw --loopback                both sides in one process
  verbena perf read-lat                           server; in another terminal:
  verbena perf read-lat 127.0.0.1 -a

Latency is one way for writes and sends (half a ping-pong), and the whole round trip for reads and atomics. MB are 2^20
bytes. Write latency looks at the last byte of the message in memory. CPU time counts both sides. Tests of tagged messages
and atomics go through the fabric API, all others through verbs.`,
    )
    .action(perf);
  return addFaultOptions(addDeviceOptions(command));
}

async function perf(name: string, host: string | undefined, options: PerfOptions): Promise<void> {
  const test = perfTest(name);
  if (test === undefined) {
    throw new BadInput(`there is no test '${name}'`, PERF_TESTS.map((known) => known.name).join(', '));
  }
  if (options.loopback && host !== undefined)
    throw new BadInput('--loopback needs no host', `verbena perf ${name} --loopback`);
  if (host !== undefined && options.listen !== undefined)
    throw new BadInput('--listen is for the server, which has no host argument');
  if (test.operation === 'atomic' && (options.all || (options.size ?? ATOMIC_BYTES) !== ATOMIC_BYTES)) {
    throw new BadInput(`${name} adds to one word of ${ATOMIC_BYTES} bytes, and has no other size`);
  }
  const output = outputFor(options);
  const sizes = options.all ? ALL_SIZES : [options.size ?? test.size];
  const plan: PerfPlan = {
    test,
    sizes,
    iterations: options.iterations,
    seconds: options.duration,
    depth: options.depth,
    ordered: options.ordered === true,
    warmup: options.warmup,
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
  };
  const seeded = { ...options, seed: plan.seed };
  if (options.loopback) await loopback(plan, seeded, output);
  else if (host === undefined) await serve(plan, seeded, output);
  else await measure(plan, host, seeded, output);
}

async function loopback(plan: PerfPlan, options: PerfOptions, output: Output): Promise<void> {
  const here = await Endpoint.reaching('127.0.0.1', options.from, { ...options, faultDirection: 'out' });
  let there: Endpoint | undefined;
  try {
    const { capture: _, ...other } = options;
    there = await Endpoint.reaching(here.address, undefined, {
      ...other,
      faultDirection: 'out',
      seed: (plan.seed + 1) % 2 ** 32,
    });
    const peer = there;
    const table = new Table(plan, here, output);
    for (const size of plan.sizes) {
      const result = await measureLoopback(plan, here, peer, size, (local, remote) =>
        table.begin(local, laneFacts(remote.card, peer.gid)),
      );
      table.row(result);
    }
    table.end();
  } finally {
    await there?.close();
    await here.close();
  }
}

async function measure(plan: PerfPlan, host: string, options: PerfOptions, output: Output): Promise<void> {
  const server = await resolveHost(host, 'perf');
  const from = options.from === undefined ? undefined : await resolveHost(options.from, 'perf');
  const endpoint = await Endpoint.reaching(server, from, options);
  try {
    const client = await PerfClient.connect(endpoint, server);
    const table = new Table(plan, endpoint, output);
    const gid = gidText(server);
    try {
      for (const size of plan.sizes) {
        table.row(await client.measure(plan, size, (lane, remote) => table.begin(lane, laneFacts(remote, gid))));
      }
      table.end();
    } finally {
      await client.bye(); // also after a failure: nobody else comes
    }
  } finally {
    await endpoint.close();
  }
}

async function serve(plan: PerfPlan, options: PerfOptions, output: Output): Promise<void> {
  const address = await resolveHost(options.listen ?? '127.0.0.1', 'perf');
  await interruptible(async (signal) => {
    const endpoint = await Endpoint.serving(address, options);
    const { servicePort: port } = endpoint;
    let server: PerfServer | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        server = new PerfServer(endpoint, {
          onClient: (client, request) =>
            output.text(` client ${client}: ${request.test.name}, ${request.size} bytes, depth ${request.depth}`),
          onBye: () => {
            if (!options.keep) resolve();
          },
          onFailure: (error) => {
            if (options.keep) output.note(error instanceof Error ? error.message : String(error));
            else reject(error as Error);
          },
        });
        server.listen().catch(reject);
        output.text(`\n${STARS}\n* Waiting for client to connect... *\n${STARS}`);
        output.text(
          ` verbena perf ${plan.test.name} ${address}${port === DEFAULT_PORT ? '' : ` --port ${port}`}${sameOptions(options)}`,
        );
        output.json({ listening: address, port });
        void stopped(signal).then(() => (options.keep ? resolve() : reject(signal.reason)));
      });
    } finally {
      await server?.close();
      await endpoint.close();
    }
  });
}

/** Prints rows as they come. */
class Table {
  readonly #plan: PerfPlan;
  readonly #endpoint: Endpoint;
  readonly #output: Output;
  readonly #results: SizeResult[] = [];
  #begun = false;

  constructor(plan: PerfPlan, endpoint: Endpoint, output: Output) {
    this.#plan = plan;
    this.#endpoint = endpoint;
    this.#output = output;
  }

  begin(lane: Lane, remote: LaneFacts): void {
    if (this.#begun) return;
    this.#begun = true;
    const { device, transport, style, payloadMtu, gid } = this.#endpoint;
    const facts = {
      device: device.name,
      transport,
      connection: lane.connection,
      delivery: lane.delivery,
      exchange: EXCHANGES[style] ?? transport.toUpperCase(),
      level: device.level,
      payloadMtu,
      local: laneFacts(lane.card, gid),
      remote,
    };
    for (const line of headingLines(this.#plan, facts)) this.#output.text(line);
  }

  row(result: SizeResult): void {
    this.#results.push(result);
    this.#output.text(rowLine(result));
    this.#output.json(resultDocument(this.#plan, this.#endpoint.transport, result));
  }

  end(): void {
    for (const line of closingLines(this.#results)) this.#output.text(line);
  }
}

const STARS = '*'.repeat(36);
