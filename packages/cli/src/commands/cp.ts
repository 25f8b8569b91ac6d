/** `verbena cp SRC DST`: one file, over RDMA, verified. */
import type { Command } from 'commander';
import { interruptible, type JsonOption, outputFor } from '../command-runner.ts';
import { CopyClient, type CopyResult } from '../copy/copy-client.ts';
import { parseRemotePath } from '../copy/remote-path.ts';
import { addDeviceOptions, addFaultOptions, type DeviceOptions, type FaultOptions } from '../device-options.ts';
import { BadInput } from '../failure.ts';
import type { Output } from '../print/output.ts';
import { ProgressBar } from '../print/progress-bar.ts';
import { bytesText, countText, durationText, rateText } from '../print/units.ts';
import { Endpoint } from '../session/endpoint.ts';
import { resolveHost } from '../session/local-address.ts';

interface CpOptions extends DeviceOptions, FaultOptions, JsonOption {
  readonly from?: string;
  readonly force?: boolean;
  readonly sync?: boolean;
  readonly progress: boolean;
}

export function addCp(program: Command): Command {
  const command = program
    .command('cp')
    .description('copy a file from or to a `verbena serve`, over RDMA, verified by SHA-256')
    .argument('<src>', 'HOST:PATH or a local file')
    .argument('<dst>', 'HOST:PATH or a local file or folder; one of the two is remote')
    .option('--from <host>', 'local address of the device (default: one that reaches HOST)')
    .option('-f, --force', 'replace a file that exists')
    .option('--sync', 'flush the file to the disk before it gets its name')
    .option('--no-progress', 'no progress bar')
    .addHelpText(
      'after',
      `
Example:
  verbena cp 127.0.0.1:model.bin .             get
  verbena cp results.csv [::1]:runs/           put; the server needs --writable
  verbena cp --drop 1% --seed 7 host:big .     over a link that loses packets

Paths of the server count from the folder that it serves. A file gets its name when it is complete and verified.`,
    )
    .action(cp);
  return addFaultOptions(addDeviceOptions(command));
}

async function cp(src: string, dst: string, options: CpOptions): Promise<void> {
  const output = outputFor(options);
  const [from, to] = [parseRemotePath(src), parseRemotePath(dst)];
  const remote = from ?? to;
  if (remote === undefined || (from !== undefined && to !== undefined)) {
    const both = from !== undefined ? 'both paths are remote' : 'neither path is remote';
    throw new BadInput(`${both}: one side must be HOST:PATH, the other a local file`, 'verbena cp 127.0.0.1:FILE .');
  }
  if (from !== undefined && from.path === '') throw new BadInput(`'${src}' names no file`, `${src}FILE`);
  const server = await resolveHost(remote.host, 'cp');
  const local = options.from === undefined ? undefined : await resolveHost(options.from, 'cp');
  const result = await interruptible(async (signal) => {
    const endpoint = await Endpoint.reaching(server, local, options);
    try {
      return await copy(endpoint, server, signal, options, (client, callbacks) =>
        from !== undefined ? client.get(from.path, dst, callbacks) : client.put(src, remote.path, callbacks),
      );
    } finally {
      await endpoint.close();
    }
  });
  report(output, src, result);
}

type Callbacks = Parameters<CopyClient['get']>[2];

async function copy(
  endpoint: Endpoint,
  server: string,
  signal: AbortSignal,
  options: CpOptions,
  run: (client: CopyClient, callbacks: Callbacks) => Promise<CopyResult>,
): Promise<CopyResult> {
  const client = await CopyClient.connect(endpoint, server);
  const onAbort = () => void client.interrupt(signal.reason as Error);
  signal.addEventListener('abort', onAbort);
  let bar: ProgressBar | undefined;
  try {
    return await run(client, {
      force: options.force === true,
      sync: options.sync === true,
      onStart: (label, size) => {
        signal.throwIfAborted();
        const made = (bar = new ProgressBar(label, size, options.progress && options.json !== true));
        return (done) => made.update(done);
      },
    });
  } finally {
    bar?.clear();
    signal.removeEventListener('abort', onAbort);
    await client.close();
  }
}

function report(output: Output, src: string, { path, bytes, seconds, sha256, retransmittedPackets }: CopyResult): void {
  output.json({ bytes, seconds, sha256, retransmitted_packets: retransmittedPackets, path });
  output.text(`${src} -> ${path === '' ? '(the served folder)' : path}`);
  output.text(
    `${bytesText(bytes)} in ${durationText(seconds)}, ${rateText(bytes / seconds)}, ${countText(retransmittedPackets, 'packet')} retransmitted`,
  );
  output.text(`sha256 ${sha256} (the same on both sides)`);
}
