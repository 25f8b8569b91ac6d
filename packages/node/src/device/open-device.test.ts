import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CompletionQueue, type Context, type QueuePair, RemoteMemory, SeededRandom } from '@verbena/core';
import { readPcapng } from '@verbena/core/wire';
import { afterEach, describe, expect, test } from 'vitest';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import type { IoChoice } from '../wire/open-wire.ts';
import { type DeviceOptions, type LiveDeviceHandle, openDevice } from './open-device.ts';

const libc = await loadLibc();
const opened: LiveDeviceHandle[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((device) => device.close()));
});

async function open(options: DeviceOptions): Promise<LiveDeviceHandle> {
  const device = await openDevice({ seed: 1, ...options });
  opened.push(device);
  return device;
}

interface End {
  device: LiveDeviceHandle;
  context: Context;
  cq: CompletionQueue;
  qp: QueuePair;
  bytes: Uint8Array;
  region: ReturnType<QueuePair['pd']['registerMemory']>;
}

const SIZE = 1 << 20;

function endOf(device: LiveDeviceHandle): End {
  const context = device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 256 });
  const job = context.createJob({ id: 7 });
  const jobKey = pd.createJobKey(job);
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, ordered: true });
  const bytes = context.allocate(SIZE);
  const region = pd.registerMemory(bytes, { access: ['local-write', 'remote-write', 'remote-read'] });
  return { device, context, cq, qp, bytes, region };
}

async function pair(one: DeviceOptions, other: DeviceOptions): Promise<[End, End]> {
  return [endOf(await open(one)), endOf(await open(other))];
}

const handleTo = (from: End, to: End) =>
  from.qp.pd.createAddressHandle({ address: to.device.local.text, port: to.device.local.port, qpn: to.qp.qpn });

async function exchange(a: End, b: End): Promise<void> {
  const to = handleTo(a, b);
  const random = new SeededRandom(5);
  for (let i = 0; i < a.bytes.length; i++) a.bytes[i] = random.uint32();
  const remote = new RemoteMemory(b.region.rkey);
  a.qp.post({ opcode: 'write', id: 1, to, region: a.region, length: SIZE, remote });
  expect(await a.cq.next({ timeoutMs: 10_000 })).toMatchObject({ id: 1n, ok: true, opcode: 'write' });
  expect(Buffer.compare(a.bytes, b.bytes)).toBe(0);

  b.qp.postReceive({ id: 2, region: b.region, offset: 0, length: 10_000 });
  a.qp.post({ opcode: 'send', id: 3, to, region: a.region, offset: 77, length: 9_000 });
  const [sent, received] = await Promise.all([a.cq.next({ timeoutMs: 10_000 }), b.cq.next({ timeoutMs: 10_000 })]);
  expect(sent).toMatchObject({ id: 3n, ok: true });
  expect(received).toMatchObject({ id: 2n, ok: true, opcode: 'recv', byteLength: 9_000 });
  expect(Buffer.compare(b.bytes.subarray(0, 9_000), a.bytes.subarray(77, 9_077))).toBe(0);

  a.bytes.fill(0, 0, 50_000);
  a.qp.post({ opcode: 'read', id: 4, to, region: a.region, length: 50_000, remote, remoteOffset: 100_000 });
  expect(await a.cq.next({ timeoutMs: 10_000 })).toMatchObject({ id: 4n, ok: true, opcode: 'read' });
  expect(Buffer.compare(a.bytes.subarray(0, 50_000), b.bytes.subarray(100_000, 150_000))).toBe(0);
}

let host = 100;
const nextAddress = () => `127.0.77.${host++}`;

for (const transport of ['loop', 'uet']) {
  for (const io of ['gso', 'batch', 'dgram'] satisfies IoChoice[]) {
    const missing = io !== 'dgram' && libc === undefined;
    if (missing) console.log(`skipped: ${transport} over ${io}: ${libcProblem()}`);
    describe.skipIf(missing)(`${transport} over ${io}`, () => {
      test('write, send and read carry every byte', async () => {
        const [a, b] = await pair({ transport, io, address: nextAddress() }, { transport, io, address: nextAddress() });
        expect(a.device.level).toBe(io);
        await exchange(a, b);
        expect(a.device.counters().wire_sent_datagrams).toBeGreaterThan(100);
      });

      if (transport === 'loop') return; // it is for links that lose, repeat and reorder nothing

      test('and through a link that loses, doubles and reorders', async () => {
        const faults = { drop: 0.02, duplicate: 0.02, reorder: 0.05, corrupt: 0 };
        const [a, b] = await pair(
          { transport, io, address: nextAddress(), faults },
          { transport, io, address: nextAddress(), faults: { ...faults, seed: 3 } },
        );
        await exchange(a, b);
        expect(a.device.counters().wire_fault_dropped).toBeGreaterThan(0);
      });

      test('and faults of one device hurt what it receives as well as what it sends', async () => {
        const faults = { drop: 0.02, reorder: 0.05 };
        const [a, b] = await pair(
          { transport, io, address: nextAddress(), faults },
          { transport, io, address: nextAddress() },
        );
        await exchange(a, b); // the read's data comes in
        const { wire_fault_dropped: all, wire_fault_dropped_in: inward } = a.device.counters();
        expect(inward).toBeGreaterThan(0);
        expect(all).toBeGreaterThan(inward!);
        expect(b.device.counters().wire_fault_dropped).toBeUndefined();
      });
    });
  }
}

describe('live device', () => {
  test('two devices of one address, told apart by port (::1; R206)', async () => {
    const [a, b] = await pair({ address: '::1', port: 47_931 }, { address: '::1', port: 47_932 });
    await exchange(a, b);
  });

  test.skipIf(libc === undefined)('two devices of one program: polling one of them drives both', async () => {
    const [a, b] = await pair({ address: nextAddress() }, { address: nextAddress() });
    a.bytes.fill(9);
    a.qp.post({ opcode: 'write', to: handleTo(a, b), region: a.region, remote: new RemoteMemory(b.region.rkey) });
    const end = performance.now() + 5_000;
    while (a.cq.take() === undefined && performance.now() < end) a.context.progress();
    expect(b.bytes.every((byte) => byte === 9)).toBe(true); // the event loop did not turn meanwhile
  });

  test('memory of the program itself is registered too, and copied on the way', async () => {
    const [a, b] = await pair({ address: nextAddress() }, { address: nextAddress() });
    const own = new Uint8Array(20_000).map((_, i) => i * 7);
    const region = a.qp.pd.registerMemory(own, { access: ['local-write'] });
    a.qp.post({ opcode: 'write', to: handleTo(a, b), region, remote: new RemoteMemory(b.region.rkey) });
    expect((await a.cq.next({ timeoutMs: 5_000 })).ok).toBe(true);
    expect(Buffer.compare(own, b.bytes.subarray(0, own.length))).toBe(0);
  });

  test('a capture holds the packets of both directions', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'verbena-'));
    const capture = join(folder, 'a.pcapng');
    const [a, b] = await pair({ address: nextAddress(), capture }, { address: nextAddress() });
    await exchange(a, b);
    await a.device.close();
    const frames = [...readPcapng(readFileSync(capture))];
    expect(new Set(frames.map((frame) => frame.direction))).toEqual(new Set(['in', 'out']));
    expect(a.device.counters().wire_captured_packets).toBe(frames.length);
    rmSync(folder, { recursive: true });
  });

  test('what is wrong is explained', async () => {
    const address = nextAddress();
    await open({ address });
    const wrong = async (options: DeviceOptions) => {
      try {
        await open({ address: nextAddress(), ...options });
        return 'opened';
      } catch (error) {
        return (error as { explain(): string }).explain();
      }
    };
    expect(await wrong({ address })).toMatch(/EADDRINUSE.*4793 of 127\.0\.77\.\d+ is taken/);
    expect(await wrong({ address: '192.0.2.7' })).toMatch(/EADDRNOTAVAIL/);
    expect(await wrong({ transport: 'iwarp2' })).toMatch(/ENOENT(.|\n)*try +uet/);
    expect(await wrong({ address: 'localhost' })).toMatch(/EINVAL/);
    expect(await wrong({ port: 70_000 })).toMatch(/EINVAL.*port cannot be 70000/);
    expect(await wrong({ faults: { drop: 2 } })).toMatch(/EINVAL.*faults\.drop/);
    expect(await wrong({ faults: { direction: 'up' as 'in' } })).toMatch(/EINVAL.*direction(.|\n)*both, out or in/);
    expect(await wrong({ faults: { delay: 1, delayNs: -1 } })).toMatch(/EINVAL.*delayNs cannot be -1/);
    expect(await wrong({ io: 'fast' as IoChoice })).toMatch(/EINVAL(.|\n)*auto, gso, batch, dgram/);
    expect(await wrong({ settings: { noSuchSetting: 1 } })).toMatch(/EINVAL/);
    expect(await wrong({ capture: '/no/such/folder/x' })).toMatch(/EIO/);
  });

  test('closing twice is fine, gives the address back, and ends what hangs below', async () => {
    const address = nextAddress();
    const device = await open({ address });
    const { cq } = endOf(device);
    const waiting = cq.next();
    waiting.catch(() => {});
    await Promise.all([device.close(), device.close()]);
    await device.close();
    await expect(waiting).rejects.toThrow(/EINVAL|EIO/);
    expect(() => device.open()).toThrow(/closed/);
    await (await openDevice({ address })).close();
  });
});

/** Runs a program on the built package in a process of its own. */
function run(program: string): Promise<string> {
  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const text = `
    import { openDevice } from ${url('../../dist/index.js')};
    import { RemoteMemory } from ${url('../../../core/dist/index.js')};
    ${program}`;
  return new Promise((resolve, reject) => {
    const cwd = fileURLToPath(new URL('.', import.meta.url));
    execFile('node', ['--input-type=module', '-e', text], { cwd, timeout: 15_000 }, (error, stdout, stderr) => {
      if (error !== null) reject(new Error(`${error.message}\n${stdout}${stderr}`));
      else resolve(stdout.trim());
    });
  });
}

describe('a program', () => {
  for (const options of [{}, { io: 'dgram' }, { mode: 'worker' }]) {
    test(`exits by itself with an open device and nobody waiting, and after close: ${JSON.stringify(options)}`, async () => {
      const open = `const device = await openDevice({ address: '${nextAddress()}', ...${JSON.stringify(options)} });`;
      expect(await run(`${open} device.open(); console.log('left open');`)).toBe('left open');
      expect(await run(`${open} device.open(); await device.close(); console.log('closed');`)).toBe('closed');
    });
  }

  for (const options of [{}, { io: 'dgram' }, { mode: 'worker' }]) {
    test(`whose peer is dead closes in time and leaves nothing open: ${JSON.stringify(options)}`, async () => {
      const output = await run(`
        const device = await openDevice({ address: '${nextAddress()}', ...${JSON.stringify(options)} });
        const context = device.open();
        const pd = context.allocatePd();
        const cq = context.createCompletionQueue({ entries: 16 });
        const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
        const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey });
        const region = pd.registerMemory(context.allocate(100000), { access: ['local-write'] });
        const to = pd.createAddressHandle({ address: '${nextAddress()}', qpn: 0x80000001 });
        qp.post({ opcode: 'write', to, region, remote: new RemoteMemory(5n) });
        const waiting = cq.next().then(() => 'completed', (error) => error.code);
        await cq.wait(20).catch(() => {}); // packets are on their way to nobody
        const start = performance.now();
        await device.close();
        const closed = performance.now() - start < 2500;
        const why = await waiting;
        await new Promise((resolve) => setImmediate(resolve));
        const left = process.getActiveResourcesInfo().filter((one) => !/^(Pipe|TTY|File)/.test(one));
        console.log(JSON.stringify([closed, why, left]));`);
      expect(JSON.parse(output)).toEqual([true, expect.stringMatching(/^E/), []]);
    });
  }

  test('that sleeps in its event loop is written to and read from', async () => {
    const [own, other] = [nextAddress(), nextAddress()];
    const target = `
      const device = await openDevice({ address: '${other}', seed: 2 });
      const context = device.open();
      const pd = context.allocatePd();
      const job = context.createJob({ id: 7 });
      const cq = context.createCompletionQueue({ entries: 16 });
      const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey: pd.createJobKey(job) });
      const bytes = context.allocate(100000);
      const region = pd.registerMemory(bytes, { access: ['local-write', 'remote-write', 'remote-read'], key: 5n });
      device.ref();
      process.stdout.write(qp.qpn + ' ' + region.rkey + '\\n');
      process.stdin.once('data', async () => { // only the event loop turns until here
        const sum = bytes.reduce((a, b) => a + b, 0);
        await device.close();
        console.log('sum ' + sum);
        process.stdin.destroy();
      });`;
    const child = execFile('node', [
      '--input-type=module',
      '-e',
      `import { openDevice } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};\n${target}`,
    ]);
    let output = '';
    const line = () =>
      new Promise<string>((resolve, reject) => {
        child.stdout!.on('data', (text) => {
          output += text;
          const end = output.indexOf('\n');
          if (end < 0) return;
          child.stdout!.removeAllListeners('data');
          const first = output.slice(0, end);
          output = output.slice(end + 1);
          resolve(first);
        });
        child.once('exit', (code) => reject(new Error(`the target ended: ${code}`)));
      });
    try {
      const [qpn, rkey] = (await line()).split(' ');
      const a = endOf(await open({ address: own }));
      const to = a.qp.pd.createAddressHandle({ address: other, qpn: Number(qpn) });
      const remote = new RemoteMemory(BigInt(rkey!));
      a.bytes.fill(3);
      for (let i = 0; i < 10; i++) {
        a.qp.post({ opcode: 'write', to, region: a.region, length: 10_000, remote, remoteOffset: 10_000 * i });
        expect((await a.cq.next({ timeoutMs: 5_000 })).ok).toBe(true);
      }
      child.stdin!.write('done\n');
      expect(await line()).toBe('sum 300000');
    } finally {
      child.kill();
    }
  });
});

describe.skipIf(libc === undefined)('worker mode', () => {
  test('write, send and read carry every byte', async () => {
    const [a, b] = await pair({ mode: 'worker', address: nextAddress() }, { mode: 'worker', address: nextAddress() });
    await exchange(a, b);
    expect(a.device.counters().wire_sent_datagrams).toBeGreaterThan(100);
  });

  test('memory that cannot be shared is refused with advice', async () => {
    const { qp } = endOf(await open({ mode: 'worker', address: nextAddress() }));
    expect(() => qp.pd.registerMemory(new Uint8Array(100), { access: [] })).toThrow(/worker mode cannot reach/);
  });

  test('errors come back from the thread as they are', async () => {
    const address = nextAddress();
    await open({ address });
    await expect(open({ mode: 'worker', address })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    const { context } = endOf(await open({ mode: 'worker', address: nextAddress() }));
    expect(() => context.createJob({ id: 7 })).toThrow(/EEXIST/);
  });
});
