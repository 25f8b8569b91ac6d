/** Says once for each path that packets do not fit it: without that a program only sees requests that time out. */
import process from 'node:process';
import type { PeerAddress } from '@verbena/core';
import { formatAddress, isIpv4 } from '@verbena/core/wire';

export class PathMtuNotices {
  readonly #from: string;
  readonly #said = new Set<number>();

  /** @param from - local address */
  constructor(from: string) {
    this.#from = from;
  }

  /** Whether nothing was said of a path yet; from now on something was. */
  isNew(path: number): boolean {
    if (this.#said.has(path) || this.#said.size >= MAX_NOTICES) return false;
    this.#said.add(path);
    return true;
  }

  /**
   * @param bytes - of the packet, behind IP and what is in front of the transport
   * @param front - bytes of UDP in front of these
   * @param mtu - of the path; 0 when unknown
   */
  say(peer: PeerAddress, bytes: number, front: number, mtu: number): void {
    const whole = bytes + front + (isIpv4(peer.address) ? 20 : 40);
    const carries = mtu > 0 ? `, which carries ${mtu}` : '';
    process.emitWarning(
      `packets of ${whole} bytes do not fit the path from ${this.#from} to ${formatAddress(peer.address)}${carries}; they are lost`,
      {
        type: 'VerbenaWarning',
        code: 'VERBENA_PATH_MTU',
        detail: `try: ${mtu > 0 ? `openDevice({ linkMtu: ${mtu} })` : 'a smaller openDevice({ payloadMtu })'} at both ends, or a larger MTU on the way. They are counted as wire_send_too_long.`,
      },
    );
  }
}

const MAX_NOTICES = 16;
