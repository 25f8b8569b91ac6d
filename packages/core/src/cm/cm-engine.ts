/**
 * The protocol of the connection manager as a value: messages, time and chance come in; messages and events come out.
 *
 * Give inputs (`receive`, `expire`, the verbs), then take what `transmit` and `take` give until there is nothing, then
 * read `deadline`. A message that fits no connection, or comes from somebody else than its peer, changes nothing.
 * @spec IBTA vol. 1 §12 · annex A11
 */
import { Counters } from '../base/counters.ts';
import { formatAddress } from '../base/ip-address.ts';
import { CmRejected, CmRejectReason, CmService, ipServiceId } from '../wire/roce/cm.ts';
import { CM_COUNTERS, CM_DROPS, type CmDrop } from './cm-counters.ts';
import { activeTimes, CM_LIMITS, type CmLimits, codeOf, passiveTimes, timeOf } from './cm-limits.ts';
import { CM_REACTIONS, type CmEvent, CmLink, type CmPeer, type CmReaction } from './cm-link.ts';
import { CmTable } from './cm-table.ts';
import {
  type CmMessage,
  emitMessage,
  type MessageFault,
  parseIpRequest,
  parseMessage,
  type RejMessage,
  type RepMessage,
  type ReqMessage,
} from './messages.ts';

export interface CmEngineOptions {
  /** Address of this side as text. */
  readonly address: string;
  /** Largest payload of a packet: code 1 to 5. */
  readonly pathMtu: number;
  /** Identifier of this side's device. */
  readonly guid: bigint;
  /** 32 bits that nobody can guess. */
  random(): number;
  readonly limits?: Partial<CmLimits>;
}

/** A request without what the machine adds. */
export type CmRequest = Omit<ReqMessage, 'kind' | 'transactionId' | 'localCommId' | 'remoteCommId'>;
/** An answer without what the machine adds. */
export type CmReply = Omit<RepMessage, 'kind' | 'transactionId' | 'localCommId' | 'remoteCommId'>;

export class CmEngine {
  readonly limits: CmLimits;
  readonly #counters = new Counters(CM_COUNTERS);
  readonly #address: string;
  readonly #pathMtu: number;
  readonly #guid: Uint8Array;
  readonly #random: () => number;
  readonly #table: CmTable;
  /** Listening ports, and how many requests each may hold and holds. */
  readonly #ports = new Map<number, { readonly backlog: number; waiting: number }>();
  readonly #outbox: { readonly peer: CmPeer; readonly message: CmMessage }[] = [];
  readonly #events: CmEvent[] = [];
  #pending = 0;

  constructor(options: CmEngineOptions) {
    this.limits = { ...CM_LIMITS, ...options.limits };
    this.#address = options.address;
    this.#pathMtu = options.pathMtu;
    this.#guid = Uint8Array.from({ length: 8 }, (_, i) => Number((options.guid >> BigInt(56 - 8 * i)) & 0xffn));
    this.#random = options.random;
    this.#table = new CmTable(this.limits.maxLinks, this.limits.maxLinksPerPeer);
  }

  /** Connections in all states. */
  get size(): number {
    return this.#table.size;
  }

  counters(): Record<string, number> {
    return this.#counters.toJSON();
  }

  // ------------------------------------------------------------------ what the program wants

  /** @returns false when the port has a listener */
  listen(port: number, backlog: number): boolean {
    if (this.#ports.has(port)) return false;
    this.#ports.set(port, { backlog, waiting: 0 });
    return true;
  }

  /** Refuses what waits at the port, and what comes. */
  unlisten(now: number, port: number): void {
    for (const link of [...this.#table]) {
      if (link.state !== 'REQ_RCVD' || link.port !== port) continue;
      this.#events.push({ kind: 'abandoned', link });
      this.reject(now, link, CmRejectReason.INVALID_SERVICE_ID);
    }
    this.#ports.delete(port);
  }

  /**
   * Asks a peer for a connection.
   *
   * @param endsAt - when the attempt has failed, ns
   * @returns undefined when there is no room
   */
  connect(now: number, peer: CmPeer, request: CmRequest, endsAt: number): CmLink | undefined {
    const slot = this.#table.place(peer);
    if (slot < 0) return undefined;
    const transactionId = (BigInt(this.#random()) << 32n) | BigInt(this.#random());
    const ids = { localCommId: this.#freshId(), remoteCommId: 0, transactionId };
    const link = new CmLink(slot, peer, 'REQ_SENT', ids, 0, activeTimes(request));
    link.localQpn = request.localQpn;
    this.#table.add(link);
    this.#repeat(now, link, { ...request, kind: 'REQ', ...ids }, endsAt);
    return link;
  }

  /** Agrees to a request; the queue pair takes packets already. */
  accept(now: number, link: CmLink, reply: CmReply): void {
    if (link.state !== 'REQ_RCVD') return;
    this.#leavePort(link);
    link.localQpn = reply.localQpn;
    link.state = 'REP_SENT';
    const message: CmMessage = { ...reply, kind: 'REP', ...idsOf(link) };
    link.answer = message;
    this.#repeat(now, link, message, now + this.limits.handshakeNs);
  }

  /** Refuses a request, or the answer to one's own. */
  reject(now: number, link: CmLink, reason: number, privateData: Uint8Array = NOTHING): void {
    if (link.state !== 'REQ_RCVD' && link.state !== 'REP_RCVD') return;
    const rejected = link.state === 'REQ_RCVD' ? CmRejected.REQ : CmRejected.REP;
    this.#refuse(now, link, rejected, reason, privateData);
  }

  /** Confirms an answer: this side can send. */
  confirm(now: number, link: CmLink): void {
    if (link.state !== 'REP_RCVD') return;
    link.answer = { kind: 'RTU', ...idsOf(link), privateData: NOTHING };
    this.#send(link.peer, link.answer);
    this.#establish(now, link);
  }

  /** Gives up what is not established; the peer is told. */
  abort(now: number, link: CmLink): void {
    if (link.state === 'REQ_SENT') this.#refuse(now, link, CmRejected.OTHER, CmRejectReason.TIMEOUT, NOTHING);
    else if (link.state === 'REP_SENT') this.#refuse(now, link, CmRejected.OTHER, CmRejectReason.TIMEOUT, NOTHING);
    else this.reject(now, link, CmRejectReason.TIMEOUT);
  }

  /** Gives up all that is not established. */
  abortAll(now: number): void {
    for (const link of [...this.#table]) this.abort(now, link);
  }

  /** Ends an established connection. */
  disconnect(now: number, link: CmLink, privateData: Uint8Array): void {
    if (link.state !== 'ESTABLISHED') return;
    link.state = 'DREQ_SENT';
    link.answer = undefined;
    link.transactionId = (BigInt(this.#random()) << 32n) | BigInt(this.#random());
    const farewell: CmMessage = { kind: 'DREQ', ...idsOf(link), remoteQpn: link.remoteQpn, privateData };
    this.#repeat(now, link, farewell, now + this.limits.farewellNs);
  }

  // ------------------------------------------------------------------ what comes in

  receive(now: number, peer: CmPeer, view: DataView, at: number, length: number): void {
    const message = parseMessage(view, at, length);
    if (typeof message === 'string') return this.#drop(message);
    this.#count(`received_${message.kind}`);
    if (message.kind === 'REQ') return this.#receiveRequest(now, peer, message);
    const link = this.#find(peer, message);
    if (link !== undefined) this.#react(now, link, message);
    else if (message.kind === 'DREQ') this.#farewell(peer, message);
  }

  /** Time has passed. Early calls are harmless. */
  expire(now: number): void {
    const { deadlines } = this.#table;
    while (deadlines.earliest() <= now) this.#expired(now, this.#table.at(deadlines.first())!);
  }

  // ------------------------------------------------------------------ what goes out

  /** Writes the next message, 256 bytes. @returns where it goes to; undefined when there is none */
  transmit(view: DataView, at: number): CmPeer | undefined {
    const next = this.#outbox.shift();
    if (next === undefined) return undefined;
    emitMessage(next.message, view, at);
    this.#count(`sent_${next.message.kind}`);
    return next.peer;
  }

  get hasOutput(): boolean {
    return this.#outbox.length > 0;
  }

  /** The next event, oldest first. */
  take(): CmEvent | undefined {
    return this.#events.shift();
  }

  deadline(): number {
    return this.#table.deadlines.earliest();
  }

  // ------------------------------------------------------------------ inside

  #receiveRequest(now: number, peer: CmPeer, message: ReqMessage): void {
    const known = this.#table.byRemoteId(peer, message.localCommId);
    if (known !== undefined) {
      // the same numbers and another queue pair: not a repetition
      if (known.remoteQpn !== message.localQpn || known.requestId !== message.transactionId) {
        if (known.state !== 'TIMEWAIT') return this.#turnAway(peer, message, CmRejectReason.DUPLICATE_LOCAL_COMM_ID);
        this.#table.remove(known);
      } else return this.#react(now, known, message);
    }
    const reason = this.#whyNot(peer, message);
    if (reason !== 0) return this.#turnAway(peer, message, reason);
    const port = this.#ports.get(portOf(message))!;
    const hasRoom = port.waiting < port.backlog && this.#pending < this.limits.maxPending;
    const slot = hasRoom ? this.#table.place(peer) : -1;
    if (slot < 0) return this.#turnAway(peer, message, CmRejectReason.NO_RESOURCES);
    const { localCommId: remoteCommId, transactionId } = message;
    const ids = { localCommId: this.#freshId(), remoteCommId, transactionId };
    const times = passiveTimes(message);
    const link = new CmLink(slot, peer, 'REQ_RCVD', ids, portOf(message), times);
    link.remoteQpn = message.localQpn;
    link.endsAt = now + this.limits.acceptNs;
    port.waiting++;
    this.#pending++;
    this.#table.add(link);
    this.#table.deadlines.set(link.slot, link.endsAt);
    this.#events.push({ kind: 'request', link, request: message });
  }

  /** @returns the reason to refuse a request; 0 for none */
  #whyNot(peer: CmPeer, message: ReqMessage): number {
    const { transportService, pathMtu, localQpn } = message;
    if (!this.#ports.has(portOf(message))) return CmRejectReason.INVALID_SERVICE_ID;
    if (transportService !== CmService.RC && transportService !== CmService.UC) {
      return CmRejectReason.INVALID_TRANSPORT_SERVICE;
    }
    if (pathMtu < 1 || pathMtu > this.#pathMtu) return CmRejectReason.INVALID_PATH_MTU;
    const ip = parseIpRequest(message.privateData);
    // what it says of itself must be where it comes from: data goes there
    if (ip === undefined || localQpn < FIRST_QPN) return CmRejectReason.UNSUPPORTED_REQUEST;
    if (formatAddress(message.localGid) !== peer.address) return CmRejectReason.PRIMARY_REMOTE_GID;
    return formatAddress(message.remoteGid) === this.#address ? 0 : CmRejectReason.PRIMARY_REMOTE_GID;
  }

  /** Refuses a request of which nothing is kept. */
  #turnAway(peer: CmPeer, message: ReqMessage, reason: number): void {
    this.#count('refused_requests');
    const additionalInfo = reason === CmRejectReason.INVALID_PATH_MTU ? Uint8Array.of(this.#pathMtu << 4) : NOTHING;
    this.#send(peer, {
      kind: 'REJ',
      transactionId: message.transactionId,
      localCommId: 0,
      remoteCommId: message.localCommId,
      rejected: CmRejected.REQ,
      reason,
      additionalInfo,
      privateData: NOTHING,
    });
  }

  /** The connection that a message is about, if it comes from its peer. */
  #find(peer: CmPeer, message: CmMessage): CmLink | undefined {
    const { localCommId, remoteCommId } = message;
    // who takes a request back may not know our number yet
    const isBlind = message.kind === 'REJ' && remoteCommId === 0;
    const link = isBlind ? this.#table.byRemoteId(peer, localCommId) : this.#table.byLocalId(remoteCommId);
    if (link === undefined) return this.#drop('unknownConnection');
    if (link.peer.key !== peer.key) return this.#drop('otherPeer');
    // the peer's number is only unknown before its answer; refusals need none
    const fits = localCommId === link.remoteCommId || link.state === 'REQ_SENT';
    return fits ? link : this.#drop('unknownConnection');
  }

  #react(now: number, link: CmLink, message: CmMessage): void {
    const reaction: CmReaction | undefined = CM_REACTIONS[link.state][message.kind];
    switch (reaction) {
      case 'takeReply':
        return this.#takeReply(link, message as RepMessage);
      case 'takeRefusal':
        this.#events.push({ kind: 'refused', link, refusal: message as RejMessage });
        return this.#wait(now, link);
      case 'takeBack':
        this.#events.push({ kind: 'abandoned', link });
        return this.#wait(now, link);
      case 'establish':
        return this.#establish(now, link);
      case 'part':
        return this.#part(now, link, message);
      case 'parted':
        return this.#ended(now, link, 'local', message.privateData);
      case 'waitLonger':
        return this.#waitLonger(now, link, message);
      case 'askForTime':
        return this.#askForTime(now, link);
      case 'sayAgain':
        return this.#sayAgain(link, message);
      case 'farewell':
        return this.#farewell(link.peer, message);
      case 'nothing':
        return this.#count('duplicates');
      default:
        this.#drop('wrongState');
    }
  }

  #takeReply(link: CmLink, reply: RepMessage): void {
    if (reply.transactionId !== link.transactionId) return this.#drop('unknownConnection');
    if (reply.localQpn < FIRST_QPN) return this.#drop('wrongQueuePair');
    link.remoteCommId = reply.localCommId;
    link.remoteQpn = reply.localQpn;
    link.state = 'REP_RCVD';
    link.repeated = undefined;
    this.#table.deadlines.set(link.slot, link.endsAt);
    this.#events.push({ kind: 'replied', link, reply });
  }

  #establish(now: number, link: CmLink): void {
    this.#leavePending(link);
    link.state = 'ESTABLISHED';
    link.repeated = undefined;
    if (!link.isActive) link.answer = undefined;
    link.endsAt = Number.POSITIVE_INFINITY;
    this.#table.deadlines.set(link.slot, Number.POSITIVE_INFINITY);
    this.#events.push({ kind: 'established', link });
    // the peer has shown by its answer that it is there, and uses the queue pair anew: the old connection is void
    const before = this.#table.established(link);
    if (before !== undefined) this.#ended(now, before, 'stale', NOTHING);
  }

  /** The peer ends it. */
  #part(now: number, link: CmLink, message: CmMessage): void {
    if (message.kind === 'DREQ') {
      if (message.remoteQpn !== link.localQpn) return this.#drop('wrongQueuePair');
      this.#farewell(link.peer, message);
    }
    // a confirmation that was lost: the peer had taken the connection for established
    if (link.state === 'REP_SENT') this.#establish(now, link);
    this.#ended(now, link, link.state === 'DREQ_SENT' ? 'local' : 'peer', message.privateData);
  }

  #ended(now: number, link: CmLink, by: 'local' | 'peer' | 'lost' | 'stale', privateData: Uint8Array): void {
    this.#events.push({ kind: 'ended', link, by, privateData });
    link.answer = undefined;
    this.#wait(now, link);
  }

  #waitLonger(now: number, link: CmLink, message: CmMessage): void {
    if (message.kind !== 'MRA') return;
    const due = now + timeOf(message.serviceTimeout) + link.intervalNs;
    this.#table.deadlines.set(link.slot, Math.min(due, link.endsAt));
  }

  /** Tells a peer that repeats its request how long the program has for an answer. */
  #askForTime(now: number, link: CmLink): void {
    const serviceTimeout = codeOf(link.endsAt - now);
    this.#send(link.peer, { kind: 'MRA', ...idsOf(link), acknowledged: 0, serviceTimeout, privateData: NOTHING });
  }

  #sayAgain(link: CmLink, message: CmMessage): void {
    const { answer } = link;
    this.#count('duplicates');
    if (answer === undefined || (answer.kind === 'RTU' && message.kind !== 'REP')) return;
    this.#send(link.peer, answer);
  }

  /** Answers a farewell, also of a connection that is unknown by now, so that the peer need not wait. */
  #farewell(peer: CmPeer, { transactionId, localCommId, remoteCommId }: CmMessage): void {
    const ids = { transactionId, localCommId: remoteCommId, remoteCommId: localCommId };
    this.#send(peer, { kind: 'DREP', ...ids, privateData: NOTHING });
  }

  #refuse(now: number, link: CmLink, rejected: number, reason: number, privateData: Uint8Array): void {
    // who gives up says who it is: the peer may not know our number yet
    const additionalInfo = reason === CmRejectReason.TIMEOUT ? this.#guid : NOTHING;
    link.answer = { kind: 'REJ', ...idsOf(link), rejected, reason, additionalInfo, privateData };
    this.#send(link.peer, link.answer);
    this.#wait(now, link);
  }

  #expired(now: number, link: CmLink): void {
    switch (link.state) {
      case 'TIMEWAIT':
        this.#table.remove(link);
        return;
      case 'REQ_RCVD':
        this.#events.push({ kind: 'abandoned', link });
        return this.reject(now, link, CmRejectReason.TIMEOUT);
      default:
    }
    if (link.repeated !== undefined && link.retriesLeft > 0 && now < link.endsAt) {
      link.retriesLeft--;
      this.#count('repeated');
      this.#send(link.peer, link.repeated);
      this.#table.deadlines.set(link.slot, Math.min(now + link.intervalNs, link.endsAt));
      return;
    }
    this.#count('timeouts');
    if (link.state === 'DREQ_SENT') return this.#ended(now, link, 'lost', NOTHING);
    this.#events.push({ kind: 'unreachable', link });
    this.abort(now, link);
  }

  /** From now on only late messages are answered. */
  #wait(now: number, link: CmLink): void {
    if (link.state === 'REQ_RCVD') this.#leavePort(link);
    this.#leavePending(link);
    link.state = 'TIMEWAIT';
    link.repeated = undefined;
    this.#table.waits(link);
    this.#table.deadlines.set(link.slot, now + link.timewaitNs);
  }

  #leavePort(link: CmLink): void {
    const port = this.#ports.get(link.port);
    if (port !== undefined) port.waiting--;
  }

  #leavePending({ isActive, state }: CmLink): void {
    if (!isActive && (state === 'REQ_RCVD' || state === 'REP_SENT')) this.#pending--;
  }

  #repeat(now: number, link: CmLink, message: CmMessage, endsAt: number): void {
    link.repeated = message;
    link.retriesLeft = link.maxRetries;
    link.endsAt = endsAt;
    this.#send(link.peer, message);
    this.#table.deadlines.set(link.slot, Math.min(now + link.intervalNs, endsAt));
  }

  #send(peer: CmPeer, message: CmMessage): void {
    if (this.#outbox.length >= this.limits.maxOutbox) return this.#drop('outboxFull');
    this.#outbox.push({ peer, message });
  }

  /** A number that no connection has. */
  #freshId(): number {
    for (;;) {
      const id = this.#random() >>> 0;
      if (id !== 0 && this.#table.byLocalId(id) === undefined) return id;
    }
  }

  #drop(reason: CmDrop | MessageFault): undefined {
    this.#counters.add(DROP_AT + CM_DROPS.findIndex(({ name }) => name === reason));
  }

  #count(name: (typeof CM_COUNTERS)[number]): void {
    this.#counters.add(CM_COUNTERS.indexOf(name));
  }
}

const idsOf = ({ transactionId, localCommId, remoteCommId }: CmLink) => ({ transactionId, localCommId, remoteCommId });

/** Port of the service; -1 when it is none of the IP port space for connections. */
const portOf = ({ serviceId }: ReqMessage): number =>
  serviceId >> 16n === ipServiceId(TCP, 0) >> 16n ? Number(serviceId & 0xffffn) : -1;

const NOTHING: Uint8Array = new Uint8Array(0);
const TCP = 6;
/** Numbers below belong to management. */
const FIRST_QPN = 2;
const DROP_AT = CM_COUNTERS.length - CM_DROPS.length;
