/** `verbena serve DIR`: a file server over RDMA. */
import type { Command } from 'commander';
import { interruptible, type JsonOption, outputFor, stopped } from '../command-runner.ts';
import { type CopyReport, CopyServer } from '../copy/copy-server.ts';
import { ServedFolder } from '../copy/served-folder.ts';
import {
  addDeviceOptions,
  addFaultOptions,
  type DeviceOptions,
  type FaultOptions,
  sameOptions,
} from '../device-options.ts';
import { bytesText, durationText, rateText } from '../print/units.ts';
import { placeText } from '../session/carrier.ts';
import { Endpoint } from '../session/endpoint.ts';
import { resolveHost } from '../session/local-address.ts';

interface ServeOptions extends DeviceOptions, FaultOptions, JsonOption {
  readonly listen: string;
  readonly writable?: boolean;
}

export function addServe(program: Command): Command {
  const command = program
    .command('serve')
    .description('serve the files of a folder to `verbena cp`, until Ctrl-C')
    .argument('<dir>', 'the folder; nothing outside it can be reached')
    .option('-l, --listen <host>', 'local address to serve on', '127.0.0.1')
    .option('-w, --writable', 'let clients put files into the folder')
    .addHelpText(
      'after',
      '\nExample:\n  verbena serve ./data --listen 127.0.0.1\n  verbena cp 127.0.0.1:model.bin .      (in another terminal)',
    )
    .action(serve);
  return addFaultOptions(addDeviceOptions(command));
}

async function serve(dir: string, options: ServeOptions): Promise<void> {
  const output = outputFor(options);
  const folder = await ServedFolder.open(dir, options.writable === true);
  const address = await resolveHost(options.listen, 'serve');
  await interruptible(async (signal) => {
    const endpoint = await Endpoint.serving(address, options);
    const { servicePort: port } = endpoint;
    try {
      const server = new CopyServer(endpoint, folder, (report) => {
        output.text(reportLine(report));
        output.json(report);
      });
      await server.listen();
      const same = sameOptions(options);
      output.text(
        `serving ${folder.root} on ${address}, ${placeText(endpoint)} (${folder.isWritable ? 'writable' : 'read-only'})`,
      );
      output.text(`try: verbena cp ${address.includes(':') ? `[${address}]` : address}:FILE .${same}    Ctrl-C stops`);
      output.json({ listening: address, port, root: folder.root, writable: folder.isWritable });
      await stopped(signal);
      await server.close();
    } finally {
      await endpoint.close();
    }
  });
}

function reportLine({ direction, path, peer, bytes, seconds, error }: CopyReport): string {
  const to = direction === 'get' ? 'to' : 'from';
  if (error !== undefined) return `${direction} ${path} ${to} ${peer}: ${error}`;
  return `${direction} ${path} ${to} ${peer}: ${bytesText(bytes)} in ${durationText(seconds)}, ${rateText(bytes / seconds)}`;
}
