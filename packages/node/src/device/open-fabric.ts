/** Opens a fabric: the fabric API over a live device. */
import { transportOfAddress } from '@verbena/core';
import { Fabric } from '@verbena/core/fabric';
import { type DeviceOptions, openDevice } from './open-device.ts';

/**
 * Opens a device and its fabric; `fabric.close()` closes both.
 *
 * @throws VerbsError as `openDevice` says
 */
export async function openFabric(options: DeviceOptions = {}): Promise<Fabric> {
  const device = await openDevice(options);
  try {
    return new Fabric(device, transportOfAddress);
  } catch (thrown) {
    await device.close();
    throw thrown;
  }
}
