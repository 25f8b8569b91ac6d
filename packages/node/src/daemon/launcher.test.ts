import { join } from 'node:path';
import { expect, test } from 'vitest';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import { Daemon } from './daemon.ts';
import { program, socketFolder } from './process-rig.testdata.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: launcher: ${libcProblem()}`);

const built = (path: string) => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);

/** A child: it gives up all rights, joins by the capability, and waits for the address table. */
const RANK = `
import { OpenDevice } from '@verbena/core';
import { DaemonPort } from ${built('client/daemon-port.js')};
import { loadLibc } from ${built('memory/libc.js')};
const { RANK, TOKEN, VERBENA_SOCKET } = process.env;
const port = DaemonPort.connect(await loadLibc(), VERBENA_SOCKET, { rights: 0 });
const device = new OpenDevice(port, 'uet' + RANK, async () => port.close());
const context = device.open();
port.attach(context);
const refusal = (() => { try { context.createJob({ id: 43 }); return 'made'; } catch (error) { return error.code; } })();
const pd = context.allocatePd();
const job = context.importJob(Uint8Array.from(Buffer.from(TOKEN, 'hex')));
const cq = context.createCompletionQueue({ entries: 16 });
const jobKey = pd.createJobKey(job);
const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 8, receiveDepth: 8 });
const inbox = pd.registerMemory(context.allocate(64), { access: ['local-write'] });
qp.postReceive({ region: inbox });
const go = new Promise((resolve) => process.once('message', resolve));
process.send({ qpn: qp.qpn });
await go;
qp.post({ opcode: 'send', toIndex: 1 - Number(RANK), inline: new TextEncoder().encode('from rank ' + RANK) });
let text = '';
for (let i = 0; i < 2; i++) {
  const { opcode, ok, status, byteLength } = await cq.next({ timeoutMs: 15_000 });
  if (!ok) throw new Error(status);
  if (opcode === 'recv') text = new TextDecoder().decode(inbox.bytes.subarray(0, byteLength));
}
process.send({ refusal, id: job.id, text });
await device.close();
process.disconnect();
`;

/** The launcher: it makes the job on both nodes, starts its children, and tells them where each one is. */
const LAUNCHER = `
import { spawn } from 'node:child_process';
const devices = await Promise.all([0, 1].map((rank) => openDevice({ name: 'uet' + rank })));
const [first, second] = devices.map((device) => device.open());
const made = first.createJob({ id: 42, maxAddresses: 4 });
const token = made.export();
const held = [made, second.importJob(token)];
const env = { ...process.env, TOKEN: Buffer.from(token).toString('hex') };
const children = [0, 1].map((RANK) =>
  spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(RANK)}], {
    env: { ...env, RANK },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    timeout: 60_000,
  }),
);
const heard = (child) => new Promise((resolve, reject) => {
  child.once('message', resolve);
  child.once('exit', (code) => reject(new Error('a rank ended with ' + code)));
});
const cards = await Promise.all(children.map(heard));
for (const { addresses } of held) {
  cards.forEach(({ qpn }, rank) => addresses.set(rank, { address: devices[rank].local.text, qpn }));
}
const results = children.map(heard);
for (const child of children) child.send('go');
say(await Promise.all(results));
await Promise.all(devices.map((device) => device.close()));
process.stdin.destroy();
`;

test.skipIf(libc === undefined)(
  'a launcher makes a job for its children, processes without rights that exchange data in it: R085 R084',
  async () => {
    const folder = socketFolder();
    const daemon = await Daemon.start({
      socket: join(folder.path, 'own', 'verbena.sock'),
      devices: [0, 1].map((i) => ({ name: `uet${i}`, address: `127.0.80.${i + 1}` })),
    });
    const launcher = program(LAUNCHER, { VERBENA_SOCKET: daemon.socket });
    try {
      expect(await launcher.line()).toEqual([
        { refusal: 'EPERM', id: 0, text: 'from rank 1' },
        { refusal: 'EPERM', id: 0, text: 'from rank 0' },
      ]);
      expect((await launcher.ended).code).toBe(0);
    } finally {
      await launcher.kill('SIGKILL');
      await daemon.close();
      folder.remove();
    }
    expect(daemon.system.jobs.containers.size).toBe(0);
  },
);
