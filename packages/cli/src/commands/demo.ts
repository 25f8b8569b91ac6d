/** `verbena demo`: all kinds of operation between two devices, over a link that loses packets. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { type JsonOption, outputFor } from '../command-runner.ts';
import { DEMO_OPERATIONS, DemoSide, joinSides, type OperationResult, runOperation } from '../demo/demo-operations.ts';
import { chartLines } from '../demo/sequence-chart.ts';
import {
  addDeviceOptions,
  addFaultOptions,
  type DeviceOptions,
  type FaultOptions,
  sameOptions,
} from '../device-options.ts';
import { refusal } from '../failure.ts';
import type { Output } from '../print/output.ts';
import { tableText } from '../print/table.ts';
import { bytesText, countText, durationText, rateText } from '../print/units.ts';
import { Endpoint } from '../session/endpoint.ts';

interface DemoOptions extends DeviceOptions, FaultOptions, JsonOption {}

export function addDemo(program: Command): Command {
  const command = program
    .command('demo')
    .description('two devices in this process, a lossy link, all kinds of operation; takes seconds')
    .addHelpText(
      'after',
      '\nExample:\n  verbena demo\n  verbena demo --drop 5% --reorder 2% --seed 7\n\nThe link loses 1 % unless told otherwise; the seed is 42.',
    )
    .action(demo);
  return addFaultOptions(addDeviceOptions(command));
}

async function demo(asked: DemoOptions): Promise<void> {
  const output = outputFor(asked);
  const capture = asked.capture ?? captureFile();
  const options = { drop: 0.01, seed: DEFAULT_SEED, faultDirection: 'out' as const, ...asked };
  const started = performance.now();
  const left = await Endpoint.reaching('127.0.0.1', undefined, {
    ...options,
    capture,
    captureLimitBytes: CAPTURE_BYTES,
  });
  let right: Endpoint | undefined;
  const results: OperationResult[] = [];
  let why: string[] = [];
  try {
    const { capture: _, ...other } = options;
    right = await Endpoint.reaching(left.address, undefined, { ...other, seed: options.seed + 1 });
    const here = new DemoSide(left);
    const there = new DemoSide(right);
    printHeading(output, here, there, options);
    joinSides(here, there);
    for (const operation of DEMO_OPERATIONS) {
      const result = await runOperation(operation, here, there);
      results.push(result);
      output.json(operationDocument(result));
    }
    why = reasonLines(left, right);
  } finally {
    await right?.close();
    await left.close();
  }
  const ok = results.length === DEMO_OPERATIONS.length && results.every((result) => result.ok);
  if (!output.isJson) {
    output.text(`How it begins, is answered and is repaired, as ${left.address} saw it:\n`);
    for (const line of chartLines(readFileSync(capture), left.address, right.address, CHART_PACKETS)) output.text(line);
    output.text(`\n${resultTable(results)}\n`);
    for (const line of why) output.text(line);
    output.text(
      `\n${capture}: the traffic up to the first ${bytesText(CAPTURE_BYTES)}, for Wireshark or verbena decode`,
    );
    output.text(`finished in ${durationText((performance.now() - started) / 1e3)}. Next:\n`);
    for (const line of nextSteps(capture, asked)) output.text(line);
  }
  output.json({ capture, ok });
  if (!ok)
    throw refusal('EIO', 'demo', 'some bytes did not arrive as they were sent', { try: `verbena decode ${capture}` });
}

function printHeading(output: Output, here: DemoSide, there: DemoSide, options: DemoOptions): void {
  const [left, right] = [here.endpoint, there.endpoint];
  const faults = (['drop', 'duplicate', 'reorder', 'corrupt', 'delay'] as const)
    .filter((name) => options[name])
    .map((name) => `${name} ${(options[name]! * 100).toFixed(1).replace(/\.0$/, '')} %`);
  const { device, payloadMtu, transport } = left;
  const title = TITLES[transport] ?? transport;
  output.text(`Verbena demo: RDMA between two ${title} devices, all in this process, no root, no kernel module.\n`);
  output.text(
    `  ${device.name} ${left.address}  <-- UDP, ${faults.join(', ') || 'no faults'}, seed ${options.seed} -->  ${right.address} ${right.device.name}`,
  );
  output.text(
    `  packets of ${payloadMtu} bytes, I/O level ${device.level}, delivery ${here.link.delivery} and reliable\n`,
  );
}

function resultTable(results: readonly OperationResult[]): string {
  const rows = results.map(({ operation, bytes, seconds, retransmittedPackets, ok }) => [
    operation.name,
    `${operation.messages} x ${bytesText(operation.bytes)}`,
    durationText(seconds),
    rateText(bytes / seconds),
    String(retransmittedPackets),
    ok ? 'every byte right' : 'WRONG DATA',
  ]);
  const columns = [
    { title: 'operation' },
    { title: 'messages', right: true },
    { title: 'time', right: true },
    { title: 'rate', right: true },
    { title: 'sent again', right: true },
    { title: 'checked' },
  ];
  return tableText(columns, rows);
}

/** Why packets were sent again: what the link did, and how the devices noticed. */
function reasonLines(left: Endpoint, right: Endpoint): string[] {
  const [a, b] = [left.device.counters(), right.device.counters()];
  const sum = (name: string) => (a[name] ?? 0) + (b[name] ?? 0);
  const lost = sum('wire_fault_dropped');
  const words = [
    `${countText(lost, 'packet')} lost on the link on purpose`,
    `${countText(sum('retransmitted_packets'), 'packet')} sent again`,
    `${sum('lost_packets') + sum('sequence_naks') + sum('missing_responses')} found missing because later ones arrived`,
    `${sum('timeouts')} after a time-out`,
    `${sum('dropped_duplicate')} arrived twice and counted once`,
  ];
  return [`Why: ${words.slice(0, 2).join(', ')};`, `     ${words.slice(2).join(', ')}.`];
}

function operationDocument({
  operation,
  bytes,
  seconds,
  retransmittedPackets,
  ok,
}: OperationResult): Record<string, unknown> {
  return {
    operation: operation.name,
    messages: operation.messages,
    bytes,
    seconds,
    bandwidth_bytes_per_s: bytes / seconds,
    retransmitted_packets: retransmittedPackets,
    ok,
  };
}

/** In the current folder, or where anybody may write. */
function captureFile(): string {
  try {
    accessSync(dirname(CAPTURE_NAME), constants.W_OK);
    return CAPTURE_NAME;
  } catch {
    return join(tmpdir(), CAPTURE_NAME);
  }
}

/** Three commands to try, as they can be typed where this one was. */
function nextSteps(capture: string, options: DeviceOptions): string[] {
  // started by npm: the command is not on the search path
  const verbena = process.env.npm_command === undefined ? 'verbena' : 'npx verbena';
  const same = sameOptions(options);
  const steps: readonly (readonly [string, string])[] = [
    [`${verbena} decode ${capture} --frame 1-3`, 'each field of the first packets'],
    [`${verbena} perf write-bw --loopback${same}`, 'how fast this machine is without loss'],
    [`${verbena} serve .${same}`, 'a file server; then, in another terminal:'],
    ['', `${verbena} cp 127.0.0.1:package.json /tmp/${same}`],
  ];
  const width = Math.max(...steps.map(([command]) => command.length)) + 3;
  return steps.map(([command, text]) => `  ${command.padEnd(width)}${text}`);
}

/** What people call the protocols. */
const TITLES: Readonly<Record<string, string>> = { uet: 'Ultra Ethernet', roce: 'RoCE v2' };
const CAPTURE_NAME = 'verbena-demo.pcapng';
const CAPTURE_BYTES = 8 * 2 ** 20;
const CHART_PACKETS = 4;
const DEFAULT_SEED = 42;
