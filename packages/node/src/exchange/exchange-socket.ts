/** An {@link ExchangeLink} over TCP, and the listener that accepts it. Small messages, one peer, everything limited. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { type AbortSignalLike, type ErrorCode, VerbsError } from '@verbena/core';
import { EXCHANGE_TIMEOUT_MS, type ExchangeLink, type ReadOptions } from './exchange-link.ts';

export interface ExchangeTarget {
  /** Where the peer's tool listens: an IP address or a host name. */
  readonly host: string;
  readonly port: number;
  /** Local address of the connection. Default: the system's choice. */
  readonly from?: string | undefined;
  /** Default {@link EXCHANGE_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignalLike | undefined;
}

export class ExchangeSocket implements ExchangeLink {
  readonly form = 'text';
  readonly peer: string;
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #held = 0;
  #ended = false;
  #failure = '';
  readonly #change = new Change();

  /** For {@link connect} and {@link ExchangeListener}. */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.peer = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => this.#end(''));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end(''));
  }

  /**
   * Connects to a tool that listens.
   *
   * @throws VerbsError `ECONNREFUSED` nobody listens there · `ETIMEDOUT` no answer · `EADDRNOTAVAIL` no such host, or no way
   *   there. An aborted `signal` throws its reason.
   */
  static connect({
    host,
    port,
    from,
    timeoutMs = EXCHANGE_TIMEOUT_MS,
    signal,
  }: ExchangeTarget): Promise<ExchangeSocket> {
    const place = `${host}:${port}`;
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
      const done = (error?: unknown) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        socket.removeAllListeners();
        if (error === undefined) return resolve(new ExchangeSocket(socket));
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      };
      const abort = () => done(signal?.reason);
      const timer = setTimeout(() => done(noAnswer(place, timeoutMs)), timeoutMs);
      signal?.addEventListener('abort', abort);
      socket.once('connect', () => done());
      socket.once('error', (error) => done(connectFault(place, error)));
      if (signal?.aborted) abort();
    });
  }

  async read(bytes: number, options: ReadOptions = {}): Promise<Uint8Array> {
    const { timeoutMs = EXCHANGE_TIMEOUT_MS, signal, what = 'its next word' } = options;
    return await this.#change.until(
      () => {
        if (this.#held >= bytes) return this.#pull(bytes);
        if (this.#ended) throw this.#gone(what, bytes);
        return undefined;
      },
      timeoutMs,
      signal,
      () =>
        new VerbsError('ETIMEDOUT', 'exchange', `${this.peer} did not say ${what} within ${timeoutMs / 1000} s`, {
          given: `${this.#held} of ${bytes} bytes`,
          try: 'the same tool with the same options on both sides, and look at what it prints there',
        }),
    );
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#socket.destroyed || this.#failure !== '') throw this.#gone('anything', 0);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new VerbsError('ETIMEDOUT', 'exchange', `${this.peer} does not take what is sent to it`));
      }, EXCHANGE_TIMEOUT_MS);
      this.#socket.write(bytes, (error) => {
        clearTimeout(timer);
        if (error === undefined || error === null) resolve();
        else reject(this.#gone('anything', 0));
      });
    });
  }

  async drain(timeoutMs: number): Promise<void> {
    // Both sides may wait like this.
    this.#socket.end();
    const end = performance.now() + timeoutMs;
    while (!this.#ended) {
      this.#chunks.length = 0;
      this.#held = 0;
      const left = end - performance.now();
      if (left <= 0) return;
      await this.#change.next(left);
    }
  }

  close(): void {
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #take(chunk: Buffer): void {
    if (this.#held > MAX_HELD) return this.#end('it says more than the protocol has');
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    this.#change.tell();
  }

  #pull(bytes: number): Uint8Array {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    const rest = all.subarray(bytes);
    this.#chunks.length = 0;
    if (rest.length > 0) this.#chunks.push(rest);
    this.#held = rest.length;
    return new Uint8Array(all.subarray(0, bytes));
  }

  #end(failure: string): void {
    this.#ended = true;
    this.#failure ||= failure;
    this.#change.tell();
  }

  #gone(what: string, bytes: number): VerbsError {
    const why = this.#failure === '' ? 'closed the connection' : `is gone (${this.#failure})`;
    return new VerbsError('EIO', 'exchange', `${this.peer} ${why} instead of saying ${what}`, {
      ...(bytes === 0 ? {} : { given: `${this.#held} of ${bytes} bytes` }),
      try: 'look at what the tool prints on the other side: it refused something',
    });
  }
}

/** Something that may change, and the one who waits for it. */
class Change {
  #told: (() => void) | undefined;

  tell(): void {
    this.#told?.();
  }

  /** Resolves when it is told, or after a while. */
  next(timeoutMs: number, signal?: AbortSignalLike): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.#told = undefined;
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      signal?.addEventListener('abort', done);
      this.#told = done;
    });
  }

  /**
   * Looks at once, and again after each change, until something is seen.
   *
   * @throws what `look` throws; the reason of an aborted signal; `late` when the time is over
   */
  async until<T>(
    look: () => T | undefined,
    timeoutMs: number,
    signal: AbortSignalLike | undefined,
    late: () => Error,
  ): Promise<T> {
    for (const end = performance.now() + timeoutMs; ; ) {
      if (signal?.aborted) throw signal.reason;
      const seen = look();
      if (seen !== undefined) return seen;
      const left = end - performance.now();
      if (left <= 0) throw late();
      await this.next(left, signal);
    }
  }
}

/** Waits for tools that connect. */
export class ExchangeListener {
  readonly address: string;
  readonly port: number;
  readonly #server: Server;
  readonly #waiting: ExchangeSocket[] = [];
  readonly #change = new Change();

  private constructor(server: Server, address: string, port: number) {
    this.#server = server;
    this.address = address;
    this.port = port;
    server.on('connection', (socket) => {
      if (this.#waiting.length >= MAX_WAITING) socket.destroy();
      else this.#waiting.push(new ExchangeSocket(socket));
      this.#change.tell();
    });
  }

  /** @throws VerbsError `EADDRINUSE` somebody has the port · `EADDRNOTAVAIL` not an address of this machine */
  static open({ address, port }: { readonly address: string; readonly port: number }): Promise<ExchangeListener> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', (error) => reject(listenFault(`${address}:${port}`, error)));
      server.listen({ host: address, port }, () => {
        const bound = server.address();
        resolve(new ExchangeListener(server, address, typeof bound === 'object' && bound !== null ? bound.port : port));
      });
    });
  }

  /** @throws VerbsError ETIMEDOUT nobody came. An aborted `signal` throws its reason. */
  async next(options: {
    readonly timeoutMs: number;
    readonly signal?: AbortSignalLike | undefined;
  }): Promise<ExchangeSocket> {
    const { timeoutMs, signal } = options;
    return await this.#change.until(
      () => this.#waiting.shift(),
      timeoutMs,
      signal,
      () =>
        new VerbsError(
          'ETIMEDOUT',
          'exchange',
          `nobody connected to ${this.address}:${this.port} within ${timeoutMs / 1000} s`,
        ),
    );
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#waiting.splice(0)) socket.close();
  }
}

function noAnswer(place: string, timeoutMs: number): VerbsError {
  return new VerbsError('ETIMEDOUT', 'exchange', `${place} did not answer within ${timeoutMs / 1000} s`, {
    try: 'check that the address can be reached and that no firewall is in the way',
  });
}

function connectFault(place: string, error: NodeJS.ErrnoException): VerbsError {
  if (error.code === 'ECONNREFUSED') {
    return new VerbsError('ECONNREFUSED', 'exchange', `nobody listens at ${place}`, {
      try: 'start the tool there first, as the server, or give its port',
    });
  }
  if (error.code === 'ETIMEDOUT') return noAnswer(place, 0);
  return new VerbsError('EADDRNOTAVAIL', 'exchange', `${place} cannot be reached (${error.code ?? error.message})`, {
    try: 'an IP address of the machine that the tool runs on',
  });
}

function listenFault(place: string, error: NodeJS.ErrnoException): VerbsError {
  const known: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
    EADDRINUSE: ['EADDRINUSE', 'another program has the port', 'another port, on both sides'],
    EADDRNOTAVAIL: ['EADDRNOTAVAIL', 'it is not an address of this machine', 'an address of this machine'],
    EACCES: ['EACCES', 'the port is reserved', 'a port from 1024'],
  };
  const [code, problem, advice] = known[error.code ?? ''] ?? ['EIO', error.message, 'another address or port'];
  return new VerbsError(code, 'exchange', `${place} cannot be listened on: ${problem}`, { try: advice });
}

/** Largest message, with room: 256 cards of the pingpong programs. */
const MAX_HELD = 64 << 10;
const MAX_WAITING = 4;
