/** A client of the daemon that follows no rule: any bytes, any descriptors, and calls by the schema. */
import { VerbsError } from '@verbena/core';
import {
  answerCookie,
  decodeAnswer,
  encodeRequest,
  type Input,
  MANAGEMENT,
  type Method,
  type ObjectSchema,
  type Output,
  UAPI,
} from '@verbena/core/uapi';
import {
  closeDescriptor,
  connectPacketSocket,
  EAGAIN,
  type Packet,
  receivePacket,
  sendPacket,
} from './system-calls.ts';

export interface RawCall {
  readonly context?: number;
  readonly driver?: number;
  readonly room?: number;
  readonly files?: readonly number[];
}

export class RawClient {
  readonly fd: number;
  /** Wake numbers that came so far. */
  wakes = 0;
  answers = 0;
  ended = false;
  #cookie = 0;

  /** @param fd - a connected socket */
  constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * @param keep - rights to keep, bits of `DEVICE.OPEN`; all that the user has when left out
   * @throws Error the daemon does not take the connection
   */
  static connect(path: string, keep?: number): RawClient {
    const fd = connectPacketSocket(path);
    if (fd < 0) throw new Error(`connecting to ${path}: error ${-fd}`);
    const client = new RawClient(fd);
    if (keep !== undefined) client.send(linkFrame(HELLO, keep));
    return client;
  }

  /** @returns 'full' when the daemon has to read first */
  send(bytes: Uint8Array, fds: readonly number[] = []): 'sent' | 'full' | 'gone' {
    const error = sendPacket(this.fd, bytes, fds);
    if (error === 0) return 'sent';
    if (error === EAGAIN) return 'full';
    this.ended = true;
    return 'gone';
  }

  /** As {@link send}; tries again while the daemon reads. */
  sendPatiently(bytes: Uint8Array, fds: readonly number[] = [], timeoutMs = 5000): boolean {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const sent = this.send(bytes, fds);
      if (sent === 'sent') return true;
      if (sent === 'gone' || performance.now() > until) return false;
      Atomics.wait(PAUSE, 0, 0, 1);
    }
  }

  kick(): 'sent' | 'full' | 'gone' {
    return this.send(KICK_FRAME);
  }

  /** The next answer; undefined after the time, or at the end. Wake numbers are counted. */
  receive(timeoutMs: number): Packet | undefined {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const packet = receivePacket(this.fd, Math.max(0, Math.ceil(until - performance.now())));
      if (packet === 'end') this.ended = true;
      if (packet === 'end' || packet === 'none') return undefined;
      if (!isWakeFrame(packet.bytes)) {
        this.answers++;
        return packet;
      }
      this.wakes++;
    }
  }

  /** Sends one frame and waits for its answer. Descriptors of the answer are closed. */
  exchange(bytes: Uint8Array, fds: readonly number[] = [], timeoutMs = ANSWER_MS): Packet | undefined {
    if (!this.sendPatiently(bytes, fds)) return undefined;
    const answer = this.receive(timeoutMs);
    for (const fd of answer?.fds ?? []) closeDescriptor(fd);
    return answer;
  }

  /** A call by the schema. @throws VerbsError what the answer says. @throws Error no answer */
  call<M extends Method>(of: ObjectSchema, method: M, input: Input<M>, options: RawCall = {}): Output<M> {
    const { output, fds } = this.callWithFiles(of, method, input, options);
    for (const fd of fds) closeDescriptor(fd);
    return output;
  }

  /** As {@link call}; the caller gets the descriptors of the answer. */
  callWithFiles<M extends Method>(
    of: ObjectSchema,
    method: M,
    input: Input<M>,
    { files = [], ...header }: RawCall = {},
  ): { readonly output: Output<M>; readonly fds: readonly number[] } {
    const cookie = (this.#cookie = (this.#cookie + 1) >>> 0);
    const bytes = encodeRequest(of, method, input, { ...header, cookie });
    if (!this.sendPatiently(bytes, files)) throw new Error(`${of.name}: the daemon does not read`);
    const answer = this.receive(ANSWER_MS);
    if (answer === undefined) throw new Error(`${of.name}: no answer${this.ended ? ', the connection ended' : ''}`);
    if (answerCookie(answer.bytes) !== cookie) throw new Error(`${of.name}: the answer to another call`);
    return { output: decodeAnswer(method, answer.bytes), fds: answer.fds };
  }

  /** As {@link call}. @returns the error code; 'OK' when the call did something */
  outcome<M extends Method>(of: ObjectSchema, method: M, input: Input<M>, options: RawCall = {}): string {
    try {
      this.call(of, method, input, options);
      return 'OK';
    } catch (thrown) {
      if (thrown instanceof VerbsError) return thrown.code;
      throw thrown;
    }
  }

  open(device: string): RawContext {
    const opened = this.call(UAPI.DEVICE, UAPI.DEVICE.methods.OPEN, { device });
    return new RawContext(this, opened);
  }

  /** A call of the management channel. @throws VerbsError what the answer says */
  manage<O extends keyof typeof MANAGEMENT>(
    object: O,
    method: string,
    input: object,
  ): Readonly<Record<string, unknown>> {
    const of: ObjectSchema = MANAGEMENT[object];
    return this.call(of, of.methods[method]!, input as never) as never;
  }

  close(): void {
    closeDescriptor(this.fd);
  }
}

type Opened = Output<(typeof UAPI)['DEVICE']['methods']['OPEN']>;

export class RawContext {
  readonly client: RawClient;
  readonly opened: Opened;

  constructor(client: RawClient, opened: Opened) {
    this.client = client;
    this.opened = opened;
  }

  get header(): { readonly context: number; readonly driver: number } {
    return { context: this.opened.context, driver: this.opened.driver };
  }

  /** @throws VerbsError what the answer says */
  call<O extends keyof typeof UAPI>(
    object: O,
    method: keyof (typeof UAPI)[O]['methods'],
    input: object,
    files: readonly number[] = [],
  ): Readonly<Record<string, unknown>> {
    const of: ObjectSchema = UAPI[object];
    return this.client.call(of, of.methods[method as string]!, input as never, { ...this.header, files }) as never;
  }

  /** @returns the error code; 'OK' when the call did something */
  outcome<O extends keyof typeof UAPI>(
    object: O,
    method: keyof (typeof UAPI)[O]['methods'],
    input: object,
    files: readonly number[] = [],
  ): string {
    const of: ObjectSchema = UAPI[object];
    return this.client.outcome(of, of.methods[method as string]!, input as never, { ...this.header, files });
  }
}

export function linkFrame(kind: number, value = 0): Uint8Array {
  const words = new Uint16Array([16, 0, 0xffff, kind, value & 0xffff, value >>> 16, 1, 0]);
  return new Uint8Array(words.buffer);
}

const isWakeFrame = (bytes: Uint8Array): boolean => bytes.length >= 16 && bytes[4] === 0xff && bytes[5] === 0xff;

const HELLO = 1;
const KICK_FRAME = linkFrame(2);
const ANSWER_MS = 10_000;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));
/** Rights by the bits of a HELLO. */
export const Keep = { NONE: 0, JOB: 2 } as const;
