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

  test('works in a worker thread: keys go there as data, rotations are there when they return (uet:tss/13, uet:tss/20)', async () => {
    const [one, other] = [store(), store()];
    const a = await endOf({ mode: 'worker', security: { domains: one, domain: SDI } });
    const b = await endOf({ mode: 'worker', security: { domains: other, domain: SDI } });
    // a third device, of this thread, with the domains of the first
    const c = await endOf({ security: { domains: one, domain: SDI } });
    for (const [from, to] of [
      [a, b],
      [c, b],
      [b, a],
    ] as const) {
      expect(await write(from, to, 1)).toMatchObject({ ok: true });
      expect(Buffer.compare(from.bytes, to.bytes)).toBe(0);
    }
    for (const each of [one, other]) each.install(SDI, { bytes: new Uint8Array(32).fill(9), an: 1, epoch: 0 });
    for (const each of [one, other]) each.activate(SDI, 1);
    for (const each of [one, other]) each.retire(SDI, 0);
    expect(await write(a, b, 2)).toMatchObject({ ok: true });
    expect(Buffer.compare(a.bytes, b.bytes)).toBe(0);
    for (const name of ['dropped_tss_auth', 'dropped_tss_key', 'dropped_tss_clear']) {
      expect(b.device.counters()[name] ?? 0, name).toBe(0);
    }
    one.remove(SDI);
    expect(await write(a, b, 3)).toMatchObject({ ok: false });
    // neither thread has been told a key by what others of this user can read
    const shown = readFileSync('/proc/self/cmdline', 'latin1') + readFileSync('/proc/self/environ', 'latin1');
    expect(shown).not.toMatch(/(?:01){8}|(?:09){8}/);
    await a.device.close();
    other.install(SDI, { bytes: new Uint8Array(32).fill(10), an: 0, epoch: 0 }); // a thread that is gone hears nothing
  }, 60_000);

  test('in a worker thread needs counters that both threads can reach (uet:tss/12)', async () => {
    const own = new DomainStore({ reserve: () => 0 });
    own.add(SDI, { mode: 'direct' }, { bytes: new Uint8Array(32).fill(1), an: 0, epoch: 0 });
    await expect(endOf({ mode: 'worker', security: { domains: own, domain: SDI } })).rejects.toThrow('EOPNOTSUPP');
    await expect(endOf({ mode: 'worker', security: { domains: store(), domain: 5 } })).rejects.toThrow('ENOENT');
  });

  test('is never a device of a daemon by accident: protection is asked for where that is started (uet:tss/15)', async () => {
    const security = { domains: store(), domain: SDI };
    await expect(openDevice({ socket: '/nowhere/v.sock', security })).rejects.toThrow('where the daemon is started');
  });

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
