/**
 * The victim: an honest program that uses the same daemon. It writes and reads numbered patterns between two devices,
 * looks at each byte, registers and deregisters now and then, and minds memory that nobody may touch.
 */
import { type Context, RemoteMemory } from '@verbena/core';
import { openDevice } from '@verbena/node';
import type { VictimReport, VictimRequest } from './victim.ts';

const [socket = '', first = '', second = '', job = '7', address = ''] = process.argv.slice(2);
const options = { socket, memoryBytes: 2 ** 28 };
const [near, far] = await Promise.all([first, second].map((name) => openDevice({ ...options, name })));
const here = side(near!.open());
const there = side(far!.open());

const BLOCK = 16_384;
const GUARD = 4096;
const GUARD_BYTE = 0xa5;
const SLOTS = 8;
const QUIET_BYTES = 2 ** 20;
const source = here.pd.registerMemory(here.context.allocate(BLOCK), { access: ['local-write'] });
const back = here.pd.registerMemory(here.context.allocate(BLOCK), { access: ['local-write'] });
const target = there.pd.registerMemory(there.context.allocate(SLOTS * (BLOCK + GUARD)), {
  access: ['local-write', 'remote-write', 'remote-read'],
});
// nobody writes here: whatever changes is damage
const quiet = there.pd.registerMemory(there.context.allocate(QUIET_BYTES), {
  access: ['local-write', 'remote-write', 'remote-read'],
});
for (let i = 0; i < QUIET_BYTES; i++) quiet.bytes[i] = (i * 31) & 0xff;
target.bytes.fill(GUARD_BYTE);
const to = here.pd.createAddressHandle({ address, qpn: there.qp.qpn });
const remote = new RemoteMemory(target.rkey);

let latencies: number[] = [];
let wrongBytes = 0;
let controls = 0;
let failures: string[] = [];
let paused: (() => void) | undefined;
let held: Promise<void> | undefined;
let idle: (() => void) | undefined;
let stopping = false;

process.on('message', (request: VictimRequest) => {
  if (request === 'pause') {
    held = new Promise((resolve) => {
      paused = resolve;
    });
    idle = () => process.send!(report());
  } else if (request === 'resume') {
    held = undefined;
    paused?.();
  } else stopping = true;
});
process.on('disconnect', () => process.exit(0));
process.send!('ready');

for (let sequence = 1; !stopping; sequence++) {
  if (held !== undefined) {
    idle?.();
    await held;
  }
  const start = performance.now();
  try {
    await exchange(sequence);
  } catch (thrown) {
    if (failures.length < 10) failures.push(String(thrown));
    break;
  }
  latencies.push(performance.now() - start);
}
while (!stopping) {
  // failed: says so until it is told to end
  idle?.();
  idle = undefined;
  await new Promise((resolve) => setTimeout(resolve, 20));
}
await Promise.all([near!.close(), far!.close()]);
process.exit(0);

async function exchange(sequence: number): Promise<void> {
  const at = (sequence % SLOTS) * (BLOCK + GUARD);
  for (let i = 0; i < BLOCK; i++) source.bytes[i] = (i + sequence * 7) & 0xff;
  here.qp.post({ opcode: 'write', id: sequence, to, region: source, remote, remoteOffset: at });
  await done(sequence);
  for (let i = 0; i < BLOCK; i++) if (target.bytes[at + i] !== ((i + sequence * 7) & 0xff)) wrongBytes++;
  for (let i = 0; i < GUARD; i++) if (target.bytes[at + BLOCK + i] !== GUARD_BYTE) wrongBytes++;
  here.qp.post({ opcode: 'read', id: sequence, to, region: back, remote, remoteOffset: at });
  await done(sequence);
  for (let i = 0; i < BLOCK; i++) if (back.bytes[i] !== ((i + sequence * 7) & 0xff)) wrongBytes++;
  if (sequence % 16 === 0) {
    there.pd.registerMemory(quiet.bytes.subarray(0, 4096), { access: ['remote-read'] }).deregister();
    controls++;
  }
}

async function done(id: number): Promise<void> {
  const completion = await here.cq.next({ timeoutMs: 20_000 });
  if (completion?.status === 'SUCCESS' && completion.id === BigInt(id)) return;
  throw new Error(`request ${id}: ${completion?.status ?? 'no completion'} of ${completion?.id}`);
}

function report(): VictimReport {
  idle = undefined;
  let quietBytesChanged = 0;
  for (let i = 0; i < QUIET_BYTES; i++) if (quiet.bytes[i] !== ((i * 31) & 0xff)) quietBytesChanged++;
  const sorted = latencies.sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  const answer: VictimReport = {
    exchanges: sorted.length,
    controls,
    wrongBytes: wrongBytes + quietBytesChanged,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    failures,
  };
  latencies = [];
  controls = 0;
  failures = failures.slice();
  return answer;
}

function side(context: Context) {
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 64 });
  const jobKey = pd.createJobKey(context.createJob({ id: Number(job) }));
  return { context, pd, cq, qp: pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 16 }) };
}
