import { VerbsError } from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { describe, expect, test } from 'vitest';
import { payloadFor } from '../wire/interface-mtu.ts';
import { type DeviceOptions, planDevice } from './device-plan.ts';

const { transport: uet } = planDevice({}).links[0]!;
const { transport: roce } = planDevice({ transport: 'roce' }).links[0]!;
const V4 = parseAddress('10.0.0.1')!;
const V6 = parseAddress('fd00::1')!;

describe('the payload of full packets', () => {
  test.each([
    [undefined, V4, 1024],
    [65_536, V4, 4096],
    [9000, V6, 4096],
    [1500, V4, 1024],
    [1500, V6, 1024],
    [1280, V6, 1024],
    [600, V4, 512],
    [576, V6, 256],
    [100, V4, 256],
  ])('is the largest allowed size that a route with MTU %s carries (IBTA annex A17)', (mtu, address, payload) => {
    expect(payloadFor(mtu, address, roce)).toBe(payload);
  });

  test('leaves room for headers and the checksum, to the byte', () => {
    const around = 20 + 8 + roce.headerBytes + roce.seal!.bytes;
    expect(payloadFor(around + 4096, V4, roce)).toBe(4096);
    expect(payloadFor(around + 4095, V4, roce)).toBe(2048);
    expect(payloadFor(around + 20 + 4095, V6, roce)).toBe(2048);
  });

  test('is one of a few sizes where a transport has no list', () => {
    const sizes = [undefined, 65_536, 9000, 4187, 1500, 1115, 604, 600, 347].map((mtu) => payloadFor(mtu, V4, uet));
    expect(sizes).toEqual([1024, 4096, 4096, 1024, 1024, 512, 512, 256, 256]);
  });

  test('directly over IP has four bytes more (uet:pds/1.3)', () => {
    const { transport, wire } = planDevice({ encapsulation: 'ip' }).links[0]!;
    expect(wire.ipProtocol).toBe(253);
    const around = 20 + 4 + uet.headerBytes;
    expect([around + 4096, around + 4095].map((mtu) => payloadFor(mtu, V4, transport))).toEqual([4096, 1024]);
  });

  test('is bounded by what all routes carry, where that is said (uet:pds/1.5)', () => {
    const payloadOf = (options: DeviceOptions) => planDevice(options).links[0]!.payloadMtu;
    expect(payloadOf({ linkMtu: 1500 })).toBe(1024);
    expect(payloadOf({ linkMtu: 1000 })).toBe(512);
    expect(payloadOf({ linkMtu: 1400, payloadMtu: 1300 })).toBe(1300);
    const error = refusal(() => planDevice({ linkMtu: 1400, payloadMtu: 1400 })).explain();
    expect(error).toMatch(/EINVAL(.|\n)*do not fit: linkMtu is 1400(.|\n)*try +payloadMtu: 1024 at both ends/);
    expect(refusal(() => planDevice({ linkMtu: 100 })).explain()).toMatch(/linkMtu cannot be 100(.|\n)*576/);
  });

  test('that the interface does not carry is refused', () => {
    const error = refusal(() => planDevice({ payloadMtu: 65_500 })).explain();
    expect(error).toMatch(/EINVAL(.|\n)*the interface of 127\.0\.0\.1 carries \d+(.|\n)*try +payloadMtu: 4096/);
  });
});

describe('the plan of a RoCEv2 device', () => {
  test('has the name, the port and the largest payload of loopback by default', () => {
    const { name, links } = planDevice({ transport: 'roce' });
    expect(name).toBe('roce%d');
    expect(links[0]).toMatchObject({ payloadMtu: 4096, wire: { port: 4791, peerPort: 4791 } });
  });

  test('may be one of several address entries', () => {
    const gids = [{ transport: 'roce', address: '127.0.0.5', payloadMtu: 1024 }, { transport: 'roce' }];
    const { name, links } = planDevice({ address: '127.0.0.4', gids });
    expect(name).toBe('uet%d');
    expect(links.map(({ transport, payloadMtu, wire }) => [transport.name, payloadMtu, wire.address])).toEqual([
      ['uet', 4096, '127.0.0.4'],
      ['roce', 1024, '127.0.0.5'],
      ['roce', 4096, '127.0.0.4'],
    ]);
  });

  test('refuses a payload that packets cannot have, and says which ones they can', () => {
    for (const options of [
      { transport: 'roce', payloadMtu: 1500 },
      { gids: [{ transport: 'roce', payloadMtu: 1500 }] },
    ]) {
      const error = refusal(() => planDevice(options));
      expect(error.code).toBe('EINVAL');
      expect(error.explain()).toMatch(/1500 bytes of payload(.|\n)*256, 512, 1024, 2048, 4096/);
    }
  });

  test.each(['0.0.0.0', '::'])('refuses %s: the checksum covers the address of the packet', (address) => {
    expect(refusal(() => planDevice({ transport: 'roce', address })).explain()).toMatch(/EINVAL(.|\n)*stands for all/);
    expect(planDevice({ address }).links.length).toBe(1);
  });

  test('takes the seal of its transport to another thread by name, not in the plan', () => {
    const { links } = planDevice({ transport: 'roce' });
    expect(structuredClone({ ...links[0]!, transport: '' }).wire.address).toBe('127.0.0.1');
  });
});

function refusal(run: () => unknown): VerbsError {
  try {
    run();
  } catch (error) {
    if (error instanceof VerbsError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
