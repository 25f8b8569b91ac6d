/**
 * What the control path costs: creating and destroying queue pairs, registering and deregistering memory, in each form;
 * memory of objects when many are open; connections to a daemon opened and closed.
 *
 *   npm run bench -- control [--rounds 5] [--objects 10000] [--connections 1000] [--json]
 *
 * Forms are interleaved, medians are reported.
 */
import { parseArgs } from 'node:util';
import type { Context, DeviceHandle } from '@verbena/core';
import { openDevice } from '@verbena/node';
import { DaemonProcess } from './daemon-process.ts';
import { residentBytes } from './resident.ts';

interface Form {
  readonly name: string;
  readonly text: string;
  /** Process that holds the kernel half. */
  readonly kernelPid: number;
  open(): Promise<DeviceHandle>;
}

interface FormResult {
  readonly form: string;
  readonly qp_create_destroy_per_s: number;
  readonly mr_register_deregister_per_s: number;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    objects: { type: 'string', default: '10000' },
    connections: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const objects = Number(values.objects);
const connections = Number(values.connections);

/** Operations per second of one thing done again and again, for about a quarter of a second. */
function rate(once: () => void): number {
  for (let i = 0; i < 50; i++) once();
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < 250) {
    once();
    count++;
  }
  return (count * 1000) / (performance.now() - start);
}

function queuePairRate(context: Context): number {
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 64 });
  const job = context.createJob({ id: 7 });
  const jobKey = pd.createJobKey(job);
  return rate(() => {
    pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 16, receiveDepth: 16 }).close();
  });
}

function regionRate(context: Context): number {
  const pd = context.allocatePd();
  const bytes = context.allocate(1 << 20);
  const access = ['local-write', 'remote-write', 'remote-read'] as const;
  return rate(() => pd.registerMemory(bytes, { access }).deregister());
}

async function measure(form: Form): Promise<FormResult> {
  const device = await form.open();
  try {
    const context = device.open();
    return {
      form: form.name,
      qp_create_destroy_per_s: queuePairRate(context),
      mr_register_deregister_per_s: regionRate(context),
    };
  } finally {
    await device.close();
  }
}

/** Bytes of memory that one of many open objects costs in both processes together. */
async function memoryOf(form: Form): Promise<{ form: string; qp_bytes: number; mr_bytes: number; open_s: number }> {
  const device = await form.open();
  const start = performance.now();
  try {
    const context = device.open();
    const pd = context.allocatePd();
    const cq = context.createCompletionQueue({ entries: 64 });
    const job = context.createJob({ id: 7 });
    const jobKey = pd.createJobKey(job);
    const bytes = context.allocate(objects * 64);
    bytes.fill(1);
    const pids = [...new Set([process.pid, form.kernelPid])];
    const before = residentBytes(pids);
    for (let i = 0; i < objects; i++) {
      pd.registerMemory(bytes.subarray(64 * i, 64 * i + 64), { access: ['local-write', 'remote-write'] });
    }
    const withRegions = residentBytes(pids);
    let owner = pd;
    let ownKey = jobKey;
    for (let i = 0; i < objects; i++) {
      if (i % QPS_PER_DOMAIN === QPS_PER_DOMAIN - 1) {
        owner = context.allocatePd();
        ownKey = owner.createJobKey(job);
      }
      owner.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey: ownKey, sendDepth: 4, receiveDepth: 4 });
    }
    const withQueuePairs = residentBytes(pids);
    const { queue_pairs = 0, memory_regions = 0 } = device.census();
    if (queue_pairs < objects || memory_regions < objects) throw new Error('objects are missing');
    return {
      form: form.name,
      mr_bytes: (withRegions - before) / objects,
      qp_bytes: (withQueuePairs - withRegions) / objects,
      open_s: (performance.now() - start) / 1000,
    };
  } finally {
    await device.close();
  }
}

/** Connections to the daemon, opened and closed one after the other. */
async function connectionRun(daemon: DaemonProcess): Promise<Record<string, number>> {
  const before = { rss: residentBytes([daemon.pid]), fds: daemon.descriptors() };
  const start = performance.now();
  for (let i = 0; i < connections; i++) {
    const device = await daemon.open();
    device.open().close();
    await device.close();
  }
  const seconds = (performance.now() - start) / 1000;
  // the daemon notices the last end in its own time
  for (let i = 0; i < 20 && daemon.descriptors() > before.fds; i++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    connections,
    per_s: connections / seconds,
    descriptors_before: before.fds,
    descriptors_after: daemon.descriptors(),
    grown_bytes: residentBytes([daemon.pid]) - before.rss,
  };
}

/** A domain has 4,095 resource indices. */
const QPS_PER_DOMAIN = 2_500;

const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;

const daemon = await DaemonProcess.start('127.0.0.63');
const forms: readonly Form[] = [
  {
    name: 'inline',
    text: 'the same thread',
    kernelPid: process.pid,
    open: () => openDevice({ address: '127.0.0.61' }),
  },
  {
    name: 'worker',
    text: 'a worker, over a MessagePort',
    kernelPid: process.pid,
    open: () => openDevice({ address: '127.0.0.62', mode: 'worker' }),
  },
  { name: 'daemon', text: 'another process, over a UNIX socket', kernelPid: daemon.pid, open: () => daemon.open() },
];
try {
  const results: FormResult[] = [];
  for (let round = 0; round < rounds; round++) for (const form of forms) results.push(await measure(form));
  const memory = [];
  for (const form of forms) memory.push(await memoryOf(form));
  const run = await connectionRun(daemon);
  const table = forms.map(({ name, text }) => {
    const own = results.filter((one) => one.form === name);
    return {
      form: name,
      text,
      qp_create_destroy_per_s: Math.round(median(own.map((one) => one.qp_create_destroy_per_s))),
      mr_register_deregister_per_s: Math.round(median(own.map((one) => one.mr_register_deregister_per_s))),
    };
  });
  if (values.json) console.log(JSON.stringify({ node: process.version, rounds, objects, table, memory, run }));
  else {
    console.log(`${rounds} rounds, medians; ${objects} objects of each kind; ${connections} connections\n`);
    console.log('form     QP create + destroy   MR 1 MiB register + deregister   where the kernel half is');
    for (const one of table) {
      const qp = `${one.qp_create_destroy_per_s}/s`.padStart(19);
      const mr = `${one.mr_register_deregister_per_s}/s`.padStart(30);
      console.log(`${one.form.padEnd(8)} ${qp} ${mr}   ${one.text}`);
    }
    console.log('\nform     bytes per QP   bytes per MR   both processes, rings of 4 + 4 entries included');
    for (const { form, qp_bytes, mr_bytes, open_s } of memory) {
      const qp = qp_bytes.toFixed(0).padStart(12);
      console.log(`${form.padEnd(8)} ${qp} ${mr_bytes.toFixed(0).padStart(14)}   opened in ${open_s.toFixed(1)} s`);
    }
    console.log(
      `\n${run.connections} connections opened and closed: ${run.per_s!.toFixed(0)}/s, descriptors of the daemon ` +
        `${run.descriptors_before} before, ${run.descriptors_after} after, memory ${run.grown_bytes! < 0 ? '' : '+'}${(run.grown_bytes! / 1024).toFixed(0)} KiB`,
    );
  }
} finally {
  await daemon.stop();
}
