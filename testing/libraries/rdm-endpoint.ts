/**
 * A second user library, in the manner of libfabric: endpoints, peers by index, counters instead of completions. It uses
 * the user API and the shared structures only, none of the verbs classes.
 */
import {
  CompletionEntry,
  DOORBELL_PAGE_BYTES,
  DoorbellPage,
  PAYLOAD_AT,
  ReceiveEntry,
  Ring,
  ringBytes,
  SegmentEntry,
  SendEntry,
  SendFlag,
} from '@verbena/core/abi';
import type { Input, Method, ObjectSchema, Output } from '@verbena/core/uapi';
import { ACCESS_FLAGS, decodeAnswer, encodeRequest, MemoryKind, QP_TYPES, UAPI } from '@verbena/core/uapi';

/** What the library needs of a port to a device. */
export interface EndpointPort {
  invoke(request: { readonly bytes: Uint8Array; readonly attachments: readonly unknown[] }): {
    readonly bytes: Uint8Array;
    readonly attachments: readonly unknown[];
  };
  progress(): number;
  scheduleProgress(): void;
}

/** One process's address in a job: it sends to peers by index, and receives from all of them. */
export class RdmEndpoint {
  /** Requests that went well, and that did not. */
  readonly counter = { successes: 0, errors: 0 };
  readonly received: Uint8Array[] = [];
  readonly qpn: number;
  readonly #port: EndpointPort;
  readonly #context: number;
  readonly #driver: number;
  readonly #page: DoorbellPage;
  readonly #slot: number;
  readonly #job: number;
  readonly #lkey: number;
  readonly #memory = new Uint8Array(DEPTH * BUFFER_BYTES);
  readonly #sends = new Ring(new Uint8Array(ringBytes(DEPTH, SendEntry.bytes)), DEPTH, SendEntry.bytes);
  readonly #receives = new Ring(new Uint8Array(ringBytes(DEPTH, ReceiveEntry.bytes)), DEPTH, ReceiveEntry.bytes);
  readonly #completions = new Ring(
    new Uint8Array(ringBytes(CQ_DEPTH, CompletionEntry.bytes)),
    CQ_DEPTH,
    CompletionEntry.bytes,
  );
  #sent = 0;
  #posted = 0;
  #polled = 0;

  constructor(port: EndpointPort, device: string, jobId: number) {
    this.#port = port;
    const opened = this.#open(device);
    this.#context = opened.context;
    this.#driver = opened.driver;
    const map = { offset: opened.page, length: DOORBELL_PAGE_BYTES };
    this.#page = new DoorbellPage(this.#invoke(UAPI.DEVICE, UAPI.DEVICE.methods.MAP, map).attachments[0] as Uint8Array);
    const pd = this.#call(UAPI.PD, UAPI.PD.methods.ALLOC, {}).handle;
    const cq = this.#call(
      UAPI.CQ,
      UAPI.CQ.methods.CREATE,
      { ring: whole(this.#completions.bytes), entries: CQ_DEPTH },
      [this.#completions.bytes],
    ).handle;
    this.#job = this.#call(UAPI.JOB, UAPI.JOB.methods.ALLOC, { id: jobId }).handle;
    const jobKey = this.#call(UAPI.JKEY, UAPI.JKEY.methods.CREATE, { pd, job: this.#job }).handle;
    const region = { pd, memory: whole(this.#memory), access: ACCESS_FLAGS.LOCAL_WRITE };
    this.#lkey = this.#call(UAPI.MR, UAPI.MR.methods.REG, region, [this.#memory]).lkey;
    const queue = {
      pd,
      type: QP_TYPES.RU,
      sendCq: cq,
      recvCq: cq,
      jobKey,
      flags: 2,
      sendRing: whole(this.#sends.bytes),
      sendEntries: DEPTH,
      receiveRing: { ...whole(this.#receives.bytes), index: 1 },
      receiveEntries: DEPTH,
    };
    const made = this.#call(UAPI.QP, UAPI.QP.methods.CREATE, queue, [this.#sends.bytes, this.#receives.bytes]);
    this.qpn = made.qpnGiven;
    this.#slot = made.slot;
    for (let i = 0; i < DEPTH; i++) this.#postReceive(i);
  }

  /** A peer by index, as `fi_av_insert`. */
  insert(index: number, address: Uint8Array, qpn: number): void {
    const to = { address, port: 0, sgidIndex: 0 };
    this.#call(UAPI.JOB, UAPI.JOB.methods.ADDR_INSERT, { handle: this.#job, index, to, qpn });
  }

  /** Sends up to 64 bytes, as `fi_inject`. */
  send(index: number, bytes: Uint8Array): void {
    const { view } = this.#sends;
    const at = this.#sends.at(this.#sent);
    const { fields } = SendEntry;
    view.setUint32(at, 0, true);
    fields.opcode.set(view, at, 2);
    fields.flags.set(view, at, SendFlag.INLINE);
    fields.inlineLength.set(view, at, bytes.length);
    fields.segments.set(view, at, 0);
    fields.jobKey.set(view, at, 0);
    fields.address.set(view, at, 0);
    fields.index.set(view, at, index);
    this.#sends.bytes.set(bytes, at + PAYLOAD_AT);
    this.#sends.publish(++this.#sent);
    this.#ring();
  }

  /** Moves on, and collects what has arrived. */
  progress(): void {
    this.#port.progress();
    const { view } = this.#completions;
    const { opcode, status, byteLength, idLo } = CompletionEntry.fields;
    for (; this.#polled !== this.#completions.producer(); this.#polled++) {
      const at = this.#completions.at(this.#polled);
      if (status.get(view, at) !== 0) this.counter.errors++;
      else this.counter.successes++;
      if ((opcode.get(view, at) & 128) === 0 || status.get(view, at) !== 0) continue;
      const place = idLo.get(view, at);
      this.received.push(this.#memory.slice(place * BUFFER_BYTES, place * BUFFER_BYTES + byteLength.get(view, at)));
      this.#postReceive(place);
    }
    this.#completions.retire(this.#polled);
  }

  close(): void {
    this.#call(UAPI.DEVICE, UAPI.DEVICE.methods.CLOSE, {});
  }

  #postReceive(place: number): void {
    const { view } = this.#receives;
    const at = this.#receives.at(this.#posted);
    ReceiveEntry.fields.segments.set(view, at, 1);
    ReceiveEntry.fields.idLo.set(view, at, place);
    ReceiveEntry.fields.idHi.set(view, at, 0);
    const { lkey, length, offsetLo, offsetHi } = SegmentEntry.fields;
    lkey.set(view, at + PAYLOAD_AT, this.#lkey);
    length.set(view, at + PAYLOAD_AT, BUFFER_BYTES);
    offsetLo.set(view, at + PAYLOAD_AT, place * BUFFER_BYTES);
    offsetHi.set(view, at + PAYLOAD_AT, 0);
    this.#receives.publish(++this.#posted);
    this.#ring();
  }

  #ring(): void {
    this.#page.ring(this.#slot);
    this.#port.scheduleProgress();
  }

  #open(device: string): Output<typeof UAPI.DEVICE.methods.OPEN> {
    const { OPEN } = UAPI.DEVICE.methods;
    const answer = this.#port.invoke({ bytes: encodeRequest(UAPI.DEVICE, OPEN, { device }), attachments: [] });
    return decodeAnswer(OPEN, answer.bytes);
  }

  #call<M extends Method>(
    object: ObjectSchema,
    method: M,
    input: Input<M>,
    attachments: readonly unknown[] = [],
  ): Output<M> {
    return decodeAnswer(method, this.#invoke(object, method, input, attachments).bytes);
  }

  #invoke<M extends Method>(object: ObjectSchema, method: M, input: Input<M>, attachments: readonly unknown[] = []) {
    const bytes = encodeRequest(object, method, input, { context: this.#context, driver: this.#driver });
    return this.#port.invoke({ bytes, attachments });
  }
}

const whole = (bytes: Uint8Array) => ({ kind: MemoryKind.ATTACHMENT, index: 0, offset: 0, length: bytes.length });

const DEPTH = 16;
const CQ_DEPTH = 64;
const BUFFER_BYTES = 64;
