/** What one run is asked to do, checked and with defaults, and what it tells at the end. */
import { type AbortSignalLike, VerbsError } from '@verbena/core';
import type { StandInTool, ToolKind } from './tools.ts';

/** What to do. Both sides have to be told the same size, number and kind, as with the tools themselves. */
export interface StandInRequest {
  readonly tool: StandInTool;
  /** Where the tool waits as the server. Without it, this side is the server. */
  readonly host?: string | undefined;
  /** Default: the tool's. */
  readonly port?: number | undefined;
  readonly size?: number | undefined;
  /** rping as the server: 0, the default, for as many rounds as the client wants. */
  readonly iterations?: number | undefined;
  /** Bytes, 256 to 4096. Default 1024, and what the port has. */
  readonly pathMtu?: number | undefined;
  readonly queuePairs?: number | undefined;
  readonly kind?: ToolKind | undefined;
  /** Connected by the connection manager, as the tool's option `-R`. */
  readonly manager?: boolean | undefined;
  /** Messages under way at a time, in tests of bandwidth. Default 128. */
  readonly depth?: number | undefined;
  /** Both sides send, as the option `-b` of ib_send_bw has it. */
  readonly bothWays?: boolean | undefined;
  readonly atomic?: 'fetch-add' | 'cmp-swap' | undefined;
  /** Code of the time-out of reliable queue pairs: 4.096 µs · 2^n. Default 16, a quarter of a second. */
  readonly timeout?: number | undefined;
  /** How long nothing may happen. Default 30,000. */
  readonly patienceMs?: number | undefined;
  /** How long a server waits for its client. Default 60,000. */
  readonly waitMs?: number | undefined;
  /** Server: address that the exchange is listened for on; default: the device's. */
  readonly exchangeAddress?: string | undefined;
  readonly signal?: AbortSignalLike | undefined;
  /** Is called when the server can be connected to. */
  readonly ready?: (() => void) | undefined;
}

/** A request with all defaults in. */
export type StandInPlan = {
  readonly [K in Exclude<keyof StandInRequest, 'host' | 'exchangeAddress' | 'signal' | 'ready'>]-?: NonNullable<
    StandInRequest[K]
  >;
} & Pick<StandInRequest, 'host' | 'exchangeAddress' | 'signal' | 'ready'> & { readonly isClient: boolean };

export interface StandInReport {
  readonly ok: boolean;
  /** One line for people: what was done, or what went wrong. */
  readonly text: string;
  /** Moved, both directions together. */
  readonly bytes: number;
  readonly iterations: number;
  readonly seconds: number;
  /** What was checked of the bytes. */
  readonly checked: string;
}

/**
 * A request with everything in.
 *
 * @param portMtu - payload bytes of a full packet of the device
 * @throws VerbsError EINVAL what the tool cannot do
 */ export function planOf(request: StandInRequest, portMtu: number): StandInPlan {
  const { tool, host, signal, ready, size = tool.size, kind = tool.kinds[0]!, port = tool.port } = request;
  const isClient = host !== undefined;
  const manager = request.manager ?? tool.manager === 'always';
  const pathMtu = Math.min(request.pathMtu ?? 1024, mtuBelow(portMtu));
  const queuePairs = request.queuePairs ?? tool.queuePairs;
  const iterations = request.iterations ?? (tool.iterations === 0 && isClient ? 10 : tool.iterations);
  const wrong = (problem: string, advice: string) => {
    throw new VerbsError('EINVAL', 'standIn', problem, { object: tool.name, try: advice });
  };
  if (!tool.kinds.includes(kind)) wrong(`it has no ${kind} queue pairs`, tool.kinds.join(', '));
  if (manager && tool.manager === 'never')
    wrong('it knows no connection manager', 'leave it out, or a perftest program');
  if (!manager && tool.manager === 'always') wrong('it needs the connection manager', 'do not switch it off');
  if (manager && kind !== 'RC') wrong(`it cannot connect ${kind} queue pairs by the connection manager here`, 'RC');
  if (request.pathMtu !== undefined && request.pathMtu > pathMtu) {
    wrong(
      `packets of ${request.pathMtu} bytes do not fit the device's ${portMtu}`,
      'openDevice({ payloadMtu }), or a smaller MTU',
    );
  }
  if (kind === 'UD' && size > pathMtu) wrong(`${size} bytes do not fit one datagram`, `at most ${pathMtu} bytes`);
  if (tool.verb === 'atomic' && size !== 8) wrong('an atomic has 8 bytes', 'leave the size out');
  if (queuePairs > 1 && tool.family !== 'perftest' && !tool.isShared)
    wrong('it has one queue pair', 'ibv_srq_pingpong');
  const { bothWays = false } = request;
  if (bothWays && tool.name !== 'ib_send_bw') wrong('it does not send both ways here', 'ib_send_bw');
  const { depth = 128, atomic = 'fetch-add', timeout = 16, patienceMs = 30_000, waitMs = 60_000 } = request;
  return {
    ...{ tool, host, signal, ready, size, kind, port, isClient, manager, pathMtu, queuePairs, iterations },
    ...{ depth, atomic, bothWays, timeout, patienceMs, waitMs, exchangeAddress: request.exchangeAddress },
  };
}

/** The largest path MTU that packets of so many payload bytes carry. */
function mtuBelow(payloadBytes: number): number {
  return Math.min(4096, Math.max(256, 2 ** Math.floor(Math.log2(payloadBytes))));
}

/** Code of a path MTU. */
export const mtuCode = (bytes: number): number => Math.log2(bytes) - 7;

/** `seconds`, `bytes` and what was checked as one line. */
export function reportOf(facts: Omit<StandInReport, 'ok' | 'text'>): StandInReport {
  const { bytes, iterations, seconds, checked } = facts;
  const time = Math.max(seconds, 1e-9);
  const rate = `${((bytes * 8) / time / 1e6).toFixed(2)} Mbit/s`;
  const text = `${iterations} iterations, ${bytes} bytes in ${seconds.toFixed(2)} s, ${rate}; checked: ${checked}`;
  return { ok: true, text, ...facts };
}
