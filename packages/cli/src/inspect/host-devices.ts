/** The devices that this host can open: given as `NAME=ADDRESS`, else one per local address. */

import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { findTransport, isVerbsError, type PortAttributes, TRANSPORTS } from '@verbena/core';
import { daemonDevices, daemonSocket, type LiveDeviceHandle, openDevice } from '@verbena/node';
import { BadInput } from '../failure.ts';
import { DEFAULT_TRANSPORT } from '../session/carrier.ts';

export interface DeviceSpec {
  readonly name: string;
  readonly address: string;
  /** Name of its protocol; default: uet. */
  readonly type?: string | undefined;
  readonly encapsulation?: 'udp' | 'ip' | undefined;
}

/** A device that was opened for a moment, to ask it what it is. */
export interface FoundDevice extends DeviceSpec {
  readonly guid: string;
  readonly transport: string;
  readonly level: string;
  readonly attributes: LiveDeviceHandle['attributes'];
  readonly port: PortAttributes;
}

/** Reads `uet0=127.0.0.1`, `roce0=127.0.0.2,type=roce` or `uet0=::1,encapsulation=ip`. */
export function parseDeviceSpec(text: string): DeviceSpec {
  const match = /^([a-z][a-z0-9_-]{0,31})=([^,]+)(?:,type=([a-z0-9]+))?(?:,encapsulation=(udp|ip))?$/i.exec(text);
  const address = match?.[2]?.replace(/^\[(.*)\]$/, '$1');
  if (match === null || address === undefined || isIP(address) === 0) {
    throw new BadInput(
      `'${text}' does not name a device`,
      'NAME=ADDRESS[,type=TRANSPORT][,encapsulation=udp|ip], such as uet0=127.0.0.1',
    );
  }
  const [, name, , type, encapsulation] = match;
  if (type !== undefined && findTransport(type) === undefined) {
    throw new BadInput(`there is no transport '${type}'`, TRANSPORTS.map((one) => one.name).join(', '));
  }
  return { name: name!, address, type, encapsulation: encapsulation?.toLowerCase() as DeviceSpec['encapsulation'] };
}

/** The daemon's, where `VERBENA_SOCKET` names one; else one per address of this machine, loopback first. Link-local addresses need a zone and are left out. */
export function localDeviceSpecs(type?: string): DeviceSpec[] {
  if (daemonSocket() !== undefined) {
    return daemonDevices()
      .filter(({ transports }) => type === undefined || transports.includes(type))
      .map(({ name, addresses }) => ({ name, address: addresses[0] ?? '' }));
  }
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const usable = all.filter(({ address }) => !address.startsWith('fe80:') && !address.startsWith('169.254.'));
  const sorted = [...usable.filter(({ internal }) => internal), ...usable.filter(({ internal }) => !internal)];
  return sorted.map(({ address }, i) => ({ name: `${type ?? DEFAULT_TRANSPORT}${i}`, address, type }));
}

/** Opens a device, asks it, and closes it again. One that is in use is looked at on another port. */
export async function inspectDevice({ name, address, type, encapsulation }: DeviceSpec): Promise<FoundDevice> {
  const own = {
    ...{ name, address },
    ...(type === undefined ? {} : { transport: type }),
    ...(encapsulation === undefined ? {} : { encapsulation }),
  };
  const options = daemonSocket() === undefined ? own : { name };
  const device = await openDevice(options).catch((thrown: unknown) => {
    if (isVerbsError(thrown) && thrown.code === 'EADDRINUSE') return openDevice({ ...own, port: 0 });
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

/** The devices asked for, or all of a type that can be opened. @throws VerbsError when one that was asked for cannot be opened */
export async function findDevices(asked: readonly DeviceSpec[], type?: string): Promise<FoundDevice[]> {
  const found: FoundDevice[] = [];
  for (const spec of asked.length > 0 ? asked : localDeviceSpecs(type)) {
    try {
      found.push(await inspectDevice(spec));
    } catch (thrown) {
      if (asked.length > 0 || !isVerbsError(thrown)) throw thrown;
    }
  }
  return found;
}
