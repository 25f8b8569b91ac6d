/** What is played in a ping-pong, and what both sides print of it. */
import { refusal } from '../failure.ts';
import { drive } from '../perf/measurement.ts';
import type { PerfLane } from '../perf/perf-lane.ts';
import { MAX_SIZE } from '../perf/perf-messages.ts';
import type { PingPong } from '../perf/ping-pong.ts';
import type { Output } from '../print/output.ts';
import type { Endpoint } from '../session/endpoint.ts';
import { isCount } from '../session/session.ts';

export interface Game {
  /** Bytes of a message. */
  readonly size: number;
  /** Round trips. */
  readonly iterations: number;
  /** Look at each byte. */
  readonly check: boolean;
  /** Rounds before the clock starts: code that runs for the first time is a hundred times slower. */
  readonly warmUp: number;
  /** Payload bytes of a packet, if the user said so. */
  readonly mtu?: number;
  /** Port, if the user said so. */
  readonly port?: number;
}

/** How two sides find each other, and which of them says what is played. */
export interface Meeting {
  /** The client's side: one game with a server. */
  play(endpoint: Endpoint, server: string, game: Game, output: Output): Promise<void>;
  /**
   * The server's side: resolves when a game is over.
   *
   * @param game - what is played where the client does not decide
   */
  serve(endpoint: Endpoint, game: Game, output: Output, signal: AbortSignal): Promise<void>;
}

/** A queue pair as the tools print it. */
export interface Player {
  readonly qpn: number;
  readonly psn: number;
  readonly gid: string;
}

/** What a client wants to play. @throws VerbsError EINVAL nobody plays that */
export function parseGame({ size, iterations, warmUp, check }: Readonly<Record<string, unknown>>): Game {
  if (isCount(size) && size >= 1 && size <= MAX_SIZE && isCount(iterations) && iterations >= 1 && isCount(warmUp)) {
    return { size, iterations, warmUp, check: check === true };
  }
  throw refusal('EINVAL', 'pingpong', 'size, iterations or rounds to warm up are out of range');
}

/** Requests of the queue pair that a game needs. */
export const GAME_DEPTH = 16;

/**
 * Plays to the end. A side that has received everything is done: the other one may be gone before its last
 * acknowledgement arrives.
 */
export async function playToEnd(run: PingPong, lane: PerfLane): Promise<void> {
  try {
    await drive(run, lane.endpoint.device.polls);
  } catch (thrown) {
    if (!run.hasAll) throw thrown;
  }
}

export function printPlayers(output: Output, local: Player, remote: Player): void {
  const hex = (value: number) => `0x${value.toString(16).padStart(6, '0')}`;
  const line = ({ qpn, psn, gid }: Player) => `LID 0x0000, QPN ${hex(qpn)}, PSN ${hex(psn)}, GID ${gid}`;
  output.text(`  local address:  ${line(local)}`);
  output.text(`  remote address: ${line(remote)}`);
}

export function printTotals(output: Output, run: PingPong, { size, iterations }: Game): void {
  const seconds = (performance.now() - run.startedAt) / 1e3;
  const bytes = size * iterations * 2;
  output.text(`${bytes} bytes in ${seconds.toFixed(2)} seconds = ${((bytes * 8) / seconds / 1e6).toFixed(2)} Mbit/sec`);
  output.text(
    `${iterations} iters in ${seconds.toFixed(2)} seconds = ${((seconds * 1e6) / iterations).toFixed(2)} usec/iter`,
  );
  output.json({ bytes, iterations, size_bytes: size, seconds, usec_per_iteration: (seconds * 1e6) / iterations });
}
