/** The devices that this host can open: given as `NAME=ADDRESS`, else one per local address. */

import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isVerbsError, type PortAttributes } from '@verbena/core';
import { daemonDevices, daemonSocket, type LiveDeviceHandle, openDevice } from '@verbena/node';
import { BadInput } from '../failure.ts';

export interface DeviceSpec {
  readonly name: string;
  readonly address: string;
}

/** A device that was opened for a moment, to ask it what it is. */
export interface FoundDevice extends DeviceSpec {
  readonly guid: string;
  readonly transport: string;
  readonly level: string;
  readonly attributes: LiveDeviceHandle['attributes'];
  readonly port: PortAttributes;
}

/** Reads `uet0=127.0.0.1`. */
export function parseDeviceSpec(text: string): DeviceSpec {
  const match = /^([a-z][a-z0-9_-]{0,31})=(.+)$/i.exec(text);
  const address = match?.[2]?.replace(/^\[(.*)\]$/, '$1');
  if (match === null || address === undefined || isIP(address) === 0) {
    throw new BadInput(`'${text}' does not name a device`, 'NAME=ADDRESS, such as uet0=127.0.0.1');
  }
  return { name: match[1]!, address };
}

/** The daemon's, where `VERBENA_SOCKET` names one; else one per address of this machine, loopback first. Link-local addresses need a zone and are left out. */
export function localDeviceSpecs(): DeviceSpec[] {
  if (daemonSocket() !== undefined) {
    return daemonDevices().map(({ name, addresses }) => ({ name, address: addresses[0] ?? '' }));
  }
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const usable = all.filter(({ address }) => !address.startsWith('fe80:') && !address.startsWith('169.254.'));
  const sorted = [...usable.filter(({ internal }) => internal), ...usable.filter(({ internal }) => !internal)];
  return sorted.map(({ address }, i) => ({ name: `uet${i}`, address }));
}

/** Opens a device, asks it, and closes it again. One that is in use is looked at on another port. */
export async function inspectDevice({ name, address }: DeviceSpec): Promise<FoundDevice> {
  const options = daemonSocket() === undefined ? { name, address } : { name };
  const device = await openDevice(options).catch((thrown: unknown) => {
    if (isVerbsError(thrown) && thrown.code === 'EADDRINUSE') return openDevice({ name, address, port: 0 });
    throw thrown;
  });
  try {
    const context = device.open();
    const port = context.queryPort();
    const { guid, transport, level, attributes } = device;
    return { name, address, guid, transport, level, attributes, port };
  } finally {
    await device.close();
  }
}

/** The devices asked for, or all that can be opened. @throws VerbsError when one that was asked for cannot be opened */
export async function findDevices(asked: readonly DeviceSpec[]): Promise<FoundDevice[]> {
  const found: FoundDevice[] = [];
  for (const spec of asked.length > 0 ? asked : localDeviceSpecs()) {
    try {
      found.push(await inspectDevice(spec));
    } catch (thrown) {
      if (asked.length > 0 || !isVerbsError(thrown)) throw thrown;
    }
  }
  return found;
}
