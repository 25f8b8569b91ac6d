/** The measuring side when the other one is another process. */
import { Channel } from '../session/channel.ts';
import type { Endpoint } from '../session/endpoint.ts';
import { sayHello } from '../session/hello.ts';
import type { Peer } from '../session/peers.ts';
import { isCount } from '../session/session.ts';
import { createLane } from './create-lane.ts';
import type { Lane, LaneCard } from './lane.ts';
import { measureSize, type SizeResult } from './measure-size.ts';
import { wrongData } from './perf-loopback.ts';
import { laneBody, parseCard } from './perf-messages.ts';
import type { PerfPlan } from './perf-tests.ts';

export class PerfClient {
  readonly #channel: Channel;
  readonly #server: Peer;

  private constructor(channel: Channel, server: Peer) {
    this.#channel = channel;
    this.#server = server;
  }

  static async connect(endpoint: Endpoint, address: string): Promise<PerfClient> {
    const channel = new Channel(endpoint, {});
    const server = await channel.connect(address);
    await sayHello(channel, server, 'perf');
    return new PerfClient(channel, server);
  }

  async measure(plan: PerfPlan, size: number, onLane: (local: Lane, remote: LaneCard) => void): Promise<SizeResult> {
    const { endpoint } = this.#channel;
    const shape = { size, depth: plan.depth, ordered: plan.ordered };
    const lane = createLane(plan.test, endpoint, shape);
    lane.fill(plan.seed);
    const body = laneBody({ ...shape, test: plan.test, seed: plan.seed, card: lane.card });
    const card = parseCard((await this.#channel.request(this.#server, 'lane', body)).card);
    lane.connect(this.#server, card);
    await this.#channel.request(this.#server, 'ready', {});
    onLane(lane, card);
    const result = await measureSize(plan, lane, undefined);
    const there = await this.#channel.request(this.#server, 'done', { messages: result.messages });
    const isRight =
      plan.test.operation === 'read' ? lane.verify(plan.test, result.messages, plan.seed) : there.verified === true;
    if (!isRight) throw wrongData(size);
    lane.close();
    const count = (name: string) => (isCount(there[name]) ? (there[name] as number) : 0);
    return {
      ...result,
      retransmittedPackets: result.retransmittedPackets + count('retransmitted'),
      droppedPackets: result.droppedPackets + count('dropped'),
      cpuSeconds: result.cpuSeconds + count('cpuMicros') / 1e6,
    };
  }

  /** Tells the server that it may go. */
  async bye(): Promise<void> {
    await this.#channel.request(this.#server, 'bye', {}).catch(() => {});
  }
}
