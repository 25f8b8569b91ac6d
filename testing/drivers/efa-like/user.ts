/** The user half: one queue pair with what it needs. It calls, and touches mapped memory, and nothing else. */
import { ACCESS_FLAGS, MemoryKind, QP_TYPES } from '@verbena/core';
import type { DriverProgram, Endpoint } from '@verbena/core/testing';
import { Bells, PAGE, Queue } from '../toy-hardware.ts';

const [SLOTS, BYTES] = [16, 1024];

export class EfaEnd implements Endpoint {
  readonly pd: number;
  readonly qpn: number;
  /** Statuses of sends that have ended. */
  readonly statuses: number[] = [];
  readonly #bells: Bells;
  readonly #bell: number;
  readonly #queues: Record<'sends' | 'receives' | 'completions', Queue>;
  readonly #memory = new Uint8Array((SLOTS + 1) * BYTES);
  readonly #program: DriverProgram;
  #lkey: number;
  #peer: readonly number[] = [];

  constructor(program: DriverProgram, type: number = QP_TYPES.DRIVER) {
    this.#program = program;
    const { page } = program.opened as { page: number };
    this.pd = Number(program.call('PD.ALLOC').handle);
    const cq = program.call('CQ.CREATE', { entries: 64 });
    const qp = program.call('QP.CREATE', { pd: this.pd, type, sendCq: cq.handle });
    const map = (offset: unknown) => new Queue(program.map(Number(offset), PAGE));
    this.#queues = { sends: map(qp.sends), receives: map(qp.receives), completions: map(cq.queue) };
    this.#bells = new Bells(program.map(page, PAGE));
    this.qpn = Number(qp.qpnGiven);
    this.#bell = Number(qp.slot);
    this.#lkey = this.register(this.pd, this.#memory);
    for (let slot = 1; slot <= SLOTS; slot++) this.receiveInto(this.#lkey, slot);
  }

  connect(address: number, qpn: number): void {
    const to = { address: Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? address : 0)), port: 0, sgidIndex: 0 };
    this.#peer = [Number(this.#program.call('AH.CREATE', { pd: this.pd, to }).number), qpn];
  }

  send(bytes: Uint8Array, lkey = this.#lkey, bell = () => this.ring()): void {
    this.#memory.set(bytes);
    this.#queues.sends.push(...this.#peer, lkey, 0, bytes.length, 0);
    bell();
  }

  receive(): Uint8Array | undefined {
    for (let one = this.#queues.completions.take(); one !== undefined; one = this.#queues.completions.take()) {
      const [status = 0, slot = 0, , length = 0, , isReceive = 0] = one;
      if (isReceive === 0) this.statuses.push(status);
      if (isReceive === 0 || status !== 0) continue;
      const bytes = this.#memory.slice(slot * BYTES, slot * BYTES + length);
      this.receiveInto(this.#lkey, slot);
      return bytes;
    }
    return undefined;
  }

  ring(): void {
    this.#bells.ring(this.#bell);
  }

  /** The doorbell by call. */
  kick(): void {
    this.#program.call('DEVICE.KICK', { slot: this.#bell });
  }

  receiveInto(lkey: number, slot: number): void {
    this.#queues.receives.push(lkey, slot * BYTES, BYTES, slot);
  }

  register(pd: number, bytes: Uint8Array): number {
    const memory = { kind: MemoryKind.ATTACHMENT, index: 0, offset: 0, length: bytes.length };
    return Number(this.#program.call('MR.REG', { pd, memory, access: ACCESS_FLAGS.LOCAL_WRITE }, [bytes]).lkey);
  }
}
