/** Queue pair 2 of an engine matches; a played peer sends to it by hand. */
import { ReceiveOp, ReceiveWork } from '../../../engine/work.ts';
import { SesOpcode } from '../../../wire/uet/ses.ts';
import {
  AR,
  accepted,
  type Bench,
  type BenchOptions,
  fill,
  MTU,
  nextSes,
  type Seen,
  START,
  writeSes,
} from '../rig-packets.testdata.ts';

/** Device number and resource index of the queue pair. */
export const QP = 2;

export interface Wanted extends Partial<Omit<ReceiveWork, 'segments' | 'copyFrom'>> {
  readonly id: number;
  readonly tag?: number;
}

export class MatchingBench {
  readonly bench: Bench;
  readonly inbox = new Uint8Array(64 * 1024).fill(0xee);
  readonly #region: number;
  #psn = 0;
  #at = 0;
  #messages = 0;

  constructor(options: BenchOptions = {}) {
    this.bench = accepted({
      ...options,
      settings: { maxInboundMessages: 64, maxInboundPerPeer: 64, ...options.settings },
    });
    const { ordered = false } = options;
    this.bench.node.addQueuePair(QP, { qpn: (QP << 12) | 1, ordered, matching: true });
    this.#region = this.bench.node.register(this.inbox, 2);
  }

  /** Posts a receive; returns where its memory is. */
  receive({ id, tag, ...more }: Wanted, length = 1000): Uint8Array {
    const work = Object.assign(new ReceiveWork(), { wrIdLo: id, length, ...more });
    if (tag !== undefined) Object.assign(work, { tagged: true, tagLo: tag });
    work.segments.add(this.#region, this.#at, length);
    this.bench.node.receives.get(QP)!.push(work);
    this.bench.engine.doorbell(this.bench.now, QP);
    this.#at += length;
    return this.inbox.subarray(this.#at - length, this.#at);
  }

  peek(more: Wanted): void {
    this.receive({ operation: ReceiveOp.PEEK, ...more }, 0);
  }

  cancel(id: number): void {
    this.receive({ id, operation: ReceiveOp.CANCEL }, 0);
  }

  /** The packets of a message to queue pair 2. */
  pieces(
    tag: number | undefined,
    content: Uint8Array,
    more: { hd?: number; headerData?: bigint } & object = {},
  ): Uint8Array[] {
    const { hd = 0, headerData = 0n, ...rest } = more;
    const opcode = tag === undefined ? SesOpcode.SEND : SesOpcode.TAGGED_SEND;
    const all = { opcode, resourceIndex: QP, memoryKey: tag ?? 0, requestLength: content.length, ...rest };
    const values = { ...all, messageId: ++this.#messages };
    const packets: Uint8Array[] = [];
    for (let at = 0; at === 0 || at < content.length; at += MTU) {
      const eom = at + MTU >= content.length ? 1 : 0;
      const payload = content.slice(at, at + MTU);
      if (at === 0) packets.push(writeSes({ ...values, eom, hd, headerData }, payload));
      else packets.push(nextSes({ ...values, eom, messageOffset: at }, payload));
    }
    return packets;
  }

  /** Gives one packet of a message; returns what is answered. */
  give(ses: Uint8Array): Seen {
    const n = ++this.#psn;
    const [answer] = this.bench.exchange(this.bench.request(n, { flags: AR, clear: START + n - 1, ses }));
    return answer!;
  }

  /** A whole message of `length` bytes. @returns the answer to its last packet */
  send(tag: number | undefined, length = 8, more: object = {}): Seen {
    let answer: Seen | undefined;
    for (const piece of this.pieces(tag, fill(length, tag ?? 1), more)) answer = this.give(piece);
    return answer!;
  }

  /** What completed at the queue pair since the last call: id, status, bytes. */
  taken(): [id: number, status: number, bytes: number][] {
    const { completions } = this.bench.node;
    const mine = completions.filter(({ qp, receive }) => qp === QP && receive);
    this.last = mine;
    completions.length = 0;
    return mine.map(({ wrIdLo, status, byteLength }) => [wrIdLo, status, byteLength]);
  }

  /** The completions themselves. */
  last: Bench['node']['completions'] = [];
}
