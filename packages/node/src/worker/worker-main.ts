/** The program of a worker thread that runs the kernel half of one device. */
import { workerData } from 'node:worker_threads';
import { findTransport, type Nanos, type Session, System, VerbsError } from '@verbena/core';
import { DomainStore } from '../crypto/domain-store.ts';
import { Clock } from '../device/clock.ts';
import { protectedBy } from '../device/device-plan.ts';
import { LiveHost, randomWords } from '../device/live-host.ts';
import { type LinkPlan, LiveKernel } from '../device/live-kernel.ts';
import { localCredentials } from '../device/local-system.ts';
import { loadLibc } from '../memory/libc.ts';
import { MemoryPool } from '../memory/mapped-memory.ts';
import {
  type Answer,
  type LinkByName,
  type PlainError,
  type Question,
  type Report,
  toPlain,
  Word,
  type WorkerSetup,
} from './worker-protocol.ts';

const setup = workerData as WorkerSetup;
const words = new Int32Array(setup.words);

try {
  await serve();
} catch (thrown) {
  report({ kind: 'refused', error: toPlain(thrown, 'openDevice') });
  setup.calls.close();
}

async function serve(): Promise<void> {
  const libc = await loadLibc();
  const pool = new MemoryPool(libc);
  const system = new System(randomWords);
  const domains = setup.security === undefined ? undefined : DomainStore.of(setup.security.handed);
  system.secureDomains = domains;
  const clock = new Clock();
  const kernel = await LiveKernel.open({
    name: setup.name,
    system,
    links: setup.links.map((link) => linkOf(link, domains)),
    libc,
    pool,
    clock,
    host: (dma) => new LiveHost(dma, setup.seed, libc, pool, true),
    sleeping: (soft, asleep) => {
      Atomics.store(words, Word.ASLEEP, asleep ? 1 : 0);
      // Whoever rang before reading that word did not send a kick.
      return asleep && soft.rung();
    },
  });
  const session = system.session(localCredentials((number) => report({ kind: 'wake', number })));
  kernel.driver.hold(); // as long as the device is open, this thread lives and spins a little before it sleeps
  setup.calls.on('message', (question: Question) => {
    if (question.kind === 'call') answer({ id: question.id, message: session.invoke(question.message, clock.now()) });
    else if (question.kind === 'counters') answer({ id: question.id, counters: kernel.wireCounters() });
    else if (question.kind === 'domains')
      answer({ id: question.id, error: failureOf(() => domains!.follow(question.change)) });
    else if (question.kind === 'close') void close(kernel, session, question.timeoutNs);
    kernel.driver.schedule();
  });
  report({ kind: 'opened', name: kernel.device.name, local: kernel.stacks[0]!.live.local });
}

function linkOf({ transport: name, secured, ...rest }: LinkByName, domains: DomainStore | undefined): LinkPlan {
  const found = findTransport(name);
  const bare = rest.wire.ipProtocol === undefined ? found : found?.overIp;
  if (bare === undefined) throw new VerbsError('ENOENT', 'openDevice', `no transport '${name}'`);
  if (!secured) return { ...rest, transport: bare };
  const { handed: _, ...options } = setup.security!;
  return { ...rest, bare, transport: protectedBy({ domains: domains!, ...options }, bare) };
}

function failureOf(change: () => void): PlainError | undefined {
  try {
    change();
    return undefined;
  } catch (thrown) {
    return toPlain(thrown, 'secureDomain');
  }
}

function answer(message: Answer): void {
  setup.calls.postMessage(message);
  Atomics.add(words, Word.ANSWERS, 1);
  Atomics.notify(words, Word.ANSWERS);
}

async function close(kernel: LiveKernel, session: Session, timeoutNs: Nanos): Promise<void> {
  const orderly = await kernel.shutdown(timeoutNs);
  session.close();
  kernel.close();
  report({ kind: 'closed', orderly });
  setup.calls.close();
}

function report(message: Report): void {
  setup.reports.postMessage(message);
}
