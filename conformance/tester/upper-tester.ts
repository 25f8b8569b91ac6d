/**
 * The program above the endpoint, at the end of a line of JSON: makes queues and memory, posts work, tells what completed.
 * One request a line, `{"id":1,"do":"queue",...}`; one answer a line, `{"id":1,"result":{...}}` or `{"id":1,"error":"..."}`.
 */
import { connect } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import { Broken, Skipped } from '../rule.ts';
import type { QueueTarget, RegionTarget } from '../target.ts';

/** A queue of a program of the endpoint. */
export interface UpperQueue extends QueueTarget {
  readonly queue: string;
}

export interface UpperRegion extends RegionTarget {
  readonly region: string;
}

export interface UpperCompletion {
  /** `SUCCESS` or the name of what went wrong. */
  readonly status: string;
  readonly bytes: number;
  /** Return code or NACK code behind the status. */
  readonly vendorStatus: number;
  readonly imm?: string;
  readonly sourceId: number;
  readonly jobId: number;
  /** Of a receive or a read, hexadecimal. */
  readonly data?: string;
}

export class UpperTester {
  readonly #out: Writable;
  readonly #close: () => void;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #next = 0;
  #rest = '';
  #ended = '';

  constructor(input: Readable, output: Writable, close: () => void = () => {}) {
    this.#out = output;
    this.#close = close;
    input.setEncoding('utf8');
    input.on('data', (part: string) => this.#read(part));
    input.resume(); // whoever read from it before may have paused it
    for (const stream of [input, output]) stream.on('error', () => this.#end());
    input.on('close', () => this.#end());
  }

  /** An upper tester that listens on TCP. */
  static connect(where: string): Promise<UpperTester> {
    const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(where) ?? [];
    if (host === undefined) return Promise.reject(new Error(`upperTester: '${where}' is not host:port`));
    return new Promise((resolve, reject) => {
      const socket: Duplex = connect({ host, port: Number(port), timeout: ANSWER_MS });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new UpperTester(socket, socket, () => socket.destroy()));
      });
    });
  }

  /** @throws Broken the upper tester is gone, or says no · Skipped it does not know the request */
  call<T>(what: string, values: object, timeoutMs = ANSWER_MS): Promise<T> {
    if (this.#ended !== '') return Promise.reject(new Broken('an answer of the upper tester', this.#ended));
    const id = ++this.#next;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Broken(`an answer of the upper tester to '${what}'`, `nothing in ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.set(id, ({ error, unknown, result }) => {
        clearTimeout(timer);
        if (unknown === true) reject(new Skipped(`the upper tester does not know '${what}'`));
        else if (error !== undefined) reject(new Broken(`'${what}' of the upper tester to succeed`, error));
        else resolve(result as T);
      });
      this.#out.write(`${JSON.stringify({ id, do: what, ...values })}\n`);
    });
  }

  close(): void {
    this.#close();
    this.#end();
  }

  #read(part: string): void {
    const lines = (this.#rest + part).split('\n');
    this.#rest = lines.pop()!.slice(-MAX_LINE);
    for (const line of lines) {
      let answer: Answer;
      try {
        answer = JSON.parse(line) as Answer;
      } catch {
        continue; // not for us
      }
      const done = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      done?.(answer);
    }
  }

  #end(): void {
    if (this.#ended !== '') return;
    this.#ended = 'it ended';
    for (const done of this.#waiting.values()) done({ id: 0, error: this.#ended });
    this.#waiting.clear();
  }
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
  /** The request is not one that it knows. */
  readonly unknown?: boolean;
}

const ANSWER_MS = 10_000;
const MAX_LINE = 2 ** 20;
