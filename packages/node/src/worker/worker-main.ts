/** The program of a worker thread that runs the kernel half of one device. */
import { workerData } from 'node:worker_threads';
import { DmaSpace, findTransport, KernelDevice, type Nanos, VerbsError } from '@verbena/core';
import { Clock } from '../device/clock.ts';
import { Driver, SPIN_NS } from '../device/driver.ts';
import { LiveHost } from '../device/live-host.ts';
import { loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import { WireStack } from '../wire/wire-stack.ts';
import { type Answer, type Question, type Report, toPlain, Word, type WorkerSetup } from './worker-protocol.ts';

const setup = workerData as WorkerSetup;
const words = new Int32Array(setup.words);

try {
  await serve();
} catch (thrown) {
  report({ kind: 'refused', error: toPlain(thrown, 'openDevice') });
  setup.calls.close();
}

async function serve(): Promise<void> {
  const transport = findTransport(setup.transport);
  if (transport === undefined) throw new VerbsError('ENOENT', 'openDevice', `no transport '${setup.transport}'`);
  const libc = await loadLibc();
  const dma = new DmaSpace();
  const pool = new MemoryPool(libc);
  const stack = await WireStack.open(libc, pool, dma, setup.wire);
  const host = new LiveHost(stack.live, stack.top, setup.seed, libc, (handle) => report({ kind: 'wake', handle }));
  const { name, payloadMtu, settings } = setup;
  const kernel = new KernelDevice({ name, transport, host, payloadMtu, settings });
  const clock = new Clock();
  const driver = new Driver(kernel, stack.live, clock, SPIN_NS, (asleep) => {
    Atomics.store(words, Word.ASLEEP, asleep ? 1 : 0);
    // Whoever rang before reading that word did not send a kick.
    return asleep && kernel.rung();
  });
  driver.hold(); // as long as the device is open, this thread lives and spins a little before it sleeps
  setup.calls.on('message', (question: Question) => {
    if (question.kind === 'call') answer(question.id, () => ask(kernel, stack, question, clock.now()));
    else if (question.kind === 'close') void close(kernel, driver, stack, clock, question.timeoutNs);
    driver.schedule();
  });
  report({ kind: 'opened', local: stack.live.local, level: stack.live.level });
}

function ask(kernel: KernelDevice, stack: WireStack, question: Question & { kind: 'call' }, now: Nanos): unknown {
  if (question.name === 'wireCounters') return stack.counters();
  return kernel.call(question.name, question.args as never, now);
}

function answer(id: number, work: () => unknown): void {
  let message: Answer;
  try {
    message = { id, ok: true, result: work() };
  } catch (thrown) {
    message = { id, ok: false, error: toPlain(thrown, 'call') };
  }
  setup.calls.postMessage(message);
  Atomics.add(words, Word.ANSWERS, 1);
  Atomics.notify(words, Word.ANSWERS);
}

async function close(
  kernel: KernelDevice,
  driver: Driver,
  stack: WireStack,
  clock: Clock,
  timeoutNs: Nanos,
): Promise<void> {
  const end = clock.now() + timeoutNs;
  kernel.close(clock.now());
  while (!kernel.quiet() && clock.now() < end) {
    if (driver.progress() === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  driver.progress();
  const orderly = kernel.quiet();
  driver.close();
  stack.close();
  report({ kind: 'closed', orderly });
  setup.calls.close();
}

function report(message: Report): void {
  setup.reports.postMessage(message);
}
