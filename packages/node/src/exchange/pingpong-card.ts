/**
 * The line that the pingpong programs of libibverbs tell each other: `LID:QPN:PSN:GID` in hexadecimal digits, with the
 * zero byte behind.
 *
 * @spec verbs/8.3
 */
import { VerbsError } from '@verbena/core';
import { formatAddress, parseAddress } from '@verbena/core/wire';

/** One queue pair of a pingpong program. */
export interface PingpongCard {
  /** 0 on Ethernet. */
  readonly lid?: number;
  readonly qpn: number;
  /** Of the first packet that it sends. */
  readonly psn: number;
  /** IP address that the GID stands for; `::` when the program was not told which GID to use. */
  readonly address: string;
}

/** @throws VerbsError EINVAL no IP address */
export function encodePingpongCard({ lid = 0, qpn, psn, address }: PingpongCard): Uint8Array {
  const gid = parseAddress(address);
  if (gid === undefined) throw new VerbsError('EINVAL', 'exchange', `'${address}' is not an IP address`);
  const words = [hex(lid, 4), hex(qpn, 6), hex(psn, 6), Buffer.from(gid).toString('hex')];
  return new Uint8Array(Buffer.from(`${words.join(':')}\0`, 'latin1'));
}

/** @throws VerbsError EIO it is something else */
export function decodePingpongCard(bytes: Uint8Array): PingpongCard {
  const text = Buffer.from(bytes).toString('latin1');
  const match = CARD.exec(text);
  if (match === null) throw noCard('a pingpong program', text);
  const [, lid, qpn, psn, gid] = match;
  return {
    lid: Number.parseInt(lid!, 16),
    qpn: Number.parseInt(qpn!, 16),
    psn: Number.parseInt(psn!, 16),
    address: formatAddress(new Uint8Array(Buffer.from(gid!, 'hex'))),
  };
}

/** The answer of something that speaks another protocol. */
export function noCard(tool: string, text: string): VerbsError {
  const shown = JSON.stringify(text.slice(0, 60));
  return new VerbsError('EIO', 'exchange', `the peer does not speak as ${tool} does: ${shown}`, {
    try: 'the same tool on both sides',
  });
}

/** Digits of a number that is not negative, with zeros in front. */
export const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** Bytes of one card. */
export const PINGPONG_CARD_BYTES = 52;
const CARD = /^([0-9a-f]{4}):([0-9a-f]{6}):([0-9a-f]{6}):([0-9a-f]{32})\0/;
