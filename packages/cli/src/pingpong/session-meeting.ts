/** A ping-pong that is arranged by messages of a session: the client decides what is played. */
import { stopped } from '../command-runner.ts';
import { refusal } from '../failure.ts';
import { drive } from '../perf/measurement.ts';
import { PerfLane } from '../perf/perf-lane.ts';
import { cardBody, parseCard } from '../perf/perf-messages.ts';
import { PingPong } from '../perf/ping-pong.ts';
import type { Output } from '../print/output.ts';
import { Channel } from '../session/channel.ts';
import { type Endpoint, gidText } from '../session/endpoint.ts';
import { answerHello, sayHello } from '../session/hello.ts';
import type { Peer } from '../session/peers.ts';
import type { Body } from '../session/session.ts';
import { GAME_DEPTH, type Game, type Meeting, parseGame, printPlayers, printTotals } from './game.ts';

export const SESSION_MEETING: Meeting = { play, serve };

async function play(endpoint: Endpoint, server: string, game: Game, output: Output): Promise<void> {
  const channel = new Channel(endpoint, {});
  const to = await channel.connect(server);
  await sayHello(channel, to, 'pingpong');
  const lane = new PerfLane(endpoint, { size: game.size, depth: GAME_DEPTH, ordered: true });
  const { size, iterations, check, warmUp } = game;
  const answer = await channel.request(to, 'play', { size, iterations, check, warmUp, card: cardBody(lane.card) });
  const card = parseCard(answer.card);
  lane.connect(to, card);
  printPlayers(output, { ...lane.card, gid: endpoint.gid }, { ...card, gid: gidText(server) });
  const run = new PingPong(lane, game.iterations, true, game.check, game.warmUp);
  await drive(run, endpoint.device.polls);
  printTotals(output, run, game);
  await channel.request(to, 'bye', {}).catch(() => {});
  await channel.close();
}

async function serve(endpoint: Endpoint, _game: Game, output: Output, signal: AbortSignal): Promise<void> {
  let channel: Channel | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      channel = new Channel(endpoint, {
        asked: (from, ask, body) => {
          if (ask === 'hello') return answerHello(channel!, body, 'pingpong');
          if (ask === 'play') return answerPlay(channel!, from, body, output, reject);
          if (ask !== 'bye') throw refusal('EOPNOTSUPP', 'pingpong', 'the server does not know the request');
          setImmediate(resolve);
          return {};
        },
      });
      channel.listen().catch(reject);
      output.json({ listening: endpoint.address, port: endpoint.servicePort });
      void stopped(signal).then(() => reject(signal.reason));
    });
  } finally {
    await channel?.close();
  }
}

function answerPlay(channel: Channel, from: Peer, body: Body, output: Output, fail: (error: unknown) => void): Body {
  const { endpoint } = channel;
  if (channel.drive !== undefined) throw refusal('EBUSY', 'pingpong', 'the server plays with another client');
  const game = parseGame(body);
  const card = parseCard(body.card);
  const lane = new PerfLane(endpoint, { size: game.size, depth: GAME_DEPTH, ordered: true });
  lane.connect(from, card);
  printPlayers(output, { ...lane.card, gid: endpoint.gid }, { ...card, gid: gidText(from.address) });
  const run = new PingPong(lane, game.iterations, false, game.check, game.warmUp);
  const steps = endpoint.device.polls ? STEPS : 1;
  let seen = 0;
  let seenAt = performance.now();
  channel.idle = () => run.idle();
  channel.drive = () => {
    try {
      for (let i = 0; i < steps; i++) {
        if (!run.step()) continue;
        channel.drive = undefined;
        printTotals(output, run, game);
        return;
      }
      const now = performance.now();
      if (run.progress !== seen) [seen, seenAt] = [run.progress, now];
      else if (now - seenAt > SILENCE_MS) throw refusal('ETIMEDOUT', 'pingpong', 'the client went silent');
    } catch (thrown) {
      channel.drive = undefined;
      fail(thrown);
    }
  };
  return { card: cardBody(lane.card) };
}

const STEPS = 2_000;
const SILENCE_MS = 15_000;
