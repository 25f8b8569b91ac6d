/** Queue pairs that the connection manager connects, for tools with `-R` and for rping. */

import { type AccessRight, isVerbsError, type QueuePair } from '@verbena/core';
import { type Connection, ConnectionManager, type ConnectionOptions, type Listener } from '@verbena/core/cm';
import type { StandInPlan } from './plan.ts';
import { linger, type ToolBench } from './tool-bench.ts';

export class ToolConnections {
  readonly #plan: StandInPlan;
  readonly #manager: ConnectionManager;
  readonly #listener: Listener | undefined;
  readonly #open: Connection[] = [];

  /** A server listens from now on. */
  constructor(bench: ToolBench, plan: StandInPlan) {
    this.#plan = plan;
    this.#manager = ConnectionManager.open(bench.context, { sgidIndex: bench.sgidIndex });
    this.#listener = plan.isClient ? undefined : this.#manager.listen({ port: plan.port, backlog: BACKLOG });
  }

  /**
   * Connects one queue pair: asks the tool, or takes the next request of one.
   *
   * @param reads - reads and atomics that each side may have under way; 0 in tests that have none
   * @param access - what the peer may do
   * @param prepare - is called when receives can be posted
   */
  async connect(
    qp: QueuePair,
    reads: number,
    access: readonly AccessRight[],
    prepare: () => void = () => {},
  ): Promise<Connection> {
    const begin = () => {
      this.#manager.prepare(qp, { access });
      prepare();
    };
    begin();
    const { timeout } = this.#plan;
    const options = { qp, access, timeout, initiatorDepth: reads, responderResources: reads };
    const connection = this.#listener === undefined ? await this.#ask(options, begin) : await this.#answer(options);
    this.#open.push(connection);
    return connection;
  }

  /** Ends everything, the last connection first. A server lets its client say when. */
  async close(patienceMs = CLOSE_MS): Promise<void> {
    for (const connection of this.#open.reverse()) {
      if (!this.#plan.isClient) await connection.waitClosed({ timeoutMs: patienceMs }).catch(() => {});
      await connection.disconnect().catch(() => {});
    }
    this.#listener?.close();
    await this.#manager.close();
  }

  async #answer(options: ConnectionOptions): Promise<Connection> {
    const { signal, waitMs } = this.#plan;
    const request = await this.#listener!.next({ timeoutMs: waitMs, ...(signal === undefined ? {} : { signal }) });
    return await request.accept(options);
  }

  /** The tool closes its first listener before it opens the second: a refusal means little at first. */
  async #ask(options: ConnectionOptions, begin: () => void): Promise<Connection> {
    const { host, port, signal } = this.#plan;
    const { qp } = options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#manager.connect({
          ...options,
          address: host!,
          port,
          ...(signal === undefined ? {} : { signal }),
        });
      } catch (thrown) {
        if (!isVerbsError(thrown) || thrown.code !== 'ECONNREFUSED' || attempt === ATTEMPTS) throw thrown;
        await linger(RETRY_MS);
        if (qp.state === 'INIT') continue;
        qp.modify({ state: 'RESET' });
        begin();
      }
    }
  }
}

const BACKLOG = 16;
/** How long the client gets to say goodbye. */
const CLOSE_MS = 5000;
const ATTEMPTS = 30;
const RETRY_MS = 100;
