/** Attackers that are processes: those that share memory with the daemon, and those that die, fork or become another. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
  type Context,
  DOORBELL_PAGE_BYTES,
  type QueuePair,
  RemoteMemory,
  SeededRandom,
  VerbsError,
} from '@verbena/core';
import { CompletionEntry, ReceiveEntry, ringBytes, SendEntry } from '@verbena/core/abi';
import { QP_TYPES, UAPI } from '@verbena/core/uapi';
import { openDevice } from '@verbena/node';
import { DEVICES } from './daemon-process.ts';
import { RawClient } from './raw-client.ts';
import { RangeTable } from './scribbler-main.ts';
import {
  addressOf,
  connectPacketSocket,
  exec,
  keepOverExec,
  mapPages,
  memoryFile,
  PROT_READ,
  protect,
} from './system-calls.ts';

const [role = '', socket = '', seedText = '', ...words] = process.argv.slice(2);
const random = new SeededRandom(Number(seedText));
const say = (message: unknown) => process.send?.(message);

/** What an attacker of each role does; its words are its arguments. */
const ROLES: Readonly<Record<string, () => Promise<void>>> = {
  scribble,
  forge,
  storm,
  busy,
  quit,
  lies,
  become,
  parent,
  heir,
};

/** Both ends of a connection, one on each device, with a region at each. */
async function pair(job: number) {
  const devices = await Promise.all(DEVICES.map((name) => openDevice({ socket, name, memoryBytes: 2 ** 26 })));
  const contexts = devices.map((device) => device.open()) as [Context, Context];
  const [near, far] = contexts.map((context) => {
    const pd = context.allocatePd();
    const jobKey = pd.createJobKey(context.createJob({ id: job }));
    const region = pd.registerMemory(context.allocate(65_536), {
      access: ['local-write', 'remote-write', 'remote-read'],
    });
    return { context, pd, jobKey, region };
  }) as [End, End];
  const address = devices[1]!.local.text;
  return { devices, near, far, address };
}

interface End {
  readonly context: Context;
  readonly pd: ReturnType<Context['allocatePd']>;
  readonly jobKey: ReturnType<ReturnType<Context['allocatePd']>['createJobKey']>;
  readonly region: ReturnType<ReturnType<Context['allocatePd']>['registerMemory']>;
}

/** Words: milliseconds, job, path of the scribbler. Posts real work while another thread writes over the rings. */
async function scribble(): Promise<void> {
  const [ms, job, scribbler] = [Number(words[0]), Number(words[1]), words[2]!];
  const table = new Uint32Array(new SharedArrayBuffer(4096));
  const { near, far, address } = await pair(job);
  const pages = notePages(table);
  for (const { context } of [near, far]) noteAllocations(context, table, pages);
  table[RangeTable.RUN] = 1;
  const worker = new Worker(scribbler, { workerData: { table: table.buffer, seed: random.uint32() } });
  worker.on('error', (error) => process.stderr.write(`scribbler: ${error.stack}\n`));
  const until = performance.now() + ms;
  const sum = { posted: 0, completed: 0, remade: 0, errors: 0 };
  const statuses = new Map<string, number>();
  while (performance.now() < until) {
    let ends: { readonly cq: Awaited<ReturnType<typeof newQueue>>['cq']; readonly qp: QueuePair }[] = [];
    try {
      ends = [newQueue(near), newQueue(far)];
      sum.remade++;
      const to = near.pd.createAddressHandle({ address, qpn: ends[1]!.qp.qpn });
      const remote = new RemoteMemory(far.region.rkey);
      const life = performance.now() + 30 + random.below(60);
      while (performance.now() < life) {
        for (let i = 0; i < 16; i++) {
          ends[1]!.qp.tryPostReceive({ region: far.region, offset: 0, length: 4096 });
          const opcode = (['write', 'read', 'send'] as const)[random.below(3)]!;
          const length = random.below(8192);
          const posted = ends[0]!.qp.tryPost(
            opcode === 'send'
              ? { opcode, to, region: near.region, length: Math.min(4096, length) }
              : { opcode, to, region: near.region, length, remote, remoteOffset: random.below(4096) },
          );
          if (posted) sum.posted++;
        }
        await turn();
        for (const { cq } of ends) {
          for (let one = cq.take(); one !== undefined; one = cq.take()) {
            sum.completed++;
            statuses.set(one.status, (statuses.get(one.status) ?? 0) + 1);
          }
        }
      }
      to[Symbol.dispose]();
    } catch {
      sum.errors++; // the own library stumbles over what the own thread wrote
    }
    for (const { qp, cq } of ends.reverse()) {
      for (const object of [qp, cq]) {
        try {
          object[Symbol.dispose]();
        } catch {
          sum.errors++;
        }
      }
    }
    await turn();
  }
  table[RangeTable.RUN] = 0;
  say({ ...sum, writes: table[RangeTable.WRITES]!, statuses: statuses.size });
}

function newQueue(end: End) {
  const cq = end.context.createCompletionQueue({ entries: 256 });
  const { jobKey } = end;
  const qp = end.pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 64, receiveDepth: 64 });
  return { cq, qp };
}

/** Rings that are made from now on are written over, the newest of them. @param first - place in the table */
function noteAllocations(context: Context, table: Uint32Array, first: number): void {
  const { memory } = context.port;
  const allocate = memory.allocate.bind(memory);
  memory.allocate = (bytes) => {
    const made = allocate(bytes);
    const at = first + (allocations++ % MAX_RANGES);
    setRange(table, at, addressOf(new Uint8Array(made.buffer)) + made.byteOffset, made.length);
    Atomics.store(table, RangeTable.COUNT, first + Math.min(MAX_RANGES, allocations));
    return made;
  };
}
/** Doorbell pages, too: mappings of one page that the daemon handed out. @returns how many */
function notePages(table: Uint32Array): number {
  const lines = readFileSync('/proc/self/maps', 'latin1').split('\n');
  const pages = lines.flatMap((line) => {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw.s .*memfd:/.exec(line) ?? [];
    const address = Number.parseInt(from ?? '', 16);
    return Number.parseInt(to ?? '', 16) - address === DOORBELL_PAGE_BYTES ? [address] : [];
  });
  for (const [i, address] of pages.entries()) setRange(table, i, address, DOORBELL_PAGE_BYTES);
  return pages.length;
}

function setRange(table: Uint32Array, i: number, address: number, length: number): void {
  const at = RangeTable.RANGES + i * RangeTable.WORDS_PER_RANGE;
  table[at] = Math.floor(address / 2 ** 32);
  table[at + 1] = address % 2 ** 32;
  table[at + 2] = length;
}

/** Passes for an object of the library. */
const foreign = ({ pd }: End, values: object) => ({ pd, isOpen: true, ...values });

/** Words: job. Names regions and job keys of others in requests. */
async function forge(): Promise<void> {
  const { near, far, address } = await pair(Number(words[0]));
  let [a, b] = [newQueue(near), newQueue(far)];
  let to = near.pd.createAddressHandle({ address, qpn: b.qp.qpn });
  const remote = new RemoteMemory(far.region.rkey);
  const own = { job: near.jobKey.value, lkey: near.region.lkey };
  const statuses: Record<string, number> = {};
  let tried = 0;
  const attempt = async (what: 'job' | 'lkey', value: number) => {
    const region = what === 'lkey' ? foreign(near, { lkey: value, length: 65_536 }) : near.region;
    const jobKey = what === 'job' ? foreign(near, { value }) : near.jobKey;
    const request = { opcode: 'write', to, region, length: 64, remote, jobKey } as unknown as Parameters<
      QueuePair['post']
    >[0];
    a.qp.post(request);
    const one = await a.cq.next({ timeoutMs: 5000 });
    tried++;
    const mine = value === own[what] ? 'own' : 'foreign';
    const key = `${what} ${mine} ${one?.status ?? 'nothing'}`;
    statuses[key] = (statuses[key] ?? 0) + 1;
    if (a.qp.state === 'RTS') return;
    for (const object of [to, a.qp, a.cq, b.qp, b.cq]) object[Symbol.dispose]();
    [a, b] = [newQueue(near), newQueue(far)];
    to = near.pd.createAddressHandle({ address, qpn: b.qp.qpn });
  };
  const most = Number(words[1]);
  for (const what of ['job', 'lkey'] as const) {
    await attempt(what, own[what]);
    for (let i = 1; i <= most; i++) {
      await attempt(what, i);
      await attempt(what, (own[what] + i) >>> 0);
      await attempt(what, (own[what] ^ (1 << (i & 31))) >>> 0);
      await attempt(what, random.uint32());
    }
  }
  say({ tried, statuses });
}

/** Words: milliseconds, job. Asks to be woken by each completion, rings all bells, and reads nothing. */
async function storm(): Promise<void> {
  const [ms, job] = [Number(words[0]), Number(words[1])];
  const { near, far, address } = await pair(job);
  const [a, b] = [newQueue(near), newQueue(far)];
  const to = near.pd.createAddressHandle({ address, qpn: b.qp.qpn });
  const remote = new RemoteMemory(far.region.rkey);
  const page = near.context.page;
  const until = performance.now() + ms;
  let [posted, completed, bells] = [0, 0, 0];
  // never gives the event loop a turn: nothing is read from the socket
  while (performance.now() < until) {
    for (let i = 0; i < 8; i++) {
      if (a.qp.tryPost({ opcode: 'write', to, region: near.region, length: 8, remote })) posted++;
    }
    for (let slot = 0; slot < 4096; slot += 7) if (page.ring(slot)) bells++;
    a.cq.arm();
    page.setAsleep(true);
    near.context.port.scheduleProgress();
    for (let one = a.cq.take(); one !== undefined; one = a.cq.take()) completed++;
  }
  say({ posted, completed, bells });
}

/** Words: job. Makes, uses and ends everything, until it is killed. */
async function busy(): Promise<void> {
  const { near, far, address } = await pair(Number(words[0]));
  const own = new Uint8Array(new SharedArrayBuffer(65_536));
  for (let round = 0; ; round++) {
    const [a, b] = [newQueue(near), newQueue(far)];
    const to = near.pd.createAddressHandle({ address, qpn: b.qp.qpn });
    const remote = new RemoteMemory(far.region.rkey);
    const region = near.pd.registerMemory(near.context.allocate(2 ** 20), { access: ['local-write', 'remote-read'] });
    const shared = near.pd.registerMemory(own, { access: ['local-write'] });
    for (let i = 0; i < 32; i++) {
      a.qp.tryPost({ opcode: 'write', to, region, length: 32_768, remote });
      a.qp.tryPost({ opcode: 'read', to, region: shared, length: 16_384, remote });
    }
    if (round === 0) say('busy');
    if (random.chance(0.5)) await a.cq.next({ timeoutMs: 50 });
    for (const object of [a.qp, b.qp, a.cq, b.cq, region, shared, to]) if (random.chance(0.9)) object[Symbol.dispose]();
    await turn();
  }
}

/** Words: job. Ends with everything under way, and says nothing to the daemon. */
async function quit(): Promise<void> {
  const { near, far, address } = await pair(Number(words[0]));
  const [a, b] = [newQueue(near), newQueue(far)];
  const to = near.pd.createAddressHandle({ address, qpn: b.qp.qpn });
  const remote = new RemoteMemory(far.region.rkey);
  for (let i = 0; i < 64; i++) a.qp.tryPost({ opcode: 'write', to, region: near.region, length: 65_000, remote });
  process.exit(0);
}

/** Words: job. Memory that is taken away while the device works in it, by address in this process. */
async function lies(): Promise<void> {
  const { near, far, address } = await pair(Number(words[0]));
  const [a, b] = [newQueue(near), newQueue(far)];
  const to = near.pd.createAddressHandle({ address, qpn: b.qp.qpn });
  const remote = new RemoteMemory(far.region.rkey);
  const umem = near.context.call('UMEM', 'CREATE', { kind: 1 }).handle;
  const results: Record<string, string> = {};
  const register = (offset: number, length: number, access = 1) => {
    const memory = { kind: 1, index: umem, offset, length };
    return near.context.call('MR', 'REG', { pd: near.pd.handle, memory, access });
  };
  const attempt = (what: string, call: () => unknown) => {
    try {
      call();
      results[what] = 'OK';
    } catch (thrown) {
      results[what] = thrown instanceof VerbsError ? thrown.code : String(thrown);
    }
  };
  const page = mapPages(65_536);
  const readOnly = mapPages(4096);
  protect(readOnly, PROT_READ);
  const closed = mapPages(4096);
  protect(closed, 0);
  attempt('good', () => near.context.call('MR', 'DEREG', { handle: register(page.address, 4096).handle }));
  attempt('page zero', () => register(0, 4096));
  attempt('unmapped', () => register(4096, 4096));
  attempt('kernel', () => register(2 ** 47, 4096));
  attempt('no rights', () => register(closed.address, 4096));
  attempt('read only, to be written', () => register(readOnly.address, 4096));
  attempt('zero length', () => register(page.address, 0));
  attempt('wrap around', () => register(2 ** 48 - 4096, 2 ** 47));
  attempt('everything', () => register(0, 2 ** 48));
  attempt('half mapped', () => register(page.address, 2 ** 40));

  // registered in earnest, then unmapped under traffic
  const made = register(page.address, 65_536);
  const region = foreign(near, { lkey: made.lkey, length: 65_536 }) as unknown as End['region'];
  const posts = (count: number) => {
    for (let i = 0; i < count; i++) {
      const segments = [{ region, offset: 0, length: 4096 }];
      a.qp.tryPost({ opcode: 'write', to, segments, remote });
      a.qp.tryPost({ opcode: 'read', to, segments, remote });
    }
  };
  const seen: Record<string, number> = {};
  const take = async (most: number) => {
    for (let got = 0; got < most; got++) {
      const one = await a.cq.next({ timeoutMs: 2000 });
      if (one === undefined) return;
      seen[one.status] = (seen[one.status] ?? 0) + 1;
    }
  };
  attempt('post', () => posts(4));
  await take(8);
  attempt('post under unmapping', () => posts(16));
  page.unmap();
  attempt('post after unmapping', () => posts(4));
  await take(40).catch(() => {});
  say({ results, seen });
}

/** Words: job. Registers memory, tells where, and becomes another program that holds the connection open. */
async function become(): Promise<void> {
  const fd = connectPacketSocket(socket);
  const client = new RawClient(fd);
  const context = client.open(DEVICES[1]);
  const pd = Number(context.call('PD', 'ALLOC', {}).handle);
  const umem = Number(context.call('UMEM', 'CREATE', { kind: 1 }).handle);
  const page = mapPages(4096);
  page.bytes.fill(0x5e);
  const memory = { kind: 1, index: umem, offset: page.address, length: 4096 };
  const job = Number(context.call('JOB', 'ALLOC', { id: Number(words[0]) }).handle);
  const jobKey = Number(context.call('JKEY', 'CREATE', { pd, job }).handle);
  const region = context.call('MR', 'REG', { pd, memory, access: 7, jobKey });
  const ring = (index: number, length: number) => ({ kind: 0, index, offset: 0, length });
  const files = [memoryFile(8192), memoryFile(8192)];
  const completions = { ring: ring(0, ringBytes(16, CompletionEntry.bytes)), entries: 16 };
  const cq = context.call('CQ', 'CREATE', completions, files).handle;
  const qp = context.call(
    'QP',
    'CREATE',
    {
      ...{ pd, type: QP_TYPES.RU, sendCq: cq, recvCq: cq, jobKey, sendEntries: 16, receiveEntries: 16 },
      sendRing: ring(0, ringBytes(16, SendEntry.bytes)),
      receiveRing: ring(1, ringBytes(16, ReceiveEntry.bytes)),
    },
    files,
  );
  say({ rkey: String(region.rkey), qpn: Number(qp.qpnGiven) });
  await new Promise((resolve) => process.once('message', resolve));
  keepOverExec(fd);
  exec('/bin/sleep', ['20']);
}

/** Leaves its connection, with memory shared, to a child, and ends. */
async function parent(): Promise<void> {
  const fd = connectPacketSocket(socket);
  const client = new RawClient(fd);
  const context = client.open(DEVICES[0]);
  const pd = Number(context.call('PD', 'ALLOC', {}).handle);
  const umem = Number(context.call('UMEM', 'CREATE', { kind: 1 }).handle);
  const page = mapPages(4096);
  const facts = [context.opened.context, context.opened.driver, pd, umem, page.address].map(String);
  const file = fileURLToPath(import.meta.url);
  spawn(process.execPath, [file, 'heir', socket, '1', ...facts], {
    stdio: ['ignore', 'ignore', words[0] === 'stderr' ? 2 : 'inherit', fd],
    detached: true,
  }).unref();
  say('left');
}

/** Words: what the parent had. Speaks on the parent's connection after its death. Writes what came to standard error. */
async function heir(): Promise<void> {
  const [context = 0, driver = 0, pd = 0, umem = 0, address = 0] = words.map(Number);
  const client = new RawClient(3);
  const header = { context, driver };
  while (process.ppid !== 1 && parentLives()) await new Promise((resolve) => setTimeout(resolve, 5));
  const memory = { kind: 1, index: umem, offset: address, length: 4096 };
  const own = mapPages(4096);
  const results = {
    query: client.outcome(UAPI.DEVICE, UAPI.DEVICE.methods.QUERY, {}, header),
    old: client.outcome(UAPI.MR, UAPI.MR.methods.REG, { pd, memory, access: 1 }, header),
    own: client.outcome(
      UAPI.MR,
      UAPI.MR.methods.REG,
      { pd, memory: { ...memory, offset: own.address }, access: 1 },
      header,
    ),
    fresh: client.outcome(UAPI.UMEM, UAPI.UMEM.methods.DESTROY, { handle: umem }, header),
    again: client.outcome(UAPI.UMEM, UAPI.UMEM.methods.CREATE, { kind: 1 }, header),
  };
  process.stderr.write(`heir ${JSON.stringify(results)}\n`);
}

const FIRST_PARENT = process.ppid;
function parentLives(): boolean {
  return process.ppid === FIRST_PARENT;
}

const MAX_RANGES = 16;
let allocations = 0;

process.on('disconnect', () => process.exit(0));
await ROLES[role]!();
process.exit(0);
