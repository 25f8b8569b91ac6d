import { type CompletionQueue, type QueuePair, RemoteMemory, SeededRandom } from '@verbena/core';
import { afterEach, describe, expect, test } from 'vitest';
import { type LiveDeviceHandle, openDevice } from './open-device.ts';

const opened: LiveDeviceHandle[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((device) => device.close()));
});

const SIZE = 100_000;

async function end(address: string, settings: Record<string, number>) {
  const device = await openDevice({ seed: 1, address, settings });
  opened.push(device);
  const context = device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 64 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey });
  const bytes = context.allocate(SIZE);
  const region = pd.registerMemory(bytes, { access: ['local-write', 'remote-write', 'remote-read'] });
  return { device, cq, qp, bytes, region };
}

const statusOf = async (cq: CompletionQueue) => (await cq.next({ timeoutMs: 20_000 }))?.status;

describe('UET CRC behind each packet (uet:pds/1.7)', () => {
  test('endpoints that both have it exchange data over sockets; one without it hears nothing', async () => {
    const settings = { crc: 1 };
    const a = await end('127.0.88.1', settings);
    const b = await end('127.0.88.2', settings);
    const random = new SeededRandom(5);
    for (let i = 0; i < SIZE; i++) a.bytes[i] = random.below(256);
    const handle = (to: { device: LiveDeviceHandle; qp: QueuePair }) =>
      a.qp.pd.createAddressHandle({ address: to.device.local.text, port: to.device.local.port, qpn: to.qp.qpn });
    const request = { opcode: 'write', region: a.region, length: SIZE } as const;
    a.qp.post({ ...request, to: handle(b), remote: new RemoteMemory(b.region.rkey) });
    expect(await statusOf(a.cq)).toBe('SUCCESS');
    expect(Buffer.compare(a.bytes, b.bytes)).toBe(0);
    expect(b.device.counters()['dropped_damaged']).toBe(0);

    const c = await end('127.0.88.3', {});
    a.qp.post({ ...request, to: handle(c), remote: new RemoteMemory(c.region.rkey) });
    expect(await statusOf(a.cq)).toBe('RETRY_EXC_ERR');
    expect(c.bytes.every((byte) => byte === 0)).toBe(true);
  });
});
