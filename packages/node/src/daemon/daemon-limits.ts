/** What clients of a daemon may take, and what was counted. */

/** Bounds of a daemon; each has an answer at the bound. */
export interface DaemonLimits {
  /** Connections at a time; one more is closed at once. */
  readonly connections: number;
  /** Connections of one user at a time. */
  readonly connectionsPerUid: number;
  /** Bytes of registered memory of one connection; more is ENOMEM. */
  readonly memlockBytes: number;
  /** Memory files that are mapped for one connection; more is ENOMEM. */
  readonly mappings: number;
  /** Their bytes. */
  readonly mappedBytes: number;
  /** Messages that are no call; then the client is dropped. */
  readonly malformedFrames: number;
  /** Answers that wait because a client does not read; one more, and it is dropped. */
  readonly queuedAnswers: number;
  /** How long an answer may wait before the client is dropped, ms. */
  readonly slowReaderMs: number;
}

export const DAEMON_LIMITS: DaemonLimits = {
  connections: 1024,
  connectionsPerUid: 512,
  memlockBytes: 64 * 2 ** 30,
  mappings: 1024,
  mappedBytes: 256 * 2 ** 30,
  malformedFrames: 16,
  queuedAnswers: 64,
  slowReaderMs: 10_000,
};

/** Why the daemon closed a connection that the client still had. */
export type DropReason = 'malformed' | 'slowReader' | 'shutdown' | 'failed';

export class DaemonCounters {
  connectionsAccepted = 0;
  connectionsClosed = 0;
  /** Over {@link DaemonLimits.connections}. */
  refusedTotal = 0;
  /** Over {@link DaemonLimits.connectionsPerUid}. */
  refusedPerUid = 0;
  /** Of processes that are not visible from here. */
  refusedInvisible = 0;
  droppedMalformed = 0;
  droppedSlowReader = 0;
  droppedShutdown = 0;
  droppedFailed = 0;
  requests = 0;
  malformedFrames = 0;
  /** Longer than a frame may be, or with more descriptors. */
  truncatedFrames = 0;
  kicks = 0;
  wakeFrames = 0;
  answersQueued = 0;
  devicesAdded = 0;
  devicesRemoved = 0;

  dropped(reason: DropReason): void {
    if (reason === 'malformed') this.droppedMalformed++;
    else if (reason === 'slowReader') this.droppedSlowReader++;
    else if (reason === 'shutdown') this.droppedShutdown++;
    else this.droppedFailed++;
  }
}
