/**
 * How ibv_rc_pingpong, ibv_uc_pingpong, ibv_ud_pingpong and ibv_srq_pingpong find each other, over TCP:
 *
 * ```
 * client ── card ──► server        (srq: 256 cards, those of queue pairs that do not exist are zero)
 *                    connects its queue pairs
 * client ◄── card ── server
 * client ── done ──► server        both close
 * ```
 *
 * @spec verbs/8.3
 */
import type { AbortSignalLike } from '@verbena/core';
import type { ExchangeLink } from './exchange-link.ts';
import { decodePingpongCard, encodePingpongCard, PINGPONG_CARD_BYTES, type PingpongCard } from './pingpong-card.ts';

export interface PingpongExchangeOptions {
  /** This side's queue pairs; one, or at most {@link SRQ_CARDS}. */
  readonly cards: readonly PingpongCard[];
  /** Cards that travel each way: 1, or {@link SRQ_CARDS} for ibv_srq_pingpong. Default 1. */
  readonly count?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignalLike | undefined;
}

/**
 * The client's half. The link stays open; the tools close it at once.
 *
 * @returns the server's cards
 * @throws VerbsError as {@link ExchangeLink} says, and EIO for a peer that speaks differently
 */
export async function introducePingpong(link: ExchangeLink, options: PingpongExchangeOptions): Promise<PingpongCard[]> {
  await writeCards(link, options);
  const theirs = await readCards(link, options);
  await link.write(DONE);
  return theirs;
}

/**
 * The server's half.
 *
 * @param connect - is called with the client's cards before they are answered: then packets may come
 * @returns the client's cards
 * @throws VerbsError as {@link introducePingpong}, and what `connect` throws
 */
export async function answerPingpong(
  link: ExchangeLink,
  options: PingpongExchangeOptions,
  connect: (theirs: readonly PingpongCard[]) => void,
): Promise<PingpongCard[]> {
  const theirs = await readCards(link, options);
  connect(theirs);
  await writeCards(link, options);
  await link.read(DONE.length, { ...waitOf(options), what: '"done"' });
  return theirs;
}

async function writeCards(link: ExchangeLink, { cards, count = 1 }: PingpongExchangeOptions): Promise<void> {
  const all = new Uint8Array(count * PINGPONG_CARD_BYTES);
  for (let i = 0; i < count; i++) all.set(encodePingpongCard(cards[i] ?? NO_CARD), i * PINGPONG_CARD_BYTES);
  // One write for all: the tools that have one card read it with one call.
  await link.write(all);
}

async function readCards(link: ExchangeLink, options: PingpongExchangeOptions): Promise<PingpongCard[]> {
  const cards: PingpongCard[] = [];
  for (let i = 0; i < (options.count ?? 1); i++) {
    const card = decodePingpongCard(
      await link.read(PINGPONG_CARD_BYTES, { ...waitOf(options), what: 'the address of its queue pair' }),
    );
    if (i === 0 || card.qpn !== 0) cards.push(card);
  }
  return cards;
}

const waitOf = ({ timeoutMs, signal }: PingpongExchangeOptions) => ({
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
  signal,
});

/** TCP port of the pingpong programs and of perftest. */
export const EXCHANGE_PORT = 18_515;
/** Cards of ibv_srq_pingpong, whatever it uses. */
export const SRQ_CARDS = 256;
const NO_CARD: PingpongCard = { qpn: 0, psn: 0, address: '::' };
const DONE = new Uint8Array(Buffer.from('done\0'));
