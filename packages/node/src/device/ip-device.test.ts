/** Devices directly over IP, on the loopback interface. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isVerbsError, RemoteMemory, SeededRandom } from '@verbena/core';
import { checkUetCrc, dissectFrame, readPcapng } from '@verbena/core/wire';
import { afterEach, describe, expect, test } from 'vitest';
import { DomainStore } from '../crypto/domain-store.ts';
import { LINUX, libcProblem, loadLibc } from '../memory/libc.ts';
import { type DeviceOptions, type LiveDeviceHandle, openDevice } from './open-device.ts';

/** Not the usual number: nobody else's packets are seen. */
const PROTOCOL = 249;
const SIZE = 150_000;
const SDI = 0xabcd;
const missing = await rawSocketProblem();
if (missing !== '') console.log(`skipped: devices directly over IP: ${missing}`);
const opened: LiveDeviceHandle[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((device) => device.close()));
});
let host = 1;

async function endOf(options: DeviceOptions, sgidIndex = 0) {
  const address = `127.0.68.${host++}`;
  const device = await openDevice({ seed: 1, address, encapsulation: 'ip', ipProtocol: PROTOCOL, ...options });
  opened.push(device);
  const context = device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 256 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7, sgidIndex }));
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, ordered: true, sgidIndex });
  const bytes = context.allocate(SIZE);
  const region = pd.registerMemory(bytes, { access: ['local-write', 'remote-write', 'remote-read'] });
  return { device, context, pd, cq, qp, bytes, region, sgidIndex };
}
type End = Awaited<ReturnType<typeof endOf>>;

/** @returns the status of a write of everything, checked */
async function write(a: End, b: End, id: number): Promise<string | undefined> {
  const port = b.sgidIndex === 0 ? b.device.local.port : 0;
  const { sgidIndex } = a;
  const to = a.pd.createAddressHandle({ address: b.device.local.text, port, qpn: b.qp.qpn, sgidIndex });
  const random = new SeededRandom(id);
  for (let i = 0; i < SIZE; i++) a.bytes[i] = random.uint32();
  a.qp.post({ opcode: 'write', id, to, region: a.region, length: SIZE, remote: new RemoteMemory(b.region.rkey) });
  const done = await a.cq.next({ timeoutMs: 20_000 });
  to.destroy();
  if (done?.ok === true) expect(Buffer.compare(a.bytes, b.bytes)).toBe(0);
  return done?.status;
}

function store(key: number): DomainStore {
  const made = new DomainStore();
  made.add(SDI, { mode: 'cluster' }, { bytes: new Uint8Array(32).fill(key), an: 0, epoch: 0 });
  return made;
}

describe.skipIf(missing !== '')('a device directly over IP (uet:pds/1.3)', () => {
  test.each(['inline', 'worker'] as const)('moves data to another one, mode %s (R181)', async (mode) => {
    const [a, b] = [await endOf({ mode }), await endOf({ mode })];
    expect(await write(a, b, 1)).toBe('SUCCESS');
    expect(a.context.queryPort().gids).toEqual([
      expect.objectContaining({ gid: a.device.local.text, type: 'UET/IP', udpPort: 0 }),
    ]);
    expect(a.device.level).toBe('batch');
    expect(a.device.counters()['wire_malformed']).toBe(0);
  });

  test('talks to itself, and to IPv6', async () => {
    const a = await endOf({ address: '::1' });
    expect(await write(a, a, 2)).toBe('SUCCESS');
    expect(a.device.local).toMatchObject({ text: '::1', port: 0 });
  });

  test('has entries of both kinds, and the entry of a queue pair chooses (R018, R019)', async () => {
    const both: DeviceOptions = { encapsulation: 'udp', gids: [{ transport: 'uet', encapsulation: 'ip' }] };
    const capture = capturePath();
    const [udp, ip] = [await endOf({ ...both, capture: capture.file }), await endOf(both, 1)];
    const [udpPeer, ipPeer] = [await endOf(both), await endOf({}, 0)];
    expect(udp.context.queryPort().gids.map(({ type }) => type)).toEqual(['UET/UDP', 'UET/IP']);
    expect(await write(udp, udpPeer, 3)).toBe('SUCCESS');
    expect(await write(ip, ipPeer, 4)).toBe('SUCCESS');
    capture.end();
  });

  test('with a CRC: a capture shows frames that fit, both ways (uet:pds/1.7)', async () => {
    const capture = capturePath();
    const settings = { crc: 1 };
    const [a, b] = [await endOf({ settings, capture: capture.file }), await endOf({ settings })];
    expect(await write(a, b, 5)).toBe('SUCCESS');
    await a.device.close();
    const seen = new Set<string | undefined>();
    for (const { data, linkType, direction } of readPcapng(capture.end())) {
      const frame = dissectFrame(data, linkType, { ipProtocols: [PROTOCOL] });
      expect(frame.problems).toEqual([]);
      expect(frame.protocols.slice(0, 3)).toEqual(['IPv4', 'UET-Entropy', 'UET-PDS']);
      expect(frame.protocols.at(-1)).toBe('UET-CRC');
      expect(checkUetCrc(data)).toBe(true);
      seen.add(direction);
    }
    expect(seen).toEqual(new Set(['in', 'out']));
  });

  test.each(['inline', 'worker'] as const)(
    'with keys protects the entropy header, too, mode %s (uet:tss/9.3)',
    async (mode) => {
      const [one, other] = [store(1), store(1)];
      const a = await endOf({ mode, security: { domains: one, domain: SDI } });
      const b = await endOf({ mode, security: { domains: other, domain: SDI } });
      expect(await write(a, b, 6)).toBe('SUCCESS');
      expect(b.device.counters()['dropped_tss_auth'] ?? 0).toBe(0);
      const settings = { rtoInit: 1_000_000, maxRtoRetries: 2 };
      const stranger = await endOf({ settings, mode, security: { domains: store(2), domain: SDI } });
      expect(await write(stranger, b, 7)).not.toBe('SUCCESS');
      expect(b.device.counters()['dropped_tss_auth']).toBeGreaterThan(0);
    },
  );

  test('does not hear one over UDP, nor with another number', async () => {
    const settings = { rtoInit: 1_000_000, maxRtoRetries: 2 };
    const [a, b] = [await endOf({ settings }), await endOf({ ipProtocol: PROTOCOL - 1 })];
    expect(await write(a, b, 8)).not.toBe('SUCCESS');
  });

  test('is one to an address, and refuses what has no such form', async () => {
    const a = await endOf({});
    expect(await refusal({ address: a.device.local.text })).toMatch(
      /EADDRINUSE(.|\n)*another device has IP protocol 249/,
    );
    expect(await refusal({ transport: 'roce' })).toMatch(/EOPNOTSUPP(.|\n)*roce has no form directly over IP/);
    expect(await refusal({ address: '0.0.0.0' })).toMatch(/EINVAL(.|\n)*0\.0\.0\.0 stands for all/);
    expect(await refusal({ ipProtocol: 17 })).toMatch(/EINVAL(.|\n)*ipProtocol cannot be 17/);
    expect(await refusal({ io: 'dgram' })).toMatch(/EOPNOTSUPP(.|\n)*encapsulation: 'udp'/);
    expect(await refusal({ encapsulation: 'ufh' as 'ip' })).toMatch(/EINVAL(.|\n)*udp or ip/);
  });
});

function refusal(options: DeviceOptions): Promise<string> {
  return endOf(options).then(
    () => 'opened',
    (error) => (isVerbsError(error) ? `${error.code} ${error.explain()}` : String(error)),
  );
}

function capturePath() {
  const folder = mkdtempSync(join(tmpdir(), 'verbena-'));
  const file = join(folder, 'a.pcapng');
  return {
    file,
    end: () => {
      const bytes = readFileSync(file);
      rmSync(folder, { recursive: true });
      return bytes;
    },
  };
}

/** @returns why raw sockets cannot be had; '' when they can */
async function rawSocketProblem(): Promise<string> {
  const libc = await loadLibc();
  if (libc === undefined) return libcProblem();
  const fd = libc.socket(LINUX.AF_INET, LINUX.SOCK_RAW | LINUX.SOCK_CLOEXEC, PROTOCOL);
  if (fd < 0) return 'this user may not open raw sockets (CAP_NET_RAW)';
  libc.close(fd);
  return '';
}
