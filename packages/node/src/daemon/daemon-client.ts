/**
 * One connection to the daemon: one session. Frames in, answers and wake numbers out, in an order that a client can
 * rely on, and everything given back when the connection ends.
 *
 *   waiting ── first frame ──► open ── end of connection, or dropped ──► closed
 */
import {
  ALL_RIGHTS,
  type Credentials,
  encodeError,
  type Message,
  NO_RIGHTS,
  type Rights,
  type Session,
  type System,
  VerbsError,
} from '@verbena/core';
import type { Clock } from '../device/clock.ts';
import { LinkFrame, MAX_WAKES, parseLinkFrame, wakeFrame } from '../ipc/link-frames.ts';
import { MAX_FDS, MAX_FRAME_BYTES, type Received, type SeqpacketConnection } from '../ipc/seqpacket.ts';
import { LINUX, type Libc } from '../memory/libc.ts';
import { type MappingBudget, ReceivedFile } from '../memory/received-file.ts';
import { PeerIdentity } from './daemon-host.ts';
import type { DaemonCounters, DaemonLimits, DropReason } from './daemon-limits.ts';
import { programName } from './peer-process.ts';

/** What a client needs of its daemon. */
export interface ClientOwner {
  readonly libc: Libc;
  readonly system: System;
  readonly clock: Clock;
  readonly limits: DaemonLimits;
  readonly counters: DaemonCounters;
  /** What all clients together have mapped. */
  readonly mapped: MappingBudget;
  /** Who has all rights beside root. */
  readonly ownUid: number;
  /** Credentials that depend on the host: the namespace. */
  credentialsOf(client: DaemonClient): Pick<Credentials, 'namespace'>;
  /** A call may have left something to do for the devices that the session uses. */
  stir(session: Session): void;
  /** A client had its share: devices that waited for long are driven. */
  driveIfDue(): void;
  failed(client: DaemonClient, thrown: unknown): void;
  closed(client: DaemonClient, reason: DropReason | undefined): void;
}

export class DaemonClient {
  readonly connection: SeqpacketConnection;
  readonly name: string;
  readonly #owner: ClientOwner;
  readonly #mapped: MappingBudget;
  readonly #outbox: { readonly bytes: Uint8Array; readonly fds: readonly number[] }[] = [];
  readonly #wakes = new Set<number>();
  #session: Session | undefined;
  #malformed = 0;
  #flushing = false;
  #slow: NodeJS.Timeout | undefined;
  #closed = false;

  /** Takes the connection over. */
  constructor(owner: ClientOwner, connection: SeqpacketConnection) {
    this.#owner = owner;
    this.connection = connection;
    this.name = programName(connection.peer);
    const { mappings, mappedBytes } = owner.limits;
    this.#mapped = { mappings: 0, bytes: 0, maxMappings: mappings, maxBytes: mappedBytes };
    connection.watch(
      () => this.#readable(),
      () => this.#drain(),
    );
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Ends the connection and everything that the client made, newest first. */
  close(reason?: DropReason): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#slow);
    const session = this.#session;
    if (session !== undefined) {
      session.close();
      this.#owner.stir(session);
    }
    for (const { fds } of this.#outbox.splice(0)) for (const fd of fds) this.#owner.libc.close(fd);
    this.#wakes.clear();
    this.connection.close();
    if (reason !== undefined) this.#owner.counters.dropped(reason);
    this.#owner.closed(this, reason);
  }

  /** A share of what waits; the event loop calls again while there is more. */
  #readable(): void {
    const until = performance.now() + SHARE_MS;
    for (let served = 0; served < SHARE_REQUESTS && !this.#closed; served++) {
      const received = this.connection.receive();
      if (received === undefined) {
        if (this.connection.ended) this.close();
        break;
      }
      this.#serve(received);
      if (performance.now() > until) break;
    }
    this.#owner.driveIfDue();
  }

  #serve(received: Received): void {
    const { counters, libc, limits } = this.#owner;
    const link = received.truncated ? undefined : parseLinkFrame(received.bytes);
    if (link !== undefined && this.#serveLink(link)) {
      for (const fd of received.fds) libc.close(fd);
      return;
    }
    if (received.truncated) counters.truncatedFrames++;
    if (received.truncated || !hasItsLength(received.bytes)) {
      counters.malformedFrames++;
      for (const fd of received.fds) libc.close(fd);
      if (++this.#malformed > limits.malformedFrames) this.close('malformed');
      else this.#answer({ bytes: encodeError(malformed(received), 0), attachments: [] });
      return;
    }
    counters.requests++;
    const session = (this.#session ??= this.#begin(ALL_RIGHTS));
    const files = received.fds.map((fd) => new ReceivedFile(libc, fd, [this.#mapped, this.#owner.mapped]));
    try {
      // the next frame overwrites the bytes, and a call may keep parts of them
      const answer = session.invoke({ bytes: received.bytes.slice(), attachments: files }, this.#owner.clock.now());
      this.#answer(answer);
    } catch (thrown) {
      this.#owner.failed(this, thrown); // a bug here must not end the others
      this.close('failed');
    } finally {
      for (const file of files) file.close();
    }
    if (!this.#closed) this.#owner.stir(session);
  }

  /** @returns false for a kind that does not exist, or comes too late */
  #serveLink({ kind, value }: { readonly kind: number; readonly value: number }): boolean {
    if (kind === LinkFrame.KICK) {
      this.#owner.counters.kicks++;
      if (this.#session !== undefined) this.#owner.stir(this.#session);
      return true;
    }
    if (kind !== LinkFrame.HELLO || this.#session !== undefined) return false;
    const keep: Rights = { admin: (value & 1) !== 0, job: (value & 2) !== 0, raw: (value & 4) !== 0 };
    this.#session = this.#begin(keep);
    return true;
  }

  /** Rights are those of the user, less what the client gives up: they never grow again. */
  #begin(keep: Rights): Session {
    const { libc, limits, ownUid, system } = this.#owner;
    const { peer, fd } = this.connection;
    const all = peer.uid === 0 || peer.uid === ownUid ? ALL_RIGHTS : NO_RIGHTS;
    return system.session({
      ...peer,
      name: this.name,
      rights: { admin: all.admin && keep.admin, job: all.job && keep.job, raw: all.raw && keep.raw },
      ...this.#owner.credentialsOf(this),
      memlockBytes: limits.memlockBytes,
      group: system.groupOf(`/uid/${peer.uid}`),
      identity: new PeerIdentity(libc, peer, fd),
      wake: (number) => this.#wake(number),
    });
  }

  #answer({ bytes, attachments }: Message): void {
    const fds = attachments.map((one) => (one as { readonly fd: number }).fd);
    if (this.#outbox.length === 0 && !this.#closed) {
      const result = this.connection.send(bytes, fds);
      if (result === 'sent') return;
      if (result === 'gone') {
        this.close();
        return;
      }
    }
    if (this.#closed) return;
    if (this.#outbox.length >= this.#owner.limits.queuedAnswers) {
      this.close('slowReader');
      return;
    }
    // what the descriptors name may end before the client reads: the queue has its own
    const own = fds.map((fd) => this.#owner.libc.fcntl(fd, LINUX.F_DUPFD_CLOEXEC, 0)).filter((fd) => fd >= 0);
    this.#owner.counters.answersQueued++;
    this.#outbox.push({ bytes, fds: own });
    this.#slow ??= setTimeout(() => this.close('slowReader'), this.#owner.limits.slowReaderMs).unref();
  }

  /** There is room again. */
  #drain(): void {
    for (let next = this.#outbox[0]; next !== undefined && !this.#closed; next = this.#outbox[0]) {
      const result = this.connection.send(next.bytes, next.fds);
      if (result === 'full') return;
      for (const fd of next.fds) this.#owner.libc.close(fd);
      this.#outbox.shift();
      if (result === 'gone') {
        this.close();
        return;
      }
    }
    clearTimeout(this.#slow);
    this.#slow = undefined;
    this.#flush();
  }

  /** Numbers are collected until the device's step, or the call, is over. */
  #wake(number: number): void {
    this.#wakes.add(number);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#wakes.size === 0 || this.#closed || this.#outbox.length > 0) return;
    const numbers = [...this.#wakes];
    for (let at = 0; at < numbers.length; at += MAX_WAKES) {
      const part = numbers.slice(at, at + MAX_WAKES);
      if (this.connection.send(wakeFrame(part)) !== 'sent') return; // kept until there is room, or the end
      this.#owner.counters.wakeFrames++;
      for (const number of part) this.#wakes.delete(number);
    }
  }
}

function hasItsLength(bytes: Uint8Array): boolean {
  if (bytes.length < MIN_REQUEST_BYTES) return false;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true) === bytes.length;
}

function malformed({ bytes, truncated }: Received): VerbsError {
  return truncated
    ? new VerbsError('EMSGSIZE', 'invoke', 'the message is too long, or has too many descriptors', {
        try: `up to ${MAX_FRAME_BYTES} bytes and ${MAX_FDS} descriptors`,
      })
    : new VerbsError('EINVAL', 'invoke', `${bytes.length} bytes that do not say so are no request`, {
        try: `${MIN_REQUEST_BYTES} bytes or more, with the length in the first word`,
      });
}

const MIN_REQUEST_BYTES = 32;
/** What one client is served before others get their turn. */
const SHARE_REQUESTS = 16;
const SHARE_MS = 1;
