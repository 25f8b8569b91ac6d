/** `verbena devices`: what can be opened here, in the shape of ibv_devices. */
import type { Command } from 'commander';
import { type JsonOption, outputFor } from '../command-runner.ts';
import { transportOption } from '../device-options.ts';
import { type DeviceSpec, findDevices, parseDeviceSpec } from '../inspect/host-devices.ts';

interface DevicesOptions extends JsonOption {
  readonly transport?: string;
  readonly device: readonly DeviceSpec[];
}

export function addDevices(program: Command, setStatus: (status: number) => void): Command {
  return program
    .command('devices')
    .description('list the devices that this machine can open')
    .addOption(transportOption('protocol of the devices'))
    .option('-d, --device <name=address>', 'look at this one instead; can be repeated', collect, [])
    .addHelpText(
      'after',
      '\nExample:\n  verbena devices\n  verbena devices --transport roce\n  verbena devices -d roce0=127.0.0.1,type=roce --json',
    )
    .action(async (options: DevicesOptions) => {
      const output = outputFor(options);
      const found = await findDevices(options.device, options.transport);
      output.text(`    device          \t   node GUID`);
      output.text(`    ------          \t----------------`);
      for (const { name, guid, address, transport } of found) {
        output.text(`    ${name.padEnd(16)}\t${guid}`);
        output.json({ name, guid, address, transport });
      }
      if (found.length > 0) return;
      output.note('no device can be opened here: verbena doctor tells why');
      setStatus(1);
    });
}

export function collect(text: string, before: readonly DeviceSpec[]): readonly DeviceSpec[] {
  return [...before, parseDeviceSpec(text)];
}
