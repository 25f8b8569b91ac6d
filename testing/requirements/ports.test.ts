/** Ports of a device in use: what programs are told, and what stays. */
import { type Context, type Device, EventValue, findTransport } from '@verbena/core';
import { SimHost } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';

function setup() {
  const host = new SimHost({ seed: 3 });
  const transport = findTransport('uet')!;
  const device = host.plug('ports', [
    { transport, address: '10.0.0.1', port: 1 },
    { transport, address: '10.0.1.1', port: 2 },
  ]);
  const contexts = [1, 2].map(() => host.program().open(device.name)) as [Context, Context];
  return { device, contexts };
}

const flap = (device: Device) => {
  for (const event of ['PORT_ERR', 'PORT_ACTIVE', 'GID_CHANGE'] as const) device.raise(EventValue[event], 2);
};

describe('ports', () => {
  it('that fail, return, or get another address are reported to every program, with their number (R179)', () => {
    const { device, contexts } = setup();
    const [first, second] = contexts;
    const stream = second.createEventStream();
    flap(device);
    const told = [
      ['PORT_ERR', 'port', 2],
      ['PORT_ACTIVE', 'port', 2],
      ['GID_CHANGE', 'port', 2],
    ];
    for (const events of [first.takeEvents().events, second.takeEvents().events, stream.take()]) {
      expect(events.map(({ name, about, handle }) => [name, about, handle])).toEqual(told);
    }
    expect(first.takeEvents().events).toEqual([]);
  });
});
