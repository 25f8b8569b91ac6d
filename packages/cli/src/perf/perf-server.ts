/** The passive side as a process of its own: one client at a time. */
import { refusal } from '../failure.ts';
import { Channel, type Listener } from '../session/channel.ts';
import { type DeviceFigures, figuresOf, figuresSince } from '../session/device-figures.ts';
import type { Endpoint } from '../session/endpoint.ts';
import { answerHello } from '../session/hello.ts';
import type { Peer } from '../session/peers.ts';
import { type Body, isCount } from '../session/session.ts';
import { createLane, createLaneResponder } from './create-lane.ts';
import type { Lane } from './lane.ts';
import { cardBody, type LaneRequest, parseLaneRequest } from './perf-messages.ts';
import type { Responder } from './responder.ts';

export interface PerfServerEvents {
  onClient(address: string, request: LaneRequest, lane: Lane): void;
  onBye(): void;
  onFailure(error: unknown): void;
}

export class PerfServer implements Listener {
  readonly #channel: Channel;
  readonly #events: PerfServerEvents;
  #session: Session | undefined;

  constructor(endpoint: Endpoint, events: PerfServerEvents) {
    this.#events = events;
    this.#channel = new Channel(endpoint, this);
  }

  /** Lets clients come. */
  listen(): Promise<void> {
    return this.#channel.listen();
  }

  asked(from: Peer, ask: string, body: Body): Body {
    switch (ask) {
      case 'hello':
        return answerHello(this.#channel, body, 'perf');
      case 'lane':
        return this.#open(from, parseLaneRequest(body));
      case 'ready':
        return this.#start(from);
      case 'done':
        return this.#done(from, body);
      case 'bye':
        if (this.#session?.from === from) this.#end();
        setImmediate(() => this.#events.onBye());
        return {};
      default:
        throw refusal('EOPNOTSUPP', ask.slice(0, 20), 'the server does not know the request');
    }
  }

  left(from: Peer): void {
    if (this.#session?.from !== from) return;
    this.#end();
    this.#events.onFailure(refusal('EIO', 'perf', 'the client left in the middle of a measurement'));
  }

  async close(): Promise<void> {
    this.#end();
    await this.#channel.close();
  }

  #open(from: Peer, request: LaneRequest): Body {
    if (this.#session !== undefined && this.#session.from !== from) {
      throw refusal('EBUSY', 'perf', 'the server measures with another client', {
        try: 'again when that has finished',
      });
    }
    this.#end();
    const { endpoint } = this.#channel;
    const lane = createLane(request.test, endpoint, request);
    lane.fill(request.seed);
    lane.connect(from, request.card);
    const responder = createLaneResponder(request.test, lane);
    const before = figuresOf(endpoint.device);
    this.#session = { from, request, lane, responder, before, cpu: process.cpuUsage(), seen: -1, seenAt: 0 };
    this.#events.onClient(from.address, request, lane);
    return { card: cardBody(lane.card) };
  }

  #start(from: Peer): Body {
    const session = this.#sessionOf(from);
    session.before = figuresOf(this.#channel.endpoint.device);
    session.cpu = process.cpuUsage();
    session.seenAt = performance.now();
    this.#channel.drive = () => this.#step(session);
    const { responder } = session;
    this.#channel.idle = responder.idle === undefined ? undefined : () => responder.idle!();
    return {};
  }

  #done(from: Peer, body: Body): Body {
    const { lane, request, before, cpu } = this.#sessionOf(from);
    this.#channel.drive = undefined;
    const messages = isCount(body.messages) ? body.messages : 0;
    const { user, system } = process.cpuUsage(cpu);
    const figures = figuresSince(this.#channel.endpoint.device, before);
    const verified = request.test.operation === 'read' || lane.verify(request.test, messages, request.seed);
    this.#end();
    return {
      verified,
      retransmitted: figures.retransmittedPackets,
      dropped: figures.droppedPackets,
      cpuMicros: user + system,
    };
  }

  /** A burst of steps: the loop of the channel looks for messages in between. */
  #step(session: Session): void {
    try {
      const { responder } = session;
      const steps = this.#channel.endpoint.device.polls ? STEPS : 1;
      for (let i = 0; i < steps; i++) responder.step();
      const now = performance.now();
      if (responder.activity !== session.seen) {
        session.seen = responder.activity;
        session.seenAt = now;
      } else if (now - session.seenAt > SILENCE_MS) {
        throw refusal('ETIMEDOUT', 'perf', `the client was silent for ${SILENCE_MS / 1e3} s`);
      }
    } catch (thrown) {
      this.#end();
      this.#events.onFailure(thrown);
    }
  }

  #sessionOf(from: Peer): Session {
    if (this.#session?.from === from) return this.#session;
    throw refusal('ENOENT', 'perf', 'the server gave this measurement up');
  }

  #end(): void {
    this.#channel.drive = undefined;
    this.#session?.lane.close();
    this.#session = undefined;
  }
}

interface Session {
  readonly from: Peer;
  readonly request: LaneRequest;
  readonly lane: Lane;
  readonly responder: Responder;
  before: DeviceFigures;
  cpu: NodeJS.CpuUsage;
  seen: number;
  seenAt: number;
}

const STEPS = 2_000;
const SILENCE_MS = 15_000;
