/** DSCP of what a device sends, and of what switches make of it: numbers that whoever runs the network has chosen. */
import { VerbsError } from '@verbena/core';
import { isIpv4 } from '@verbena/core/wire';

export interface TrafficClasses {
  /** Of packets with data: 0 to 63. Default 0. */
  readonly data: number;
  /** Of acknowledgements and the like. Default 46 (EF); 0 on a loopback address, which no switch sees. */
  readonly control: number;
  /** That switches give to packets which they cut. Without it none is taken for cut. Seen directly over IP only. */
  readonly trimmed?: number;
  /** The same, by the last switch. */
  readonly trimmedLastHop?: number;
}

/**
 * What was asked for, with defaults for a local address.
 *
 * @spec uet:pds/1.4
 * @throws VerbsError `EINVAL`
 */
export function trafficClasses(asked: Partial<TrafficClasses> | undefined, address: Uint8Array): TrafficClasses {
  // two classes cannot share a system call, which there is nobody on loopback to look at
  const classes = { data: 0, control: isLoopback(address) ? 0 : EXPEDITED, ...asked };
  for (const [name, value] of Object.entries(classes)) {
    if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= 63)) continue;
    throw new VerbsError('EINVAL', 'openDevice', `dscp.${name} cannot be ${value}`, {
      try: 'a whole number, 0 to 63: 0 for best effort, 46 for expedited forwarding',
    });
  }
  const { data, control, trimmed, trimmedLastHop } = classes;
  for (const cut of [trimmed, trimmedLastHop]) {
    if (cut === undefined || (cut !== data && cut !== control)) continue;
    throw new VerbsError('EINVAL', 'openDevice', `DSCP ${cut} cannot mean a whole packet and one that was cut`, {
      given: `dscp: data ${data}, control ${control}`,
      try: 'a number of its own for `trimmed` and `trimmedLastHop`',
    });
  }
  return classes;
}

/** Whether packets to and from an address stay on this machine. */
function isLoopback(address: Uint8Array): boolean {
  if (isIpv4(address)) return address[12] === 127;
  return address.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/** What the reference provider gives to acknowledgements. */
const EXPEDITED = 46;
