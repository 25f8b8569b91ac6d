/**
 * The port to a kernel half in a daemon. Calls block until they are answered; posting and polling make none, because
 * rings and doorbells lie in memory that both map. The daemon drives the device by itself (automatic progress).
 */
import { availableParallelism } from 'node:os';
import { type Context, type KernelPort, type Message, type Nanos, VerbsError } from '@verbena/core';
import { Clock } from '../device/clock.ts';
import { Waiters } from '../device/waiters.ts';
import { LinkFrame, linkFrame, parseWakeFrame } from '../ipc/link-frames.ts';
import type { SeqpacketConnection } from '../ipc/seqpacket.ts';
import { connectSeqpacket } from '../ipc/seqpacket-client.ts';
import { type Libc, requireLibc, type Watch } from '../memory/libc.ts';
import { ReceivedFile } from '../memory/received-file.ts';
import { DaemonMemory, type OutgoingFile } from './daemon-memory.ts';

export interface DaemonPortOptions {
  /** Most memory that `allocate` hands out. */
  readonly memoryBytes?: number | undefined;
  /** Rights to keep, bits of `DEVICE.OPEN`; all that the user has when left out. */
  readonly rights?: number | undefined;
}

export class DaemonPort implements KernelPort {
  readonly memory: DaemonMemory;
  /** Somebody who spins needs a core beside those of the daemon and of the program at the other end. */
  readonly polls = availableParallelism() > CORES_OF_A_PAIR;
  readonly #path: string;
  readonly #libc: Libc;
  readonly #connection: SeqpacketConnection;
  readonly #watch: Watch;
  readonly #waiters: Waiters;
  readonly #clock = new Clock();
  /** Whose doorbells are rung. */
  #contexts: Context[] = [];
  /** What came with the last answer and was not mapped. */
  #files: readonly ReceivedFile[] = [];
  /** Woken numbers that came while a call waited for its answer. */
  readonly #woken: number[] = [];
  #cookie = 0;
  #failure = '';
  #holds = 0;

  /** @throws VerbsError as connecting says, see {@link connectSeqpacket} */
  static connect(libc: Libc | undefined, path: string, options: DaemonPortOptions = {}): DaemonPort {
    const calls = requireLibc(libc, 'openDevice');
    return new DaemonPort(calls, path, connectSeqpacket(calls, path), options);
  }

  private constructor(libc: Libc, path: string, connection: SeqpacketConnection, options: DaemonPortOptions) {
    this.#libc = libc;
    this.#path = path;
    this.#connection = connection;
    this.memory = new DaemonMemory(libc, connection.peer.pid, options.memoryBytes);
    this.#waiters = new Waiters(
      () => this.hold(1),
      () => this.hold(-1),
    );
    this.#watch = connection.watch(() => this.#readable());
    this.#watch.unref();
    if (options.rights !== undefined) connection.send(linkFrame(LinkFrame.HELLO, options.rights));
  }

  get failure(): string {
    return this.#failure;
  }

  invoke({ bytes, attachments }: Message): Message {
    this.#check();
    for (const file of this.#files) file.close();
    this.#files = [];
    const cookie = (this.#cookie = (this.#cookie + 1) >>> 0);
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setUint32(COOKIE_AT, cookie, true);
    const fds = attachments.map((one) => (one as OutgoingFile).fd);
    const end = performance.now() + ANSWER_MS;
    const sent = this.#connection.sendBlocking(bytes, fds, ANSWER_MS);
    if (sent === 'gone') this.#end();
    else if (sent === 'full') throw this.#silent();
    for (;;) {
      const received = this.#connection.receiveBlocking(end - performance.now());
      if (received === undefined) {
        if (!this.#connection.ended) throw this.#silent();
        this.#end();
        this.#check();
      } else {
        const wakes = parseWakeFrame(received.bytes);
        if (wakes !== undefined) this.#wakeSoon(wakes);
        else if (cookieOf(received.bytes) === cookie) {
          this.#files = received.fds.map((fd) => new ReceivedFile(this.#libc, fd));
          return { bytes: received.bytes.slice(), attachments: this.#files };
        } else for (const fd of received.fds) this.#libc.close(fd); // too late for a call that was given up
      }
    }
  }

  /** The daemon drives; polling only makes sure that it is awake when there is something to do. */
  progress(): number {
    return 0;
  }

  scheduleProgress(): void {
    const contexts = this.#contexts;
    let kick = false;
    for (let i = 0; i < contexts.length; i++) {
      const { page } = contexts[i]!;
      if (!page.asleep()) continue;
      // one kick is enough: the daemon says again when it sleeps again
      page.setAsleep(false);
      kick = true;
    }
    // when there is no room, the daemon has something to read and will wake from that
    if (kick && this.#failure === '') this.#connection.send(KICK);
  }

  now(): Nanos {
    return this.#clock.now();
  }

  async wait(wake: number, timeoutNs: Nanos, background?: boolean): Promise<void> {
    // who waits looks at `failure` next
    if (this.#failure === '') await this.#waiters.wait(wake, timeoutNs, background);
  }

  wake(wake: number): void {
    this.#waiters.wake(wake);
  }

  /** Doorbells of this context may be rung from now on. */
  attach(context: Context): void {
    this.#contexts = [...this.#contexts.filter((one) => one.isOpen), context];
  }

  /** By 1: somebody waits, and the process lives on; by -1: that is over. */
  hold(by: 1 | -1): void {
    this.#holds += by;
    if (this.#holds > 0) this.#watch.ref();
    else this.#watch.unref();
  }

  close(): void {
    this.#fail('it is closed');
    this.#connection.close();
    for (const file of this.#files) file.close();
    this.#files = [];
    this.#contexts = [];
    this.memory.releaseAll();
  }

  /** Between calls only wake numbers come, and the end. */
  #readable(): void {
    for (let budget = FRAMES_PER_TURN; budget > 0; budget--) {
      const received = this.#connection.receive();
      if (received === undefined) {
        if (this.#connection.ended) this.#end();
        return;
      }
      for (const fd of received.fds) this.#libc.close(fd);
      for (const number of parseWakeFrame(received.bytes) ?? []) this.#waiters.wake(number);
    }
  }

  /** Not from within the call: who waits may make calls of its own. */
  #wakeSoon(numbers: readonly number[]): void {
    if (this.#woken.length === 0) {
      queueMicrotask(() => {
        for (const number of this.#woken.splice(0)) this.#waiters.wake(number);
      });
    }
    this.#woken.push(...numbers);
  }

  #end(): void {
    this.#fail(`the daemon at ${this.#path} closed the connection`);
    this.#watch.close();
  }

  #fail(why: string): void {
    if (this.#failure !== '') return;
    this.#failure = why;
    this.#waiters.close(`the device does not answer: ${why}`);
  }

  #check(): void {
    if (this.#failure === '') return;
    throw new VerbsError('EIO', 'invoke', `the device does not answer: ${this.#failure}`, {
      try: 'close the device and open it again, when the daemon is back',
    });
  }

  #silent(): VerbsError {
    return new VerbsError('EIO', 'invoke', `the daemon at ${this.#path} did not answer within ${ANSWER_MS} ms`, {
      try: 'is it stopped? `verbena up` starts one',
    });
  }
}

function cookieOf(bytes: Uint8Array): number {
  return bytes.length < ANSWER_BYTES ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
}

const KICK = linkFrame(LinkFrame.KICK);
/** Where the cookie stands in a request. */
const COOKIE_AT = 20;
const ANSWER_BYTES = 16;
const ANSWER_MS = 10_000;
const FRAMES_PER_TURN = 64;
/** Daemon, and two programs. */
const CORES_OF_A_PAIR = 3;
