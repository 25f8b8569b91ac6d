/** The few counters of a device that every report shows. */
import type { DeviceHandle } from '@verbena/core';

export interface DeviceFigures {
  readonly retransmittedPackets: number;
  /** Dropped by the device for a reason, or by an injected fault. Duplicates are none of these: they arrived. */
  readonly droppedPackets: number;
}

export function figuresOf(device: DeviceHandle): DeviceFigures {
  const counters = device.counters();
  let droppedPackets = counters.wire_fault_dropped ?? 0;
  for (const [name, value] of Object.entries(counters)) {
    if (name.startsWith('dropped_') && name !== 'dropped_duplicate') droppedPackets += value;
  }
  return { retransmittedPackets: counters.retransmitted_packets ?? 0, droppedPackets };
}

export function figuresSince(device: DeviceHandle, before: DeviceFigures): DeviceFigures {
  const now = figuresOf(device);
  return {
    retransmittedPackets: now.retransmittedPackets - before.retransmittedPackets,
    droppedPackets: now.droppedPackets - before.droppedPackets,
  };
}
