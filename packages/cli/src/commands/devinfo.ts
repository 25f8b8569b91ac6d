/** `verbena devinfo`: what devices say about themselves, in the shape of ibv_devinfo. */
import { TRANSPORTS } from '@verbena/core';
import type { Command } from 'commander';
import { type JsonOption, outputFor } from '../command-runner.ts';
import { transportOption } from '../device-options.ts';
import { devinfoLines } from '../inspect/devinfo-text.ts';
import {
  type DeviceSpec,
  type FoundDevice,
  findDevices,
  localDeviceSpecs,
  parseDeviceSpec,
} from '../inspect/host-devices.ts';

interface DevinfoOptions extends JsonOption {
  readonly transport?: string;
  readonly device?: string;
  readonly list?: boolean;
  readonly verbose?: boolean;
}

export function addDevinfo(program: Command, setStatus: (status: number) => void): Command {
  return program
    .command('devinfo')
    .description('show the attributes of devices')
    .option(
      '-d, --device <device>',
      'only this one: a name that `verbena devices` lists, or NAME=ADDRESS[,type=TRANSPORT][,encapsulation=udp|ip]',
    )
    .addOption(transportOption('protocol of the devices'))
    .option('-l, --list', 'names only')
    .option('-v, --verbose', 'everything')
    .addHelpText(
      'after',
      '\nExample:\n  verbena devinfo -d uet0 -v\n  verbena devinfo -d roce0 -v\n  verbena devinfo -d uet0=127.0.0.1 --json',
    )
    .action(async (options: DevinfoOptions) => {
      const output = outputFor(options);
      const asked = options.device === undefined ? [] : specFor(options.device, options.transport);
      if (asked === undefined) {
        output.note(`IB device '${options.device}' wasn't found`);
        setStatus(1);
        return;
      }
      const found = await findDevices(asked, options.transport);
      if (found.length === 0) {
        output.note('No IB devices found');
        setStatus(1);
        return;
      }
      if (options.list) {
        output.text(found.length === 1 ? '1 HCA found:' : `${found.length} HCAs found:`);
        for (const { name } of found) output.text(`\t${name}`);
        output.text();
      } else {
        for (const device of found) output.text(devinfoLines(device, options.verbose === true).join('\n'));
      }
      for (const device of found) output.json(documentOf(device));
    });
}

function specFor(device: string, type: string | undefined): readonly DeviceSpec[] | undefined {
  if (device.includes('=')) {
    const spec = parseDeviceSpec(device);
    return [{ ...spec, type: spec.type ?? type }];
  }
  const types = type === undefined ? [undefined, ...TRANSPORTS.map(({ name }) => name)] : [type];
  for (const one of types) {
    const known = localDeviceSpecs(one).find(({ name }) => name === device);
    if (known !== undefined) return [known];
  }
  return undefined;
}

function documentOf({ name, address, guid, transport, level, attributes, port }: FoundDevice): Record<string, unknown> {
  const gids = port.gids.map(({ index, gid, type }) => ({ index, gid, type }));
  return { name, address, guid, transport, level, attributes, port: { ...port, gids } };
}
