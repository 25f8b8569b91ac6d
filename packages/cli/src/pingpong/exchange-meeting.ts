/** A ping-pong whose sides tell each other their queue pairs over TCP, as ibv_rc_pingpong does: it may be either side. */
import {
  answerPingpong,
  EXCHANGE_PORT,
  ExchangeListener,
  ExchangeSocket,
  introducePingpong,
  type PingpongCard,
} from '@verbena/node';
import { PerfLane } from '../perf/perf-lane.ts';
import { PingPong } from '../perf/ping-pong.ts';
import type { Output } from '../print/output.ts';
import { peerUdpPort } from '../session/carrier.ts';
import { type Endpoint, gidText } from '../session/endpoint.ts';
import { GAME_DEPTH, type Game, type Meeting, playToEnd, printPlayers, printTotals } from './game.ts';

export const EXCHANGE_MEETING: Meeting = { play, serve };

async function play(endpoint: Endpoint, server: string, game: Game, output: Output): Promise<void> {
  const side = new Side(endpoint, game, true);
  const socket = await ExchangeSocket.connect({ host: server, port: game.port ?? EXCHANGE_PORT });
  try {
    const [theirs] = await introducePingpong(socket, { cards: [side.card] });
    side.join(theirs!, server);
  } finally {
    socket.close();
  }
  await side.play(output);
}

async function serve(endpoint: Endpoint, game: Game, output: Output, signal: AbortSignal): Promise<void> {
  const port = game.port ?? EXCHANGE_PORT;
  const listener = await ExchangeListener.open({ address: endpoint.address, port });
  const side = new Side(endpoint, game, false);
  try {
    output.json({ listening: endpoint.address, port: listener.port });
    const socket = await listener.next({ timeoutMs: FOREVER_MS, signal });
    try {
      const connect = ([theirs]: readonly PingpongCard[]) => side.join(theirs!, socket.peer.replace(/:\d+$/, ''));
      await answerPingpong(socket, { cards: [side.card], signal }, connect);
    } finally {
      socket.close();
    }
  } finally {
    listener.close();
  }
  await side.play(output);
}

/** One side: its receives are posted before the other one knows of it. */
class Side {
  readonly #lane: PerfLane;
  readonly #game: Game;
  readonly #run: PingPong;
  #remote: PingpongCard | undefined;

  constructor(endpoint: Endpoint, game: Game, starts: boolean) {
    this.#game = game;
    this.#lane = new PerfLane(endpoint, { size: game.size, depth: GAME_DEPTH, ordered: true });
    this.#run = new PingPong(this.#lane, game.iterations, starts, game.check);
  }

  get card(): PingpongCard {
    const { qpn, psn } = this.#lane.link.end;
    return { qpn, psn, address: this.#lane.endpoint.address };
  }

  /** @param host - where the peer is, if its tool was not told its address */
  join(card: PingpongCard, host: string): void {
    const address = card.address === '::' ? host : card.address;
    this.#remote = { ...card, address };
    const port = peerUdpPort(this.#lane.endpoint.transport, undefined);
    this.#lane.link.join({ address, port }, { qpn: card.qpn, psn: card.psn, mtu: this.#game.mtu ?? TOOL_MTU });
  }

  async play(output: Output): Promise<void> {
    const remote = this.#remote!;
    const { gid } = this.#lane.endpoint;
    printPlayers(output, { ...this.card, gid }, { ...remote, gid: gidText(remote.address) });
    await playToEnd(this.#run, this.#lane);
    printTotals(output, this.#run, this.#game);
  }
}

/** What the tools take unless they are told otherwise. */
const TOOL_MTU = 1024;
const FOREVER_MS = 2 ** 31 - 1;
