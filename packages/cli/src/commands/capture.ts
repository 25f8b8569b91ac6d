/** `verbena capture [DEVICE]`: what a device of a daemon sends and receives, as pcapng, until Ctrl-C. */
import { setImmediate as turn } from 'node:timers/promises';
import { MANAGEMENT } from '@verbena/core';
import type { Command } from 'commander';
import { CaptureCut } from '../capture/capture-cut.ts';
import { CaptureTarget } from '../capture/capture-target.ts';
import { interruptible, type JsonOption, outputFor } from '../command-runner.ts';
import { BadInput } from '../failure.ts';
import { Management } from '../manage/management.ts';
import { byteCount, seconds, wholeNumber } from '../option-values.ts';
import type { Output } from '../print/output.ts';
import { countText } from '../print/units.ts';

const { CAPTURE, DEV } = MANAGEMENT;

interface CaptureCommandOptions extends JsonOption {
  readonly output?: string;
  readonly count?: number;
  readonly seconds?: number;
  readonly limit?: number;
  readonly decrypt?: boolean;
  readonly socket?: string;
}

export function addCapture(program: Command): Command {
  return program
    .command('capture')
    .description('record what a device of a daemon sends and receives, as pcapng, until Ctrl-C')
    .argument('[device]', 'name or index; can be left out when there is only one')
    .option('-o, --output <file>', "the file; '-', or nothing in a pipe, is standard output")
    .option('-c, --count <n>', 'end after so many frames', wholeNumber(1, 1_000_000_000))
    .option('--seconds <s>', 'end after this long', seconds(0.01, 1_000_000))
    .option(
      '--limit <bytes>',
      'end before the capture is longer (default: 256 MiB for a file)',
      byteCount(256, 2 ** 50),
    )
    .option('--decrypt', 'packets of secure domains in the clear, with the keys of the daemon')
    .option('-s, --socket <path>', "the daemon's socket; VERBENA_SOCKET, or the usual one, when left out")
    .addHelpText(
      'after',
      `
Example:
  verbena capture uet0 -o uet0.pcapng --seconds 10
  verbena capture --count 100 | verbena decode - --summary
  verbena capture uet0 | wireshark -k -i -

It shows data of all programs on the device, so it needs the administrative right. With --decrypt that of
secure domains is in the clear, and the file is for its owner alone. A device of one's own is captured by
\`--capture FILE\` of perf, pingpong, cp and serve.`,
    )
    .action(capture);
}

async function capture(name: string | undefined, options: CaptureCommandOptions): Promise<void> {
  const management = Management.connect(options.socket, NO_DAEMON);
  try {
    const device = name ?? onlyDevice(management);
    const { wake } = management.call(CAPTURE, CAPTURE.methods.START, {
      ...{ device, decrypt: options.decrypt ? 1 : undefined },
    });
    // a file that is there is not touched before it is clear that there will be a capture
    const target = new CaptureTarget(options.output, options.decrypt === true);
    try {
      await record(management, wake, device, target, options);
    } finally {
      target.close();
    }
  } finally {
    management.close();
  }
}

async function record(
  management: Management,
  wake: number,
  device: string,
  target: CaptureTarget,
  options: CaptureCommandOptions,
): Promise<void> {
  const output = outputFor(options);
  const { count = Number.POSITIVE_INFINITY } = options;
  const limit = options.limit ?? (target.isOutput ? Number.POSITIVE_INFINITY : FILE_LIMIT);
  const end = performance.now() + (options.seconds ?? Number.POSITIVE_INFINITY) * 1000;
  const cut = new CaptureCut(count, limit);
  const read = () => management.call(CAPTURE, CAPTURE.methods.READ, {});
  const say = (text: string, document: Readonly<Record<string, unknown>>) =>
    tell(output, target.isOutput, text, document);
  say(`capturing ${device}${target.isOutput ? '' : ` into ${options.output}`}`, { capturing: device });
  let lost = 0;
  let isReading = true;
  let isGone = false;
  await interruptible(async (signal) => {
    let isStopped = false;
    for (;;) {
      if (!isStopped && (signal.aborted || performance.now() >= end)) {
        management.call(CAPTURE, CAPTURE.methods.STOP, {}); // what waits is still written
        isStopped = true;
      }
      const part = read();
      lost = part.lost;
      isReading = await target.write(cut.take(part.bytes));
      isGone = part.ended === 1 && !isStopped;
      if (part.ended === 1 || cut.full || !isReading) break;
      if (part.bytes.length > 0)
        await turn(); // a signal may have come
      else await management.wait(wake, Math.max(0, Math.min(LOOK_AGAIN_NS, (end - performance.now()) * 1e6)));
    }
  });
  if (isGone) output.note(`device ${device} is gone`);
  const { frames, bytes } = cut;
  say(`${countText(frames, 'frame')}, ${countText(bytes, 'byte')}, ${countText(lost, 'frame')} lost`, {
    ...{ device, frames, bytes, lost_frames: lost },
  });
}

/** Standard output is for the capture where that goes there. */
function tell(output: Output, isTaken: boolean, text: string, document: Readonly<Record<string, unknown>>): void {
  if (isTaken) output.note(output.isJson ? JSON.stringify(document) : text);
  else {
    output.text(text);
    output.json(document);
  }
}

function onlyDevice(management: Management): string {
  const { rows } = management.call(DEV, DEV.methods.SHOW, {});
  const names = rows.map(({ dev }) => String(dev));
  if (names.length === 1) return names[0]!;
  if (names.length === 0) throw new BadInput('the daemon has no device', 'verbena dev add uet0 address 127.0.0.1');
  throw new BadInput('which device? The daemon has several', `verbena capture ${names.slice(0, 8).join(' | ')}`);
}

const NO_DAEMON =
  '`verbena up` for devices of a daemon; `--capture FILE` of perf, cp, serve or pingpong for a device of its own';
/** As long as captures that devices write themselves. */
const FILE_LIMIT = 256 * 2 ** 20;
/** How long Ctrl-C can take; a frame is taken at once. */
const LOOK_AGAIN_NS = 200_000_000;
