/** What a source asks of congestion control, and what it tells it. One controller serves one connection. */
export interface Controller {
  /** Packets that may be in flight, at least 1. */
  readonly packets: number;
  reset(): void;
  /** `count` packets were newly acknowledged. */
  onAck(count: number): void;
  /** The network marked packets; reported once for each round trip. */
  onMark(): void;
  /** The network lost packets; reported once for each round trip. */
  onLoss(): void;
  /** Nothing came back for a whole time-out. */
  onTimeout(): void;
  /** The receiver told what it measured. The record is reused: it says nothing after the call. */
  onState?(state: CongestionState): void;
}

/** What an acknowledgement or a refusal carries of the receiver's view. */
export class CongestionState {
  /** One of `StateKind`. */
  kind = 0;
  /** Round trip of the packet acknowledged, ns; 0 where it is not known. */
  rttNs = 0;
  /** How long the receiver held the packet, ns; 0 where it does not say. */
  serviceNs = 0;
  /** The answered packet carried a mark. */
  isMarked = false;
  /** The receiver's penalty is over: the window of before may be restored. */
  restoresWindow = false;
  /** Receiver's penalty: 0 none, 64 in every answer of a round trip halves, 127 one packet for each round trip. */
  penalty = 0;
  /** Bytes received in all, to a multiple of 256. */
  receivedBytes = 0;
  /** Packets that the receiver holds out of order; -1 where it does not say. */
  outOfOrder = -1;
  /** Credit granted in all, a serial number of 24 bits, unit 256 bytes. */
  credit = 0;
  /** PROPRIETARY: which layout `bytes` has, 14 or 15 for vendors. */
  layout = 0;
  /** PROPRIETARY: the state itself, 16 bytes. */
  readonly bytes = new Uint8Array(16);
}

export const StateKind = { NONE: 0, MEASURED: 1, CREDIT: 2, PROPRIETARY: 3 } as const;
