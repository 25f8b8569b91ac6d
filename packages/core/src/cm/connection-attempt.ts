/** Connecting to a service of a peer, from the request to the end of the handshake. */

import { isIpv4, parseAddress } from '../base/ip-address.ts';
import { VerbsError } from '../base/verbs-error.ts';
import { DEFAULT_PKEY } from '../wire/roce/bth.ts';
import { CmRejectReason, CmService, ipServiceId } from '../wire/roce/cm.ts';
import type { CmEvent, CmLink } from './cm-link.ts';
import type { Connection } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import type { GsiPeer } from './gsi-queue.ts';
import { ipRequestData, PRIVATE_BYTES, type RejMessage, type RepMessage } from './messages.ts';
import { checkConnectNumbers, checkNumbers, checkPrivateData } from './parameter-checks.ts';
import type { ConnectedType, ConnectionParameters, ConnectionPeer, ConnectOptions } from './parameters.ts';
import {
  ackTimeout,
  checkConnectable,
  DEFAULT_TIMEOUT,
  defaultAccess,
  mtuBytes,
  mtuCode,
  toError,
  toInit,
  toReady,
} from './queue-pair-steps.ts';
import { ConnectionRejected } from './reject-reasons.ts';

export class ConnectionAttempt {
  readonly #endpoint: Endpoint;
  readonly #options: ConnectOptions;
  readonly #peer: GsiPeer;
  readonly #type: ConnectedType;
  readonly #reads: { readonly responderResources: number; readonly initiatorDepth: number };
  /** Each side says where the other is to begin. */
  readonly #rqPsn: number;
  readonly #sourcePort: number;
  readonly #endsAt: number;
  #pathMtu: number;
  #link: CmLink | undefined;
  #ready:
    | { readonly peer: ConnectionPeer; readonly parameters: ConnectionParameters; readonly reply: RepMessage }
    | undefined;
  #connection: Connection | undefined;
  #problem: VerbsError | undefined;

  /** @throws VerbsError EINVAL, EBUSY as `ConnectionManager.connect` says */
  constructor(endpoint: Endpoint, options: ConnectOptions) {
    const { qp, timeoutMs = 30_000, responderResources, initiatorDepth, privateData } = options;
    const { context, pump } = endpoint;
    const mostReads = context.attributes.maxQpRdAtomic;
    checkConnectable('connect', context, qp);
    checkPrivateData('connect', privateData, PRIVATE_BYTES.REQ);
    checkNumbers('connect', options, mostReads);
    checkConnectNumbers('connect', options);
    if (!(timeoutMs >= 0)) {
      throw new VerbsError('EINVAL', 'connect', `${timeoutMs} is not a time`, { try: '0 or more' });
    }
    this.#endpoint = endpoint;
    this.#options = options;
    this.#type = qp.type as ConnectedType;
    this.#reads = {
      responderResources: responderResources ?? Math.min(16, mostReads),
      initiatorDepth: initiatorDepth ?? Math.min(16, mostReads),
    };
    this.#pathMtu = Math.min(endpoint.pathMtu, options.pathMtu === undefined ? 5 : mtuCode(options.pathMtu));
    this.#rqPsn = endpoint.randomPsn();
    this.#sourcePort = options.sourcePort ?? endpoint.randomPort();
    this.#peer = pump.gsi.peer(options.address, options.udpPort);
    this.#endsAt = pump.now() + timeoutMs * 1e6;
    endpoint.claim('connect', qp);
  }

  async run(): Promise<Connection> {
    const { pump } = this.#endpoint;
    const { qp, signal } = this.#options;
    try {
      if (qp.state === 'RESET') toInit(qp, this.#endpoint.port, this.#access(this.#reads.responderResources));
      this.#ask();
      pump.kick();
      const isSettled = () => this.#connection !== undefined || this.#problem !== undefined;
      await pump.until(isSettled, signal === undefined ? {} : { signal }, () => this.#late());
      if (this.#problem !== undefined) throw this.#problem;
      return this.#connection!;
    } catch (thrown) {
      if (this.#link !== undefined && pump.isOpen) {
        pump.disown(this.#link);
        pump.engine.abort(pump.now(), this.#link);
        pump.kick();
      }
      this.#endpoint.release(qp);
      throw thrown;
    }
  }

  /** Sends the request. @throws VerbsError ENOSPC no room */
  #ask(): void {
    const { pump, gid, guid } = this.#endpoint;
    const { qp, port, privateData, retryCount = 7, rnrRetry = 7, timeout, responseTimeout = 17 } = this.#options;
    const remoteGid = parseAddress(this.#peer.address)!;
    const data = privateData ?? new Uint8Array(0);
    const request = {
      serviceId: ipServiceId(TCP, port),
      localCaGuid: guid,
      localQpn: qp.qpn,
      ...this.#reads,
      remoteCmResponseTimeout: responseTimeout,
      transportService: this.#type === 'UC' ? CmService.UC : CmService.RC,
      startingPsn: this.#rqPsn,
      localCmResponseTimeout: responseTimeout,
      retryCount,
      pkey: DEFAULT_PKEY,
      pathMtu: this.#pathMtu,
      rnrRetryCount: rnrRetry,
      maxCmRetries: this.#options.maxRetries ?? 15,
      srq: qp.srq !== undefined,
      localGid: gid,
      remoteGid,
      trafficClass: 0,
      localAckTimeout: timeout ?? DEFAULT_TIMEOUT,
      privateData: ipRequestData(this.#sourcePort, gid, remoteGid, isIpv4(remoteGid), data),
    };
    this.#link = pump.engine.connect(pump.now(), this.#peer, request, this.#endsAt);
    if (this.#link === undefined) {
      throw new VerbsError('ENOSPC', 'connect', 'there are too many connections', {
        object: this.#describe(),
        given: `${pump.engine.size} connections, at most ${pump.engine.limits.maxLinks}`,
        try: 'end some first',
      });
    }
    pump.own(this.#link, {
      handle: (event) => this.#handle(event),
      fail: (error) => (this.#problem = error),
    });
  }

  #handle(event: CmEvent): void {
    switch (event.kind) {
      case 'replied':
        return this.#replied(event.reply);
      case 'established':
        return this.#established();
      case 'refused':
        return this.#refused(event.refusal);
      case 'unreachable':
        this.#problem = this.#late();
        break;
      default:
    }
  }

  #replied(reply: RepMessage): void {
    const { pump } = this.#endpoint;
    const { qp, port, timeout, retryCount = 7, minRnrTimer = 12 } = this.#options;
    const { address, udpPort } = this.#peer;
    const peer = { address, udpPort, port, qpn: reply.localQpn };
    const parameters: ConnectionParameters = {
      type: this.#type,
      pathMtu: mtuBytes(this.#pathMtu),
      // the peer grants less at most
      responderResources: Math.min(this.#reads.responderResources, reply.initiatorDepth),
      initiatorDepth: Math.min(this.#reads.initiatorDepth, reply.responderResources),
      timeout: timeout ?? ackTimeout(reply.targetAckDelay),
      retryCount,
      rnrRetry: reply.rnrRetryCount,
      sqPsn: reply.startingPsn,
      rqPsn: this.#rqPsn,
    };
    try {
      toReady(qp, peer, parameters, { minRnrTimer, access: this.#access(parameters.responderResources) });
    } catch (thrown) {
      this.#problem = thrown as VerbsError;
      pump.engine.reject(pump.now(), this.#link!, CmRejectReason.CONSUMER);
      return;
    }
    this.#ready = { peer, parameters, reply };
    pump.engine.confirm(pump.now(), this.#link!);
  }

  #established(): void {
    const { peer, parameters, reply } = this.#ready!;
    const { qp } = this.#options;
    this.#connection = this.#endpoint.connected(this.#link!, qp, peer, parameters, reply.privateData);
  }

  /** A peer that only takes smaller packets is asked again. */
  #refused({ reason, additionalInfo, privateData }: RejMessage): void {
    const most = (additionalInfo[0] ?? 0) >> 4;
    if (reason === CmRejectReason.INVALID_PATH_MTU && most >= 1 && most < this.#pathMtu) {
      this.#pathMtu = most;
      try {
        this.#ask();
      } catch (thrown) {
        this.#problem = thrown as VerbsError;
      }
      return;
    }
    this.#problem = new ConnectionRejected('connect', this.#describe(), reason, privateData);
    if (this.#ready !== undefined) toError(this.#options.qp);
  }

  #access(responderResources: number) {
    return this.#options.access ?? defaultAccess(this.#endpoint.context, this.#type, responderResources);
  }

  #late(): VerbsError {
    return new VerbsError('ETIMEDOUT', 'connect', 'the peer does not answer', {
      object: this.#describe(),
      try: 'compare the address, and look whether a connection manager runs there and packets get through',
    });
  }

  #describe(): string {
    const { qp, port } = this.#options;
    return `${qp.describe()} to ${this.#peer.address} port ${port}`;
  }
}

const TCP = 6;
