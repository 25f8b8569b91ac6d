/**
 * A ping-pong over a connection of the connection manager, as programs with librdmacm play it: the client says in the
 * private data of its request what is played.
 */
import { type Connection, ConnectionManager, type ConnectionRequest, type Listener } from '@verbena/core/cm';
import { refusal } from '../failure.ts';
import { PerfLane } from '../perf/perf-lane.ts';
import { PingPong } from '../perf/ping-pong.ts';
import type { Output } from '../print/output.ts';
import { type Endpoint, gidText } from '../session/endpoint.ts';
import { GAME_DEPTH, type Game, type Meeting, parseGame, playToEnd, printPlayers, printTotals } from './game.ts';

export const CONNECTION_MEETING: Meeting = { play, serve };

async function play(endpoint: Endpoint, server: string, game: Game, output: Output): Promise<void> {
  const { lane, run } = sideOf(endpoint, game, true);
  const manager = ConnectionManager.open(endpoint.context, { sgidIndex: endpoint.sgidIndex });
  try {
    const { qp } = lane;
    const port = endpoint.servicePort;
    const privateData = gameBytes(game);
    const connection = await manager.connect({ address: server, port, qp, privateData, timeout: TIMEOUT });
    printConnection(output, endpoint, connection);
    await playToEnd(run, lane);
    printTotals(output, run, game);
    await connection.disconnect();
  } finally {
    await manager.close();
  }
}

async function serve(endpoint: Endpoint, ours: Game, output: Output, signal: AbortSignal): Promise<void> {
  checkStyle(endpoint);
  const manager = ConnectionManager.open(endpoint.context, { sgidIndex: endpoint.sgidIndex });
  try {
    const listener = manager.listen({ port: endpoint.servicePort });
    output.json({ listening: endpoint.address, port: listener.port });
    const { request, game } = await nextGame(listener, ours, signal);
    const { lane, run } = sideOf(endpoint, game, false);
    const connection = await request.accept({ qp: lane.qp, timeout: TIMEOUT });
    printConnection(output, endpoint, connection);
    await playToEnd(run, lane);
    printTotals(output, run, game);
    await connection.waitClosed({ timeoutMs: FAREWELL_MS }).catch(() => {});
  } finally {
    await manager.close();
  }
}

/** The first client who wants to play something that can be played. */
async function nextGame(
  listener: Listener,
  ours: Game,
  signal: AbortSignal,
): Promise<{ readonly request: ConnectionRequest; readonly game: Game }> {
  for (;;) {
    const request = await listener.next({ signal });
    try {
      return { request, game: gameOf(request.privateData) ?? { ...ours, warmUp: 0 } };
    } catch {
      request.reject();
    }
  }
}

/** Receives are posted before there is a connection: the first message may come with it. */
function sideOf(endpoint: Endpoint, game: Game, starts: boolean): { readonly lane: PerfLane; readonly run: PingPong } {
  checkStyle(endpoint);
  const lane = new PerfLane(endpoint, { size: game.size, depth: GAME_DEPTH, ordered: true });
  return { lane, run: new PingPong(lane, game.iterations, starts, game.check, game.warmUp) };
}

function checkStyle({ style, transport }: Endpoint): void {
  if (style === 'connected') return;
  throw refusal('EOPNOTSUPP', 'pingpong', `${transport} connects nobody: its queue pairs reach everybody`, {
    try: 'without --cm, or --transport roce',
  });
}

function printConnection(output: Output, { gid }: Endpoint, { qp, peer, parameters }: Connection): void {
  const remote = { qpn: peer.qpn, psn: parameters.rqPsn, gid: gidText(peer.address) };
  printPlayers(output, { qpn: qp.qpn, psn: parameters.sqPsn, gid }, remote);
}

/** Private data: mark, bytes of a message, round trips, rounds to warm up, whether to look at each byte. */
function gameBytes({ size, iterations, warmUp, check }: Game): Uint8Array {
  const bytes = new Uint8Array(GAME_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of [MARK, size, iterations, warmUp].entries()) view.setUint32(4 * i, word);
  bytes[16] = check ? 1 : 0;
  return bytes;
}

/** Undefined where some other program connects: this side's options count then. */
function gameOf(bytes: Uint8Array): Game | undefined {
  if (bytes.length < GAME_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [mark, size, iterations, warmUp] = [0, 4, 8, 12].map((at) => view.getUint32(at));
  if (mark !== MARK) return undefined;
  return parseGame({ size, iterations, warmUp, check: bytes[16] === 1 });
}

/** `vpp` and a version. */
const MARK = 0x76_70_70_01;
const GAME_BYTES = 17;
/** 4.096 µs · 2^15: a program that computes for a second is not taken for dead. */
const TIMEOUT = 15;
/** How long the client has to end the connection. */
const FAREWELL_MS = 2_000;
