/** The user half: one FIFO through one port. Data lies in memory of the compute device. */
import type { DriverProgram, Endpoint } from '@verbena/core/testing';
import { Bells, PAGE, Queue } from '../toy-hardware.ts';
import { Operation } from './abi.ts';

const [SLOTS, BYTES] = [16, 1024];

export class HabanaEnd implements Endpoint {
  /** What peers name. */
  readonly number: number;
  readonly #memory: Uint8Array;
  readonly #port: number;
  readonly #program: DriverProgram;
  readonly #commands: Queue;
  readonly #completions: Queue;
  readonly #bells: Bells;

  /** @param memory - of the compute device, as its own driver maps it */
  constructor(program: DriverProgram, memory: Uint8Array, peer: number) {
    this.#program = program;
    this.#memory = memory;
    this.#port = Number(program.call('HL_PORT.SETUP', { peer, peerFifo: 0 }).handle);
    const fifo = program.call('HL_FIFO.ALLOC', { port: this.#port });
    this.number = Number(fifo.number);
    this.#commands = new Queue(program.map(Number(fifo.commands), PAGE));
    this.#completions = new Queue(program.map(Number(fifo.completions), PAGE));
    this.#bells = new Bells(program.map(Number(program.opened.page), PAGE));
    for (let slot = 1; slot <= SLOTS; slot++) this.#receiveInto(slot);
    this.ring();
  }

  connect(peerFifo: number): void {
    this.#program.call('HL_PORT.POINT', { handle: this.#port, peerFifo });
  }

  send(bytes: Uint8Array): void {
    this.#memory.set(bytes);
    this.#commands.push(Operation.SEND, 0, bytes.length, 0);
    this.ring();
  }

  receive(): Uint8Array | undefined {
    for (let one = this.#completions.take(); one !== undefined; one = this.#completions.take()) {
      const [operation, slot = 0, length = 0] = one;
      if (operation !== Operation.RECEIVE || length < 0) continue;
      const bytes = this.#memory.slice(slot * BYTES, slot * BYTES + length);
      this.#receiveInto(slot);
      this.ring();
      return bytes;
    }
    return undefined;
  }

  ring(): void {
    this.#bells.ring(this.number);
  }

  #receiveInto(slot: number): void {
    this.#commands.push(Operation.RECEIVE, slot * BYTES, BYTES, slot);
  }
}
