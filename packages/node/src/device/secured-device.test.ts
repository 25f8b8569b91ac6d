import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RemoteMemory, SeededRandom } from '@verbena/core';
import { afterEach, describe, expect, test } from 'vitest';
import { DomainStore } from '../crypto/domain-store.ts';
import { type DeviceOptions, type LiveDeviceHandle, openDevice } from './open-device.ts';

const opened: LiveDeviceHandle[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((device) => device.close()));
});

const SIZE = 300_000;
const SDI = 0xabcd;
let host = 10;

function store(key = 1, mode = 'cluster'): DomainStore {
  const made = new DomainStore();
  made.add(SDI, { mode }, { bytes: new Uint8Array(32).fill(key), an: 0, epoch: 0 });
  return made;
}

async function endOf(options: DeviceOptions, domain?: number) {
  const device = await openDevice({ seed: 1, address: `127.0.79.${host++}`, ...options });
  opened.push(device);
  const context = device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 256 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
  const queue = { sendCq: cq, recvCq: cq, jobKey, ordered: true } as const;
  const qp = pd.createQueuePair({ type: 'RU', ...queue, ...(domain === undefined ? {} : { domain }) });
  const bytes = context.allocate(SIZE);
  const region = pd.registerMemory(bytes, { access: ['local-write', 'remote-write', 'remote-read'] });
  return { device, pd, cq, qp, bytes, region };
}
type End = Awaited<ReturnType<typeof endOf>>;

async function write(a: End, b: End, id: number) {
  const to = a.pd.createAddressHandle({ address: b.device.local.text, port: b.device.local.port, qpn: b.qp.qpn });
  const random = new SeededRandom(id);
  for (let i = 0; i < SIZE; i++) a.bytes[i] = random.uint32();
  a.qp.post({ opcode: 'write', id, to, region: a.region, length: SIZE, remote: new RemoteMemory(b.region.rkey) });
  const done = await a.cq.next({ timeoutMs: 20_000 });
  to.destroy();
  return done;
}

describe('a device with protected packets', () => {
  for (const io of ['auto', 'dgram'] as const) {
    test(`moves data to another one at I/O level ${io}, over a rotation, and a capture holds ciphertext (uet:tss/10, uet:tss/13)`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'verbena-'));
      const capture = join(folder, 'sent.pcapng');
      const [one, other] = [store(), store()];
      const [a, b] = [
        await endOf({ io, capture, security: { domains: one } }, SDI),
        await endOf({ io, security: { domains: other, domain: SDI } }),
      ];
      expect(await write(a, b, 1)).toMatchObject({ ok: true });
      expect(Buffer.compare(a.bytes, b.bytes)).toBe(0);
      for (const each of [one, other]) each.install(SDI, { bytes: new Uint8Array(32).fill(9), an: 1, epoch: 0 });
      for (const each of [one, other]) each.activate(SDI, 1);
      expect(await write(a, b, 2)).toMatchObject({ ok: true });
      expect(Buffer.compare(a.bytes, b.bytes)).toBe(0);
      expect(one.rows()).toMatchObject([{ sdi: SDI, tx_an: 1, forged: 0 }]);
      await a.device.close();
      const captured = readFileSync(capture);
      rmSync(folder, { recursive: true });
      expect(captured.length).toBeGreaterThan(2 * SIZE);
      for (let at = 0; at < SIZE; at += SIZE / 20) {
        expect(captured.includes(Buffer.from(a.bytes.subarray(at, at + 16)))).toBe(false);
      }
      expect(captured.includes(Buffer.alloc(16, 1))).toBe(false);
    }, 60_000);
  }

  test('does not talk to one with another key, or without protection, and says so in counters (uet:tss/11, uet:tss/15, N11)', async () => {
    const settings = { rtoInit: 1_000_000, maxRtoRetries: 2 };
    const a = await endOf({ settings, security: { domains: store(), domain: SDI } });
    const strange = await endOf({ settings, security: { domains: store(2), domain: SDI } });
    const clear = await endOf({ settings });
    expect(await write(a, strange, 1)).toMatchObject({ ok: false });
    expect(await write(a, clear, 2)).toMatchObject({ ok: false });
    expect(await write(clear, a, 3)).toMatchObject({ ok: false });
    expect(strange.device.counters()['dropped_tss_auth']).toBeGreaterThan(0);
    expect(clear.device.counters()['dropped_secured']).toBeGreaterThan(0);
    expect(a.device.counters()['dropped_tss_clear']).toBeGreaterThan(0);
  }, 60_000);

  test('refuses what would leave a program without the protection that it asks for (uet:tss/15)', async () => {
    await expect(endOf({}, SDI)).rejects.toThrow('EOPNOTSUPP');
    await expect(endOf({ security: { domains: store() } }, SDI + 1)).rejects.toThrow('is not known here');
    await expect(endOf({ security: { domains: store() } })).rejects.toThrow('name a secure domain');
    await expect(endOf({ security: { domains: store(), domain: 5 } })).rejects.toThrow('ENOENT');
    await expect(endOf({ transport: 'roce', security: { domains: store() } })).rejects.toThrow('cannot be protected');
    await expect(endOf({ address: '0.0.0.0', security: { domains: store() } })).rejects.toThrow('stands for all');
  });
});
