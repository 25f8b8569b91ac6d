/** Bounds of the machine, and times as messages say them. @spec IBTA vol. 1 §12.7 */
export interface CmLimits {
  /** Connections in all states. */
  readonly maxLinks: number;
  readonly maxLinksPerPeer: number;
  /** Connections that peers asked for and that are not established. */
  readonly maxPending: number;
  /** Messages that wait to leave; more are forgotten and come with the next repetition. */
  readonly maxOutbox: number;
  /** How long a request waits for the program's answer, ns. */
  readonly acceptNs: number;
  /** How long a connection takes to be confirmed, ns. */
  readonly handshakeNs: number;
  /** How long a farewell is repeated, ns. */
  readonly farewellNs: number;
}

export const CM_LIMITS: CmLimits = {
  maxLinks: 4096,
  maxLinksPerPeer: 1024,
  maxPending: 1024,
  maxOutbox: 1024,
  acceptNs: 30e9,
  handshakeNs: 30e9,
  farewellNs: 5e9,
};

/** How the messages of a connection are repeated, and how long it lingers. */
export interface CmTimes {
  /** Between repetitions, ns. */
  readonly intervalNs: number;
  readonly maxRetries: number;
  /** How long late messages of the peer may come, ns. */
  readonly timewaitNs: number;
}

/** What a request says about time. */
interface Asked {
  readonly remoteCmResponseTimeout: number;
  readonly localCmResponseTimeout: number;
  readonly maxCmRetries: number;
}

/** For who asks. */
export function activeTimes(request: Asked): CmTimes {
  return timesOf(request, request.remoteCmResponseTimeout, request.maxCmRetries);
}

/** For who is asked, within bounds: a forged request must not make this side send many answers to somebody. */
export function passiveTimes(request: Asked): CmTimes {
  return timesOf(request, request.localCmResponseTimeout, Math.min(request.maxCmRetries, MAX_REPLY_RETRIES));
}

/** Time of a code, ns. */
export const timeOf = (code: number): number => 4096 * 2 ** code;

/** The least code whose time is not shorter. */
export function codeOf(ns: number): number {
  let code = 0;
  while (code < 31 && timeOf(code) < ns) code++;
  return code;
}

function timesOf({ remoteCmResponseTimeout }: Asked, responseTimeout: number, maxRetries: number): CmTimes {
  return {
    intervalNs: timeOf(Math.min(Math.max(responseTimeout, MIN_RESPONSE_TIMEOUT), MAX_RESPONSE_TIMEOUT)),
    maxRetries,
    timewaitNs: Math.min(Math.max(2 * timeOf(remoteCmResponseTimeout), MIN_TIMEWAIT_NS), MAX_TIMEWAIT_NS),
  };
}

/** 4 ms and 17 s. */
const MIN_RESPONSE_TIMEOUT = 10;
const MAX_RESPONSE_TIMEOUT = 22;
const MIN_TIMEWAIT_NS = 1e9;
const MAX_TIMEWAIT_NS = 20e9;
/** The peer repeats its request, too, and gets the answer again then. */
const MAX_REPLY_RETRIES = 5;
