import {
  type CaptureSink,
  decodeAnswer,
  encodeRequest,
  MANAGEMENT,
  RemoteMemory,
  SeededRandom,
  type Session,
} from '@verbena/core';
import { dissectFrame, readPcapng } from '@verbena/core/wire';
import { afterEach, describe, expect, test } from 'vitest';
import { DomainStore } from '../crypto/domain-store.ts';
import { localCredentials, localSystem } from './local-system.ts';
import { type DeviceOptions, type LiveDeviceHandle, openDevice } from './open-device.ts';

const opened: LiveDeviceHandle[] = [];
const sessions: Session[] = [];
afterEach(async () => {
  for (const one of sessions.splice(0)) one.close();
  await Promise.all(opened.splice(0).map((device) => device.close()));
});

const SIZE = 200_000;
const { CAPTURE } = MANAGEMENT;
let host = 1;

async function endOf(options: DeviceOptions) {
  const device = await openDevice({ seed: 1, address: `127.0.76.${host++}`, ...options });
  opened.push(device);
  const context = device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 256 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, ordered: true });
  const bytes = context.allocate(SIZE);
  const region = pd.registerMemory(bytes, { access: ['local-write', 'remote-write', 'remote-read'] });
  return { device, pd, cq, qp, bytes, region };
}
type End = Awaited<ReturnType<typeof endOf>>;

async function write(a: End, b: End): Promise<void> {
  const to = a.pd.createAddressHandle({ address: b.device.local.text, port: b.device.local.port, qpn: b.qp.qpn });
  const random = new SeededRandom(5);
  for (let i = 0; i < SIZE; i++) a.bytes[i] = random.uint32();
  a.qp.post({ opcode: 'write', to, region: a.region, length: SIZE, remote: new RemoteMemory(b.region.rkey) });
  expect(await a.cq.next({ timeoutMs: 20_000 })).toMatchObject({ ok: true });
  expect(Buffer.compare(a.bytes, b.bytes)).toBe(0);
}

/** A capture through the management channel, and what ends it and gives the file. */
function capture(device: LiveDeviceHandle) {
  const session = localSystem().session(localCredentials(() => {}));
  sessions.push(session);
  const invoke = (bytes: Uint8Array) => session.invoke({ bytes, attachments: [] }).bytes;
  const { START, READ, STOP } = CAPTURE.methods;
  decodeAnswer(START, invoke(encodeRequest(CAPTURE, START, { device: device.name })));
  return () => {
    decodeAnswer(STOP, invoke(encodeRequest(CAPTURE, STOP, {})));
    const parts: Uint8Array[] = [];
    for (;;) {
      const { bytes, ended, frames, lost } = decodeAnswer(READ, invoke(encodeRequest(CAPTURE, READ, {})));
      parts.push(bytes);
      if (ended === 1) return { file: new Uint8Array(Buffer.concat(parts)), frames, lost };
    }
  };
}

const kernelOf = (device: LiveDeviceHandle) => localSystem().find(device.name)!.driver;
const wiresOf = (device: LiveDeviceHandle) =>
  (kernelOf(device) as unknown as { links: { wire: object }[] }).links.map(({ wire }) => wire);

describe('a capture of a live device', () => {
  test.each(['auto', 'dgram'] as const)(
    'has every packet of both directions, and nothing stays in the way (%s)',
    async (io) => {
      const [a, b] = [await endOf({ io, name: `cap-${io}` }), await endOf({ io })];
      const before = wiresOf(a.device);
      await write(a, b);
      const counted = () => {
        const { sent_packets = 0, received_packets = 0 } = a.device.counters();
        return sent_packets + received_packets;
      };
      const start = counted();
      const end = capture(a.device);
      expect(wiresOf(a.device)).not.toEqual(before);
      await write(a, b);
      const { file, frames, lost } = end();
      expect(frames).toBe(counted() - start);
      expect(wiresOf(a.device)[0]).toBe(before[0]);
      const read = [...readPcapng(file)];
      expect(lost).toBe(0);
      expect(read.length).toBe(frames);
      expect(new Set(read.map(({ direction }) => direction))).toEqual(new Set(['in', 'out']));
      for (const { data, linkType } of read) expect(dissectFrame(data, linkType).problems).toEqual([]);
      await write(a, b);
    },
  );

  test('shows what really leaves: not what faults lose; two captures at a time see the same (seed 3)', async () => {
    const [a, b] = [
      await endOf({
        name: 'cap-f',
        faults: { drop: 0.1, direction: 'out', seed: 3 },
        settings: { rtoInit: 1_000_000 },
      }),
      await endOf({}),
    ];
    const ends = [capture(a.device), capture(a.device)];
    await write(a, b);
    const { sent_packets: sent = 0, wire_fault_dropped: dropped = 0 } = a.device.counters();
    const [one, other] = ends.map((end) => end());
    expect(dropped).toBeGreaterThan(0);
    const out = [...readPcapng(one!.file)].filter(({ direction }) => direction === 'out');
    expect(out.length).toBe(sent - dropped);
    expect(other!.frames).toBe(one!.frames);
  });

  test('has protected packets sealed, never in the clear (uet:tss/10)', async () => {
    const store = () => {
      const made = new DomainStore();
      made.add(9, { mode: 'cluster' }, { bytes: new Uint8Array(32).fill(1), an: 0, epoch: 0 });
      return made;
    };
    const [a, b] = [
      await endOf({ name: 'cap-s', security: { domains: store(), domain: 9 } }),
      await endOf({ name: 'cap-t', security: { domains: store(), domain: 9 } }),
    ];
    const ends = [capture(a.device), capture(b.device)];
    await write(a, b);
    for (const end of ends) {
      const { file, lost } = end();
      expect(lost).toBe(0);
      expect(file.length).toBeGreaterThan(SIZE);
      for (let at = 0; at < SIZE; at += SIZE / 20) {
        expect(Buffer.from(file).includes(Buffer.from(a.bytes.subarray(at, at + 16)))).toBe(false);
      }
    }
  });

  test('ends when the device is closed, and a sink without room costs only its frames', async () => {
    const [a, b] = [await endOf({ name: 'cap-c' }), await endOf({})];
    let refused = 0;
    const full: CaptureSink = {
      room: () => {
        refused++;
        return false;
      },
      write: () => {},
    };
    const stop = kernelOf(a.device).capture!(full);
    const end = capture(a.device);
    await write(a, b);
    stop();
    const { frames } = end();
    expect(refused).toBe(frames);
    const last = capture(a.device);
    await a.device.close();
    opened.splice(opened.indexOf(a.device), 1);
    // how it takes leave of its peer is still there
    const { file, frames: closing } = last();
    expect(closing).toBeGreaterThan(0);
    expect([...readPcapng(file)].length).toBe(closing);
  });
});
