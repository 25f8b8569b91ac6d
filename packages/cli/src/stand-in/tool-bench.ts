/** What one run of a tool has on a device, and how it waits for completions. All of it ends with {@link ToolBench.close}. */
import { randomInt } from 'node:crypto';
import {
  type AccessRight,
  type AddressHandle,
  Completion,
  CompletionBatch,
  type CompletionQueue,
  type Context,
  type DeviceHandle,
  type MemoryRegion,
  type ProtectionDomain,
  type QueuePair,
  type SharedReceiveQueue,
  Status,
  VerbsError,
} from '@verbena/core';
import { mtuCode, type StandInPlan } from './plan.ts';
import type { ToolKind } from './tools.ts';

/** What a side says about one of its queue pairs. */
export interface PeerCard {
  readonly qpn: number;
  readonly psn: number;
  readonly address: string;
  readonly outstandingReads?: number;
}

export interface QueuePairPlan {
  readonly kind: ToolKind;
  readonly sendDepth: number;
  readonly receiveDepth: number;
  readonly srq?: SharedReceiveQueue;
  /** Takes it to INIT with these rights; left out: it stays in RESET. */
  readonly access?: readonly AccessRight[];
}

export class ToolBench {
  readonly context: Context;
  readonly pd: ProtectionDomain;
  readonly batch = new CompletionBatch(64);
  readonly sgidIndex: number;
  /** Address of this side. */
  readonly address: string;
  /** Payload bytes of a full packet. */
  readonly portMtu: number;
  readonly #device: DeviceHandle & { ref?(): void; unref?(): void };
  readonly #queuePairs: QueuePair[] = [];

  constructor(device: DeviceHandle) {
    this.#device = device;
    this.context = device.open();
    try {
      const { gids, activeMtu } = this.context.queryPort();
      const entry = gids.find(({ type }) => type === 'RoCE v2');
      if (entry === undefined) {
        throw new VerbsError(
          'EOPNOTSUPP',
          'standIn',
          'the tools of Linux machines speak RoCEv2, which the device does not',
          {
            given: gids.map(({ type }) => type).join(', '),
            try: "openDevice({ transport: 'roce', … })",
          },
        );
      }
      this.sgidIndex = entry.index;
      this.address = entry.gid.replace(/^::ffff:(?=[0-9.]+$)/, '');
      this.portMtu = activeMtu;
      this.pd = this.context.allocatePd();
    } catch (thrown) {
      this.context.close();
      throw thrown;
    }
    // Peers read and write while this program waits for the exchange.
    this.#device.ref?.();
  }

  register(bytes: number, access: readonly AccessRight[]): MemoryRegion {
    return this.pd.registerMemory(this.context.allocate(Math.max(bytes, 64)), { access });
  }

  completionQueue(entries: number): CompletionQueue {
    return this.context.createCompletionQueue({ entries });
  }

  sharedReceives(depth: number): SharedReceiveQueue {
    return this.pd.createSharedReceiveQueue({ depth });
  }

  queuePair(cq: CompletionQueue, { kind, sendDepth, receiveDepth, srq, access }: QueuePairPlan): QueuePair {
    const qp = this.pd.createQueuePair({
      type: kind,
      sendCq: cq,
      recvCq: cq,
      sgidIndex: this.sgidIndex,
      sendDepth,
      receiveDepth,
      ...(srq === undefined ? {} : { srq }),
    });
    this.#queuePairs.push(qp);
    if (access === undefined) return qp;
    if (kind === 'UD') qp.modify({ state: 'INIT', pkeyIndex: 0, port: 1, qkey: TOOL_QKEY });
    else qp.modify({ state: 'INIT', pkeyIndex: 0, port: 1, access });
    return qp;
  }

  /** Connects a queue pair in INIT as the peer's card says, up to RTS. */
  connect(qp: QueuePair, plan: StandInPlan, mine: PeerCard, theirs: PeerCard): void {
    if (theirs.address === '::') {
      throw new VerbsError('EIO', 'standIn', 'the peer did not say at which address its queue pair is', {
        object: plan.tool.name,
        try: 'the tool with its option -g (or -x) and the index of its RoCE v2 address',
      });
    }
    if (plan.kind === 'UD') {
      qp.modify({ state: 'RTR' });
      qp.modify({ state: 'RTS', sqPsn: mine.psn });
      return;
    }
    const peer = { peer: { address: theirs.address }, destQpn: theirs.qpn, rqPsn: theirs.psn };
    const pathMtu = mtuCode(plan.pathMtu);
    if (plan.kind === 'UC') {
      qp.modify({ state: 'RTR', ...peer, pathMtu });
      qp.modify({ state: 'RTS', sqPsn: mine.psn });
      return;
    }
    const { outstandingReads: serve = 1 } = mine;
    const { outstandingReads: ask = 1 } = theirs;
    qp.modify({ state: 'RTR', ...peer, pathMtu, maxDestRdAtomic: serve, minRnrTimer: MIN_RNR_TIMER });
    qp.modify({
      ...{ state: 'RTS', sqPsn: mine.psn, timeout: plan.timeout, retryCount: 7, rnrRetry: 7 },
      maxRdAtomic: Math.max(1, Math.min(ask, this.outstandingReads)),
    });
  }

  /** Where datagrams for a card go. */
  addressHandle(theirs: PeerCard): AddressHandle {
    const { address, qpn } = theirs;
    return this.pd.createAddressHandle({ address, qpn, sgidIndex: this.sgidIndex });
  }

  /** Reads and atomics that this side answers at a time. */
  get outstandingReads(): number {
    return Math.max(1, Math.min(MAX_READS, this.context.attributes.maxQpRdAtomic));
  }

  /**
   * Waits for completions; they are in {@link batch} then, all of them successful.
   *
   * @param doing - for messages, with how far it got
   * @throws VerbsError `ETIMEDOUT` none for `patienceMs` · `EIO` a request failed. An aborted signal throws its reason.
   */
  async completions(cq: CompletionQueue, plan: StandInPlan, doing: () => string): Promise<number> {
    const { batch } = this;
    let count = cq.poll(batch);
    const end = performance.now() + plan.patienceMs;
    while (count === 0) {
      if (plan.signal?.aborted) throw plan.signal.reason;
      if (performance.now() > end) {
        throw new VerbsError('ETIMEDOUT', 'standIn', `nothing happened for ${plan.patienceMs / 1000} s, ${doing()}`, {
          object: plan.tool.name,
          try: 'the same size, number of iterations and MTU on both sides; and look at what the tool prints there',
        });
      }
      await cq.wait(SLICE_MS).catch(ignoreTimeout);
      count = cq.poll(batch);
    }
    for (let row = 0; row < count; row++) {
      if (batch.status[row] !== Status.SUCCESS) throw this.failure(row, plan, doing());
    }
    return count;
  }

  /** The error for a row of {@link batch} that failed. */
  failure(row: number, plan: StandInPlan, doing: string): VerbsError {
    const completion = new Completion(this.batch, row, () => '');
    return new VerbsError('EIO', 'standIn', `a request failed with ${completion.status}, ${doing}`, {
      object: `${plan.tool.name}, ${completion.opcode} on queue pair 0x${completion.qpn.toString(16)}`,
      try: completion
        .explain()
        .split('\n')
        .at(-1)!
        .trim()
        .replace(/^try\s+/, ''),
    });
  }

  close(): void {
    this.#device.unref?.();
    for (const qp of this.#queuePairs) if (qp.isOpen) qp.close();
    this.context.close();
  }
}

function ignoreTimeout(thrown: unknown): void {
  if (!(thrown instanceof VerbsError && thrown.code === 'ETIMEDOUT')) throw thrown;
}

/** A number for the first packet. */
export const randomPsn = (): number => randomInt(1 << 24);

/** Lets the device answer what is still asked of it. */
export const linger = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Queue key of the tools' datagrams. */
export const TOOL_QKEY = 0x1111_1111;
/** Bytes in front of a datagram. */
export const GRH_BYTES = 40;
/** 0.64 ms, as the tools have it. */
const MIN_RNR_TIMER = 12;
const MAX_READS = 16;
/** How often an abort is looked for. */
const SLICE_MS = 250;
