/**
 * The loop engine, for links that lose, repeat and reorder nothing. A queue pair has one packet in flight: a request
 * for one part of a message. Its answer is the same header with a status. Data goes with the one or with the other.
 *
 *   doorbell ─► proceed ─► transmit ═══ request ═══► receive ─► execute
 *                  ▲                                               │
 *              answered ◄─ receive ◄═════ answer ════ transmit ◄───┘
 */
import { Counters } from '../../base/counters.ts';
import { admits } from '../../engine/admission.ts';
import type { Engine, EngineConfig, QueuePairConfig, Services } from '../../engine/engine.ts';
import { Inbox } from '../../engine/inbox.ts';
import { Outbox } from '../../engine/outbox.ts';
import type { Packet } from '../../engine/packet.ts';
import { PacketQueue } from '../../engine/packet-queue.ts';
import { gather, scatter } from '../../engine/scatter.ts';
import { Access, AccessFault, Status } from '../../engine/status.ts';
import { MILLISECOND, type Nanos, NEVER, SECOND } from '../../engine/time.ts';
import { Reach, RequestPart } from '../../engine/work.ts';
import { LOOP_HEADER_BYTES as HEADER_BYTES, LoopHeader, LoopOpcode } from '../../wire/loop/loop.ts';

const { WRITE_IMM, SEND, SEND_IMM, READ, ANSWER } = LoopOpcode;
const FIELDS = Object.keys(LoopHeader) as (keyof typeof LoopHeader)[];
const COUNTERS = ['received_packets', 'sent_packets', 'dropped_malformed', 'dropped_stray', 'dropped_refused'];
const [RECEIVED, SENT, MALFORMED, STRAY, REFUSED] = [0, 1, 2, 3, 4] as const;
const MAX_QUEUED = 256; // packets that wait to be sent
export const TIMEOUT = SECOND; // by default: after so much silence a message has failed, at both ends
// A request that found no receive is made again after a pause. All pauses outlast TIMEOUT.
const [PAUSE, MAX_PAUSES] = [2 * MILLISECOND, 1000] as const;

const createQueuePair = (services: Services, config: QueuePairConfig) => ({
  ...{ config, outbox: new Outbox(services, config), inbox: new Inbox(services, config.qp) },
  ...{ due: NEVER, isPausing: false, pauses: 0 }, // `due`: an answer, or the end of a pause
});
type QueuePair = ReturnType<typeof createQueuePair>;
const earliest = (due: Nanos, qp: QueuePair) => Math.min(due, qp.due, qp.inbox.due);

export function createLoopEngine(services: Services, { payloadMtu, settings }: EngineConfig): Engine {
  const { dma } = services;
  const timeout = settings?.timeout ?? TIMEOUT;
  const counters = new Counters(COUNTERS);
  const pairs: QueuePair[] = [];
  const queue = new PacketQueue(dma, MAX_QUEUED, HEADER_BYTES);
  const [asked, reach] = [new RequestPart(), new Reach()];
  let isClosing = false;

  const lengthOf = ({ length, offset }: RequestPart) => Math.min(payloadMtu, length - offset);
  const deadline = () => pairs.reduce(earliest, NEVER);
  function find(by: 'qp' | 'qpn', value: number): QueuePair | undefined {
    for (const qp of pairs) if (qp.config[by] === value) return qp;
    return undefined;
  }

  /** Sends the next part of a message, or the first one of the next message. */
  function proceed(now: Nanos, qp: QueuePair): void {
    const { part } = qp.outbox;
    const isBusy = qp.outbox.next();
    qp.isPausing = false;
    qp.due = isBusy ? now + timeout : NEVER;
    const packet = isBusy ? queue.add() : undefined;
    if (packet === undefined) return; // nothing to do; or no room, and it will time out
    writeHeader(part, packet);
    if (part.opcode !== READ) gather(dma, part.segments, part.offset, packet, lengthOf(part));
  }

  /** An answer: the message goes on, or is over, or waits for a receive. */
  function answered(now: Nanos, packet: Packet): void {
    const qp = find('qpn', asked.sourceQpn);
    if (qp === undefined || qp.isPausing || !qp.outbox.isAnswer(asked)) return counters.add(STRAY);
    if (asked.status === Status.RNR_RETRY_EXC_ERR && qp.pauses++ < MAX_PAUSES) {
      qp.isPausing = true;
      qp.due = now + PAUSE;
      return;
    }
    qp.pauses = 0;
    const { part } = qp.outbox;
    const length = lengthOf(part);
    const dataLength = part.opcode === READ && asked.status === Status.SUCCESS ? length : 0;
    const at = packet.at + HEADER_BYTES;
    if (packet.length !== HEADER_BYTES + dataLength) asked.status = Status.BAD_RESP_ERR;
    else if (!scatter(dma, part.segments, part.offset, packet, at, dataLength)) asked.status = Status.LOC_PROT_ERR;
    qp.outbox.done(asked.status, length);
    proceed(now, qp);
  }

  /** Does what a request asks for. @returns how it ended */
  function execute(now: Nanos, packet: Packet, answer: Packet): number {
    const at = packet.at + HEADER_BYTES;
    const length = lengthOf(asked);
    const isRead = asked.opcode === READ;
    const qp = find('qpn', asked.remoteQpn);
    if (qp === undefined || !admits(qp.config, asked)) return Status.REM_INV_RD_REQ_ERR;
    if (length < 0 || packet.length !== HEADER_BYTES + (isRead ? 0 : length)) return Status.REM_INV_REQ_ERR;
    const isSend = asked.opcode === SEND || asked.opcode === SEND_IMM;
    if (isSend) return qp.inbox.take(asked, packet, at, length, now + timeout);
    reach.ask(qp.config, asked, isRead ? Access.REMOTE_READ : Access.REMOTE_WRITE);
    if (services.reach(reach) !== AccessFault.NONE) return Status.REM_ACCESS_ERR;
    const place = reach.regionOffset + asked.offset;
    if (isRead) answer.gather(reach.region, place, length);
    else if (!dma.place(reach.region, place, packet, at, length)) return Status.REM_ACCESS_ERR;
    if (asked.opcode === WRITE_IMM && asked.offset + length === asked.length) qp.inbox.notice(asked);
    return Status.SUCCESS;
  }

  return {
    counters,
    receive(now, packet) {
      counters.add(RECEIVED);
      if (packet.trimmed || packet.length < HEADER_BYTES) return counters.add(MALFORMED);
      readHeader(packet, asked);
      if (asked.opcode > ANSWER) return counters.add(MALFORMED);
      if (asked.opcode === ANSWER) return answered(now, packet);
      const answer = isClosing ? undefined : queue.add();
      if (answer === undefined) return counters.add(REFUSED);
      asked.status = execute(now, packet, answer);
      asked.opcode = ANSWER;
      writeHeader(asked, answer);
    },
    transmit(_now, out) {
      const isSent = queue.take(out);
      if (isSent) counters.add(SENT);
      return isSent;
    },
    doorbell(now, handle) {
      const qp = find('qp', handle);
      if (qp?.outbox.isBusy === false) proceed(now, qp);
    },
    deadline,
    expire(now) {
      for (const qp of pairs) {
        if (qp.inbox.due <= now) qp.inbox.close(Status.REM_ABORT_ERR);
        if (qp.due > now) continue;
        if (!qp.isPausing) qp.outbox.done(Status.RETRY_EXC_ERR);
        proceed(now, qp);
      }
    },
    addQueuePair(_now, config) {
      if (find('qpn', config.qpn) !== undefined) return `queue pair number ${config.qpn} is taken`;
      pairs.push(createQueuePair(services, config));
      return '';
    },
    removeQueuePair(_now, handle) {
      const qp = find('qp', handle);
      if (qp === undefined) return;
      pairs.splice(pairs.indexOf(qp), 1);
      qp.inbox.close(Status.WR_FLUSH_ERR);
      qp.outbox.close();
    },
    addJob() {}, // a queue pair knows its job
    removeJob() {},
    close: () => void (isClosing = true),
    quiet: () => queue.length === 0 && deadline() === NEVER,
    census: () => ({ queue_pairs: pairs.length, packets: queue.length }),
  };
}

function writeHeader(part: RequestPart, packet: Packet): void {
  packet.path = part.path;
  packet.length = HEADER_BYTES;
  for (const name of FIELDS) LoopHeader[name].set(packet.view, packet.at, part[name]);
}

function readHeader(packet: Packet, part: RequestPart): void {
  part.path = packet.path;
  for (const name of FIELDS) part[name] = LoopHeader[name].get(packet.view, packet.at);
}
