/** The port to a kernel half in a worker thread, which drives the device by itself (automatic progress). */
import { availableParallelism } from 'node:os';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { type KernelPort, type Message, type Nanos, type UserMemory, VerbsError } from '@verbena/core';
import type { DomainChange } from '../crypto/domain-store.ts';
import { Clock } from '../device/clock.ts';
import type { SecurityOptions } from '../device/device-plan.ts';
import { Waiters } from '../device/waiters.ts';
import type { LocalAddress } from '../wire/live-wire.ts';
import {
  type Answer,
  fromPlain,
  type PlainError,
  type Question,
  type Report,
  WORDS_BYTES,
  Word,
  type WorkerSetup,
} from './worker-protocol.ts';

export class WorkerPort implements KernelPort {
  readonly memory: UserMemory;
  /** A second thread that spins needs a core of its own. */
  readonly polls = availableParallelism() > CORES_OF_ONE_DEVICE;
  readonly local: LocalAddress;
  /** Name that the device was registered under. */
  readonly device: string;
  readonly #worker: Worker;
  readonly #calls: MessagePort;
  readonly #reports: MessagePort;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #waiters: Waiters;
  readonly #clock = new Clock();
  #nextId = 1;
  #closed: ((orderly: boolean) => void) | undefined;
  #dead = '';
  #holds = 0;

  #endFollowing = (): void => {};

  /** Starts the thread and opens the device there. @throws VerbsError as opening it here would */
  static async start({ security, ...setup }: WorkerPlan, memory: UserMemory): Promise<WorkerPort> {
    if (security === undefined) return await WorkerPort.#start({ ...setup, security }, memory);
    const { domains, ...options } = security;
    let port: WorkerPort | undefined;
    const missed: DomainChange[] = [];
    const { handed, end } = domains.handOver((change) => {
      if (port === undefined) missed.push(change);
      else port.#changeDomains(change);
    });
    try {
      port = await WorkerPort.#start({ ...setup, security: { ...options, handed } }, memory);
    } catch (error) {
      end();
      throw error;
    }
    port.#endFollowing = end;
    for (const change of missed) port.#changeDomains(change);
    return port;
  }

  static async #start(
    setup: Omit<WorkerSetup, 'calls' | 'reports' | 'words'>,
    memory: UserMemory,
  ): Promise<WorkerPort> {
    const calls = new MessageChannel();
    const reports = new MessageChannel();
    const words = new SharedArrayBuffer(WORDS_BYTES);
    const workerData: WorkerSetup = { ...setup, calls: calls.port2, reports: reports.port2, words };
    const worker = new Worker(workerFile(), { workerData, execArgv: [], transferList: [calls.port2, reports.port2] });
    return await new Promise((resolve, reject) => {
      const failed = (error: unknown) =>
        reject(new VerbsError('EIO', 'openDevice', `the worker failed: ${String(error)}`));
      worker.once('error', failed);
      worker.once('exit', failed);
      reports.port1.once('message', (report: Report) => {
        worker.off('error', failed);
        worker.off('exit', failed);
        if (report.kind === 'opened')
          resolve(new WorkerPort(worker, calls.port1, reports.port1, words, memory, report));
        else {
          reject(report.kind === 'refused' ? fromPlain(report.error) : new Error('the worker did not open a device'));
          calls.port1.close();
          reports.port1.close();
          void worker.terminate();
        }
      });
    });
  }

  private constructor(
    worker: Worker,
    calls: MessagePort,
    reports: MessagePort,
    words: SharedArrayBuffer,
    memory: UserMemory,
    opened: { readonly name: string; readonly local: LocalAddress },
  ) {
    this.#worker = worker;
    this.#calls = calls;
    this.#reports = reports;
    this.#words = new Int32Array(words);
    this.memory = memory;
    this.local = opened.local;
    this.device = opened.name;
    this.#waiters = new Waiters(
      () => this.#hold(1),
      () => this.#hold(-1),
    );
    reports.on('message', (report: Report) => this.#reported(report));
    worker.on('error', (error) => this.#died(`its worker failed: ${String(error)}`));
    worker.on('exit', () => this.#died('its worker ended'));
    reports.unref();
    worker.unref();
  }

  get failure(): string {
    return this.#dead;
  }

  invoke(message: Message): Message {
    const answer = this.#ask('invoke', (id) => ({ kind: 'call', id, message }));
    return (answer as { readonly message: Message }).message;
  }

  wireCounters(): Record<string, number> {
    const answer = this.#ask('counters', (id) => ({ kind: 'counters', id }));
    return (answer as { readonly counters: Record<string, number> }).counters;
  }

  /** Returns when the device works with the change. */
  #changeDomains(change: DomainChange): void {
    if (this.#dead !== '') return;
    const { error } = this.#ask('secureDomain', (id) => ({ kind: 'domains', id, change })) as {
      readonly error: PlainError | undefined;
    };
    if (error !== undefined) throw fromPlain(error);
  }

  progress(): number {
    this.scheduleProgress();
    return 0;
  }

  scheduleProgress(): void {
    if (Atomics.load(this.#words, Word.ASLEEP) === 0 || this.#dead !== '') return;
    // One kick is enough: the worker says again when it sleeps again.
    Atomics.store(this.#words, Word.ASLEEP, 0);
    this.#calls.postMessage({ kind: 'kick' } satisfies Question);
  }

  now(): Nanos {
    return this.#clock.now();
  }

  async wait(wake: number, timeoutNs: Nanos, background?: boolean): Promise<void> {
    // who waits looks at `failure` next
    if (this.#dead === '') await this.#waiters.wait(wake, timeoutNs, background);
  }

  wake(wake: number): void {
    this.#waiters.wake(wake);
  }

  /** Whether the device keeps the process alive although nobody waits. */
  keep(alive: boolean): void {
    this.#hold(alive ? 1 : -1);
  }

  /** Ends device and thread. @returns whether the transport could close in order */
  async close(timeoutNs: Nanos): Promise<boolean> {
    let orderly = false;
    if (this.#dead === '') {
      this.#hold(1);
      const closed = new Promise<boolean>((resolve) => {
        this.#closed = resolve;
      });
      this.#calls.postMessage({ kind: 'close', timeoutNs } satisfies Question);
      const late = new Promise<boolean>((resolve) => setTimeout(resolve, timeoutNs / 1e6 + GRACE_MS, false).unref());
      orderly = await Promise.race([closed, late]);
      this.#hold(-1);
    }
    this.#died('it is closed');
    await this.#worker.terminate();
    this.#calls.close();
    this.#reports.close();
    return orderly;
  }

  #hold(by: number): void {
    this.#holds += by;
    if (this.#holds > 0) this.#reports.ref();
    else this.#reports.unref();
  }

  /** Asks and blocks until the answer is there: calls of the control path are synchronous. */
  #ask(call: string, questionOf: (id: number) => Question): Answer {
    if (this.#dead !== '') throw new VerbsError('EIO', call, `the device does not answer: ${this.#dead}`);
    const id = this.#nextId++;
    const end = this.#clock.now() + ANSWER_MS * 1e6;
    this.#calls.postMessage(questionOf(id));
    for (;;) {
      const seen = Atomics.load(this.#words, Word.ANSWERS);
      const answer = receiveMessageOnPort(this.#calls)?.message as Answer | undefined;
      if (answer !== undefined) {
        if (answer.id === id) return answer;
        continue; // too late for a question that was given up
      }
      const left = (end - this.#clock.now()) / 1e6;
      if (left <= 0 || Atomics.wait(this.#words, Word.ANSWERS, seen, left) === 'timed-out') {
        throw new VerbsError('EIO', call, `the device's worker did not answer within ${ANSWER_MS} ms`, {
          try: 'close the device and open it again',
        });
      }
    }
  }

  #reported(report: Report): void {
    if (report.kind === 'wake') this.#waiters.wake(report.number);
    else if (report.kind === 'closed') this.#closed?.(report.orderly);
  }

  #died(why: string): void {
    if (this.#dead !== '') return;
    this.#dead = why;
    this.#endFollowing();
    this.#closed?.(false);
    this.#waiters.close(`the device does not answer: ${why}`);
  }
}

type WorkerPlan = Omit<WorkerSetup, 'calls' | 'reports' | 'words' | 'security'> & {
  readonly security: SecurityOptions | undefined;
};

/** The thread's program. From sources, before a build, there is only the built one. */
function workerFile(): URL {
  const built = import.meta.url.endsWith('.ts') ? '../../dist/worker/worker-main.js' : './worker-main.js';
  return new URL(built, import.meta.url);
}

/** Device and program. */
const CORES_OF_ONE_DEVICE = 2;
const ANSWER_MS = 10_000;
/** For the thread to say that it closed. */
const GRACE_MS = 1_000;
