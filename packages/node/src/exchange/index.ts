/** The exchange protocols of the Linux tools: how two sides of a pingpong or perftest program find each other. */
export { EXCHANGE_TIMEOUT_MS, type ExchangeLink, type ReadOptions } from './exchange-link.ts';
export { ExchangeListener, ExchangeSocket, type ExchangeTarget } from './exchange-socket.ts';
export {
  decodePerftestLine,
  decodePerftestStructure,
  encodePerftestLine,
  encodePerftestStructure,
  type PerftestCard,
} from './perftest-card.ts';
export { PERFTEST_VERSION, PerftestExchange, type PerftestReport, type PerftestTerms } from './perftest-exchange.ts';
export { decodePingpongCard, encodePingpongCard, type PingpongCard } from './pingpong-card.ts';
export {
  answerPingpong,
  EXCHANGE_PORT,
  introducePingpong,
  type PingpongExchangeOptions,
  SRQ_CARDS,
} from './pingpong-exchange.ts';
export { RdmaLink } from './rdma-link.ts';
