/** `verbena up`: a daemon in the foreground. */
import type { Command } from 'commander';
import { type JsonOption, outputFor } from '../command-runner.ts';
import { oneOf } from '../option-values.ts';

interface UpOptions extends JsonOption {
  readonly device: readonly string[];
  readonly socket?: string;
  readonly metrics?: string;
  readonly log: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}

export function addUp(program: Command): Command {
  return program
    .command('up')
    .description('run a daemon: devices that other programs of this machine share, until Ctrl-C')
    .argument('[file]', 'configuration, JSON as in schema/verbenad.schema.json; nobody else may write it')
    .option(
      '-d, --device <spec>',
      'NAME=ADDRESS[,type=T][,port=N][,mtu=N][,gid=ADDRESS:TYPE]...; can be repeated',
      collect,
      [],
    )
    .option('--socket <path>', 'local socket (default: VERBENA_SOCKET, else verbena/verbena.sock in $XDG_RUNTIME_DIR)')
    .option('--metrics <host:port>', 'figures for Prometheus, on a loopback address')
    .option(
      '--log <level>',
      'debug, info, warn, error or silent',
      oneOf(['debug', 'info', 'warn', 'error', 'silent']),
      'warn',
    )
    .addHelpText(
      'after',
      `
Example:
  verbena up --device uet0=127.0.0.1 --device uet1=127.0.0.2,gid=127.0.0.2:loop
  VERBENA_SOCKET=1 verbena devices                        (in another terminal)
  VERBENA_SOCKET=1 node program.mjs                       an unchanged program on a device of the daemon`,
    )
    .action(up);
}

async function up(file: string | undefined, options: UpOptions): Promise<void> {
  const output = outputFor(options);
  const { parseDeviceFlag, runDaemon } = await import('@verbena/node/daemon');
  await runDaemon({
    file,
    devices: options.device.map(parseDeviceFlag),
    socket: options.socket,
    metrics: options.metrics,
    log: options.log,
    onReady: (daemon) => {
      const devices = [...daemon.kernels()].map(({ device }) => device.name);
      output.text(`${devices.length === 0 ? 'no device' : devices.join(', ')} on ${daemon.socket}`);
      if (daemon.metricsAddress !== undefined) output.text(`figures on http://${daemon.metricsAddress}/metrics`);
      output.text(`try: VERBENA_SOCKET=${daemon.socket} verbena devices    Ctrl-C stops`);
      output.json({ listening: daemon.socket, devices, metrics: daemon.metricsAddress ?? null });
    },
  });
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}
