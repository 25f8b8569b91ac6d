/** The programs of perftest 4.5, either side: what they say to each other, and when. @spec verbs/8.6 */
import { EXCHANGE_TIMEOUT_MS, type ExchangeLink, type PerftestCard, PerftestExchange, RdmaLink } from '@verbena/node';
import { PerftestLane } from './perftest-lane.ts';
import { exchangeLatency } from './perftest-latency.ts';
import { runStream } from './perftest-stream.ts';
import { reportOf, type StandInPlan, type StandInReport } from './plan.ts';
import { linger, type ToolBench } from './tool-bench.ts';
import { ToolConnections } from './tool-connections.ts';
import { meet } from './tool-meeting.ts';

/**
 * What happens, in order: `one` and `each` are cards of the first or of every queue pair; `post` makes room for messages;
 * after `run` some tell results, most say goodbye, and one just leaves.
 */
type Step = 'one' | 'each' | 'connect' | 'post' | 'run' | 'report' | 'finish' | 'leave';

const ONE_SIDED_BANDWIDTH: readonly Step[] = ['each', 'connect', 'each', 'one', 'run', 'one', 'report', 'finish'];
const ROUND_TRIPS: readonly Step[] = ['one', 'each', 'connect', 'each', 'one', 'run', 'finish'];
const MESSAGES: readonly Step[] = ['each', 'connect', 'one', 'each', 'post', 'one', 'run', 'finish'];

/** Of ib_send_bw with `-b`. */
const MESSAGES_BOTH_WAYS: readonly Step[] = [
  'each',
  'connect',
  'one',
  'each',
  'post',
  'one',
  'run',
  'report',
  'finish',
];

const STEPS: Readonly<Record<string, readonly Step[]>> = {
  ib_write_bw: ONE_SIDED_BANDWIDTH,
  ib_read_bw: ONE_SIDED_BANDWIDTH,
  ib_atomic_bw: ONE_SIDED_BANDWIDTH,
  ib_send_bw: MESSAGES,
  ib_write_lat: ['one', 'each', 'connect', 'each', 'one', 'run', 'leave'],
  ib_read_lat: ROUND_TRIPS,
  ib_atomic_lat: ROUND_TRIPS,
  ib_send_lat: MESSAGES,
};

export async function runPerftest(bench: ToolBench, plan: StandInPlan): Promise<StandInReport> {
  if (!plan.manager) {
    const link = await meet(bench, plan);
    try {
      return await new PerftestRun(bench, plan, link, undefined).toTheEnd();
    } finally {
      link.close();
    }
  }
  const connections = new ToolConnections(bench, plan);
  const link = new RdmaLink(bench.context, bench.pd, bench.sgidIndex);
  let patience: number | undefined = 0;
  try {
    if (!plan.isClient) plan.ready?.();
    const { peer } = await connections.connect(link.queuePair, 0, [], () => link.postReceives());
    link.peer = peer.address;
    const report = await new PerftestRun(bench, plan, link, connections).toTheEnd();
    patience = undefined;
    return report;
  } finally {
    await connections.close(patience);
    link.close();
  }
}

class PerftestRun {
  readonly #bench: ToolBench;
  #plan: StandInPlan;
  readonly #link: ExchangeLink;
  readonly #exchange: PerftestExchange;
  readonly #connections: ToolConnections | undefined;

  constructor(bench: ToolBench, plan: StandInPlan, link: ExchangeLink, connections: ToolConnections | undefined) {
    this.#bench = bench;
    this.#plan = plan;
    this.#link = link;
    this.#connections = connections;
    this.#exchange = new PerftestExchange(link, plan.isClient ? 'client' : 'server', plan.signal);
  }

  async toTheEnd(): Promise<StandInReport> {
    const { isClient, tool } = this.#plan;
    const terms = await this.#exchange.agree(this.#plan.pathMtu);
    this.#plan = { ...this.#plan, pathMtu: terms.pathMtu };
    const lane = new PerftestLane(this.#bench, this.#plan, terms, this.#connections !== undefined);
    if (this.#connections !== undefined) await this.#connectAll(lane, this.#connections);
    let seconds = 0;
    for (const step of this.#plan.bothWays ? MESSAGES_BOTH_WAYS : STEPS[tool.name]!) {
      if (step === 'one') lane.theirs[0] = await this.#shake(lane.cards[0]!, isClient ? undefined : WORK_MS);
      else if (step === 'each') await this.#shakeAll(lane);
      else if (step === 'connect') lane.connect();
      else if (step === 'post') lane.postReceives();
      else if (step === 'run') seconds = await this.#run(lane);
      else if (step === 'report') seconds = await this.#report(lane, seconds);
      else if (step === 'finish') await this.#exchange.finish(lane.cards[0]!, isClient ? undefined : WORK_MS);
      else await this.#leave();
    }
    lane.checkMemory();
    const { iterations, size, queuePairs, measures } = { ...this.#plan, measures: tool.measures };
    const isMutual = measures === 'latency' && (tool.verb === 'write' || tool.verb === 'send');
    const both = isMutual || this.#plan.bothWays ? 2 : 1;
    return reportOf({ bytes: size * iterations * queuePairs * both, iterations, seconds, checked: lane.checked });
  }

  /** Nobody says anything in between; the tool's last message may have to be acknowledged again. */
  async #leave(): Promise<void> {
    if (this.#connections !== undefined) await linger(LINGER_MS);
    else await this.#link.drain(LEAVE_MS);
  }

  async #connectAll(lane: PerftestLane, connections: ToolConnections): Promise<void> {
    const { isClient } = this.#plan;
    await this.#shake(NO_CARD, EXCHANGE_TIMEOUT_MS);
    for (const qp of lane.queuePairs) await connections.connect(qp, lane.reads, lane.access);
    await this.#shake(NO_CARD, isClient ? undefined : EXCHANGE_TIMEOUT_MS);
  }

  async #shakeAll(lane: PerftestLane): Promise<void> {
    for (const [i, card] of lane.cards.entries()) lane.theirs[i] = await this.#shake(card);
  }

  #shake(card: PerftestCard, timeoutMs?: number): Promise<PerftestCard> {
    return this.#exchange.shake(card, timeoutMs);
  }

  /** @returns how long it took, seconds */
  async #run(lane: PerftestLane): Promise<number> {
    const { tool } = this.#plan;
    if (tool.measures === 'bandwidth' || tool.verb === 'read' || tool.verb === 'atomic') {
      return lane.sends || lane.receives > 0 ? await runStream(lane) : 0;
    }
    const start = performance.now();
    await exchangeLatency(lane);
    return (performance.now() - start) / 1e3;
  }

  /** @returns the client's figure: of these tests the server only knows that they took place */
  async #report(lane: PerftestLane, seconds: number): Promise<number> {
    const { size, iterations, isClient } = this.#plan;
    const messages = iterations * lane.queuePairs.length;
    const time = Math.max(seconds, 1e-9);
    const average = (messages * size) / time / 2 ** 20;
    const mine = { size, iterations, peak: average, average, messageRate: messages / time / 1e6 };
    const theirs = await this.#exchange.report(mine);
    if (isClient || this.#plan.bothWays) return seconds;
    return theirs.average > 0 ? (messages * size) / 2 ** 20 / theirs.average : 0;
  }
}

const NO_CARD: PerftestCard = {
  ...{ qpn: 0, psn: 0, rkey: 0, outstandingReads: 0 },
  ...{ remoteAddress: 0n, address: '::' },
};
/** How long a client may work. */
const WORK_MS = 300_000;
const LINGER_MS = 500;
/** How long a tool may take to leave. */
const LEAVE_MS = 3000;
