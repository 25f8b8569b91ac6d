/** A peer that wants to connect. */
import { VerbsError } from '../base/verbs-error.ts';
import { CmRejectReason, CmService } from '../wire/roce/cm.ts';
import type { CmEvent, CmLink } from './cm-link.ts';
import type { Connection } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import type { GsiPeer } from './gsi-queue.ts';
import { type IpRequest, PRIVATE_BYTES, type ReqMessage } from './messages.ts';
import { checkNumbers, checkPrivateData } from './parameter-checks.ts';
import type { AcceptOptions, ConnectionParameters, ConnectionPeer, RequestParameters } from './parameters.ts';
import type { LinkOwner } from './pump.ts';
import {
  ACK_DELAY,
  checkConnectable,
  DEFAULT_TIMEOUT,
  defaultAccess,
  MAX_TIMEOUT,
  mtuBytes,
  toError,
  toInit,
  toReady,
} from './queue-pair-steps.ts';
import { ConnectionRejected, type RejectReason } from './reject-reasons.ts';

export class ConnectionRequest {
  readonly peer: ConnectionPeer;
  /** Port that was asked for. */
  readonly port: number;
  /** What the peer sent: 56 bytes, zeros behind. */
  readonly privateData: Uint8Array;
  readonly parameters: RequestParameters;
  readonly #endpoint: Endpoint;
  readonly #link: CmLink;
  readonly #request: ReqMessage;
  #isPending = true;
  /** Answered by the program. */
  #isAnswered = false;
  #connection: Connection | undefined;
  #problem: VerbsError | undefined;
  /** Makes the connection out of what `accept` was given. */
  #onEstablished: () => Connection | undefined = () => undefined;

  /** For the manager. */
  constructor(endpoint: Endpoint, link: CmLink, request: ReqMessage, ip: IpRequest) {
    const peer = link.peer as GsiPeer;
    this.#endpoint = endpoint;
    this.#link = link;
    this.#request = request;
    this.peer = { address: peer.address, udpPort: peer.udpPort, port: ip.sourcePort, qpn: request.localQpn };
    this.port = link.port;
    this.privateData = ip.privateData;
    this.parameters = {
      type: request.transportService === CmService.UC ? 'UC' : 'RC',
      pathMtu: mtuBytes(request.pathMtu),
      // what is under way for one side is served by the other
      responderResources: request.initiatorDepth,
      initiatorDepth: request.responderResources,
      retryCount: request.retryCount,
      rnrRetry: request.rnrRetryCount,
      srq: request.srq,
    };
    const owner: LinkOwner = {
      handle: (event) => this.#handle(event),
      fail: (error) => this.#fail(error),
    };
    endpoint.pump.own(link, owner);
  }

  /** Neither accepted nor rejected nor given up by the peer. */
  get isPending(): boolean {
    return this.#isPending;
  }

  /**
   * Connects the queue pair: takes it to RTS, tells the peer, and resolves when the peer has confirmed.
   *
   * @throws VerbsError `EINVAL` answered already, a queue pair of another kind, not in RESET or INIT, private data too long
   *   · `EBUSY` the queue pair is being connected · `ETIMEDOUT` the peer gave up, or did not confirm · `ECONNREFUSED` the
   *   peer refused the answer ({@link ConnectionRejected})
   */
  async accept(options: AcceptOptions): Promise<Connection> {
    const { pump } = this.#endpoint;
    this.#checkPending('accept');
    this.#connect(options);
    await pump.until(
      () => this.#connection !== undefined || this.#problem !== undefined,
      {},
      () => this.#gone('accept'),
    );
    if (this.#connection !== undefined) return this.#connection;
    throw this.#problem!;
  }

  /**
   * Refuses. A request that is neither accepted nor refused within 30 s is refused with reason TIMEOUT.
   *
   * @param options.reason - default CONSUMER
   * @param options.privateData - up to 148 bytes for the peer
   * @throws VerbsError EINVAL answered already, private data too long · ETIMEDOUT the peer gave up
   */
  reject(options: { readonly reason?: RejectReason; readonly privateData?: Uint8Array } = {}): void {
    const { reason = 'CONSUMER', privateData } = options;
    this.#checkPending('reject');
    checkPrivateData('reject', privateData, PRIVATE_BYTES.REJ);
    this.#isPending = false;
    this.#isAnswered = true;
    const { pump } = this.#endpoint;
    pump.disown(this.#link);
    pump.engine.reject(pump.now(), this.#link, CmRejectReason[reason], privateData);
    pump.kick();
  }

  describe(): string {
    return `the request of ${this.peer.address} for port ${this.port}`;
  }

  #connect(options: AcceptOptions): void {
    const { pump, context } = this.#endpoint;
    const { qp, privateData = new Uint8Array(0), minRnrTimer = 12, rnrRetry = 7 } = options;
    const { parameters: wanted } = this;
    checkConnectable('accept', context, qp);
    checkPrivateData('accept', privateData, PRIVATE_BYTES.REP);
    const mostReads = context.attributes.maxQpRdAtomic;
    checkNumbers('accept', options, mostReads);
    if (qp.type !== wanted.type) {
      throw new VerbsError('EINVAL', 'accept', `the peer connects a queue pair of kind ${wanted.type}`, {
        object: this.describe(),
        given: `${qp.describe()} of kind ${qp.type}`,
        try: `kind ${wanted.type}, or reject({ reason: 'INVALID_TRANSPORT_SERVICE' })`,
      });
    }
    const { localAckTimeout } = this.#request;
    const parameters: ConnectionParameters = {
      type: wanted.type,
      pathMtu: wanted.pathMtu,
      responderResources: Math.min(options.responderResources ?? mostReads, wanted.responderResources, mostReads),
      initiatorDepth: Math.min(options.initiatorDepth ?? mostReads, wanted.initiatorDepth, mostReads),
      // 0 would be for ever
      timeout: options.timeout ?? Math.min(localAckTimeout === 0 ? DEFAULT_TIMEOUT : localAckTimeout, MAX_TIMEOUT),
      retryCount: options.retryCount ?? wanted.retryCount,
      rnrRetry: wanted.rnrRetry,
      // each side says where the other is to begin
      sqPsn: this.#request.startingPsn,
      rqPsn: this.#endpoint.randomPsn(),
    };
    const access = options.access ?? defaultAccess(context, wanted.type, parameters.responderResources);
    this.#endpoint.claim('accept', qp);
    try {
      if (qp.state === 'RESET') toInit(qp, this.#endpoint.port, access);
      toReady(qp, this.peer, parameters, { minRnrTimer, access });
    } catch (thrown) {
      this.#endpoint.release(qp);
      throw thrown;
    }
    this.#isPending = false;
    this.#isAnswered = true;
    this.#onEstablished = () => this.#endpoint.connected(this.#link, qp, this.peer, parameters, this.privateData);
    this.#onFailed = () => {
      this.#endpoint.release(qp);
      toError(qp);
    };
    pump.engine.accept(pump.now(), this.#link, {
      localQpn: qp.qpn,
      startingPsn: parameters.rqPsn,
      responderResources: parameters.responderResources,
      initiatorDepth: parameters.initiatorDepth,
      targetAckDelay: ACK_DELAY,
      rnrRetryCount: rnrRetry,
      srq: qp.srq !== undefined,
      localCaGuid: this.#endpoint.guid,
      privateData,
    });
    pump.kick();
  }

  #onFailed: () => void = () => {};

  #handle(event: CmEvent): void {
    switch (event.kind) {
      case 'established':
        this.#connection = this.#onEstablished();
        break;
      case 'refused':
        this.#fail(new ConnectionRejected('accept', this.describe(), event.refusal.reason, event.refusal.privateData));
        break;
      case 'unreachable':
        this.#fail(
          new VerbsError('ETIMEDOUT', 'accept', 'the peer did not confirm the connection', {
            object: this.describe(),
            try: 'look whether its program is alive, and whether packets get through in both directions',
          }),
        );
        break;
      case 'abandoned':
        this.#fail(this.#gone('accept'));
        break;
      default:
    }
  }

  #fail(problem: VerbsError): void {
    this.#isPending = false;
    this.#problem ??= problem;
    this.#onFailed();
  }

  #checkPending(call: string): void {
    if (this.#isPending) return;
    if (!this.#isAnswered) throw this.#problem ?? this.#gone(call);
    throw new VerbsError('EINVAL', call, 'the request is answered already', { object: this.describe() });
  }

  #gone(call: string): VerbsError {
    return new VerbsError('ETIMEDOUT', call, 'the request is void: the peer took it back, or waited too long', {
      object: this.describe(),
      try: 'answer within 30 s of its coming',
    });
  }
}
