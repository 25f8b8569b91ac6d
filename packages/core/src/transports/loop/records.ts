/** What the engine remembers: of its own queue pairs, and of the remote ones that send to it. Both tables are small. */
import type { DmaSpace } from '../../engine/dma.ts';
import type { QueuePairConfig } from '../../engine/engine.ts';
import type { Packet } from '../../engine/packet.ts';
import { type Nanos, NEVER } from '../../engine/time.ts';
import { ReceiveWork, type Segments, SendWork } from '../../engine/work.ts';

/** A local queue pair and the one request that it works on. */
export class Sender {
  readonly config: QueuePairConfig;
  readonly work = new SendWork();
  /** `work` is under way. */
  busy = false;
  /** The packet in flight: its number, its place and length in the message. */
  sequence = 0;
  offset = 0;
  chunk = 0;
  /** It is to be sent. */
  ready = false;
  /** When to send it again, and how often that was done. */
  due: Nanos = NEVER;
  retries = 0;
  rnrRetries = 0;
  /** The peer had no receive: `due` ends a pause, not a wait for an answer. */
  pausing = false;

  constructor(config: QueuePairConfig) {
    this.config = config;
  }
}

/** A remote queue pair: the number of its last request and what became of it. */
export class Peer {
  readonly path: number;
  readonly qpn: number;
  life = 0;
  sequence = 0;
  status = 0;
  /** When to forget it. */
  due: Nanos = NEVER;
  /** Local queue pair whose receive a SEND fills, 0 for none, and how much has come. */
  receiver = 0;
  received = 0;
  readonly receive = new ReceiveWork();
  /** An answer is to be sent; a READ’s carries these bytes. */
  answering = false;
  answerSequence = 0;
  answerStatus = 0;
  region = 0;
  offset = 0;
  length = 0;

  constructor(path: number, qpn: number) {
    this.path = path;
    this.qpn = qpn;
  }
}

export function findQpn(senders: readonly Sender[], qpn: number): Sender | undefined {
  for (let i = 0; i < senders.length; i++) if (senders[i]!.config.qpn === qpn) return senders[i];
  return undefined;
}

/** Names the bytes `offset` to `offset + length` of a message as payload of a packet. */
export function gather(segments: Segments, offset: number, length: number, out: Packet): void {
  for (let i = 0; i < segments.count && length > 0; i++) {
    const part = Math.max(0, Math.min(segments.length[i]! - offset, length));
    if (part > 0) out.gather(segments.region[i]!, segments.offset[i]! + offset, part);
    offset = Math.max(0, offset - segments.length[i]!);
    length -= part;
  }
}

/** Puts the payload of a packet to its place in a message. @returns false when a region is gone */
export function scatter(dma: DmaSpace, segments: Segments, offset: number, packet: Packet, at: number): boolean {
  const end = packet.at + packet.length;
  for (let i = 0; i < segments.count && at < end; i++) {
    const part = Math.max(0, Math.min(segments.length[i]! - offset, end - at));
    if (part > 0 && !dma.place(segments.region[i]!, segments.offset[i]! + offset, packet, at, part)) return false;
    offset = Math.max(0, offset - segments.length[i]!);
    at += part;
  }
  return true;
}
