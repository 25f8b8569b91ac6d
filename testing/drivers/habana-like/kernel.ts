/**
 * A device like the network ports of Habana's Gaudi: part of an accelerator, for one program at a time.
 *
 *   what plays | here
 *   -----------|----------------------------------------------------------------------------------------------
 *   PD         | the device itself: it cannot keep programs apart, so there is one at a time
 *   QP         | HL_FIFO, an object of the driver, that sends through an HL_PORT
 *   MR         | none: commands name memory of the compute device, whose descriptor comes with DEVICE.OPEN
 *   doorbell   | a word on a mapped page
 */
import { type Call, type Driver, type DriverOps, VerbsError } from '@verbena/core';
import { Bells, DeviceMemory, PAGE, Queue, type ToyWire, type WireEnd } from '../toy-hardware.ts';
import { FIFO, Operation, PORT } from './abi.ts';

/** The accelerator that the ports belong to. What programs pass is a descriptor of it. */
export class ComputeDevice {
  readonly memory = new Uint8Array(65_536);
  /** Network contexts that are linked to it. */
  links = 0;
}

interface Port {
  readonly peer: number;
  peerFifo: number;
}
interface Fifo {
  readonly number: number;
  readonly port: Port;
  readonly commands: Queue;
  readonly completions: Queue;
  readonly receives: (readonly [offset: number, length: number, id: number])[];
}
export type Burst = { from: number; to: number; fifo: Fifo; toFifo: number; id: number; bytes: Uint8Array };

export class HabanaLike implements Driver, WireEnd<Burst> {
  readonly number = 0x1002;
  readonly name = 'habana-like';
  readonly transports = ['hl'];
  readonly exclusive = true;
  readonly memory = new DeviceMemory();
  readonly #fifos = new Map<number, Fifo>();
  readonly #wire: ToyWire<Burst>;
  readonly #address: number;
  #compute: ComputeDevice | undefined;
  #bells: Bells | undefined;
  #serial = 0;

  constructor(wire: ToyWire<Burst>, address: number) {
    this.#wire = wire;
    this.#address = address;
    wire.ends.set(address, this);
  }

  readonly ops: DriverOps = {
    DEVICE: {
      QUERY: ({ device: { name } }) => ({ attributes: { name, transport: 'hl', maxQp: 0, maxPd: 0, maxMr: 0 } }),
      QUERY_PORT: () => ({ attributes: { port: 1, state: 'ACTIVE' } }),
    },
  };

  readonly objects = [
    {
      schema: PORT,
      methods: {
        SETUP: ({ input, object }: Call<(typeof PORT)['methods']['SETUP']>) => {
          object.state = { peer: input.peer, peerFifo: input.peerFifo } satisfies Port;
        },
        POINT: ({ object, input }: Call<(typeof PORT)['methods']['POINT']>) => {
          (object.state as Port).peerFifo = input.peerFifo;
        },
        CLEAR: () => {},
      },
    },
    {
      schema: FIFO,
      methods: {
        ALLOC: ({ input, context, object }: Call<(typeof FIFO)['methods']['ALLOC']>) => {
          const [commands, completions] = [this.memory.offer(context, object), this.memory.offer(context, object)];
          const number = 1 + (this.#serial++ % (PAGE / 4 - 1));
          const queues = { commands: new Queue(commands.bytes), completions: new Queue(completions.bytes) };
          this.#fifos.set(number, { number, port: input.port.state as Port, ...queues, receives: [] });
          object.state = number;
          return { number, commands: commands.offset, completions: completions.offset };
        },
        FREE: ({ context, object }: Call) => {
          this.#fifos.delete(object.state as number);
          this.memory.withdraw(context, object);
        },
      },
    },
  ];

  openContext(context: Call['context'], { input, attachments, name }: Call) {
    const { link } = input as { link?: number };
    const compute = link === undefined ? undefined : attachments[link];
    if (!(compute instanceof ComputeDevice)) {
      throw new VerbsError('EBADF', name, 'these ports belong to a compute device, and the call brings none', {
        missing: 'link: the position of a descriptor of the compute device among the attachments',
      });
    }
    compute.links++;
    this.#compute = compute;
    const { bytes, offset } = this.memory.offer(context, context);
    this.#bells = new Bells(bytes);
    context.state = compute;
    return { page: offset, pageBytes: PAGE };
  }

  closeContext({ state }: Call['context']): void {
    if (state instanceof ComputeDevice) state.links--;
    this.#compute = undefined;
    this.#bells = undefined;
  }

  step(): void {
    for (const fifo of this.#fifos.values()) if (this.#bells?.take(fifo.number)) this.#serve(fifo);
  }

  deliver({ toFifo, bytes }: Burst): 'wait' | 'done' {
    const fifo = this.#fifos.get(toFifo);
    if (fifo === undefined) return 'done';
    const receive = fifo.receives.shift();
    if (receive === undefined) return 'wait';
    const [offset, room, id] = receive;
    const length = Math.min(bytes.length, room);
    this.#reach(offset, room)?.set(bytes.subarray(0, length));
    fifo.completions.push(Operation.RECEIVE, id, length);
    return 'done';
  }

  sent({ fifo, id, bytes }: Burst, how: 'done' | 'nobody'): void {
    if (this.#fifos.get(fifo.number) === fifo) {
      fifo.completions.push(Operation.SEND, id, how === 'done' ? bytes.length : -1);
    }
  }

  disassociate = (): void => this.#fifos.clear();
  reset = (): void => this.#fifos.clear();
  detached = (): void => this.#wire.pull(this.#address, this);
  census = () => ({ hw_fifos: this.#fifos.size });

  #serve(fifo: Fifo): void {
    for (let entry = fifo.commands.take(); entry !== undefined; entry = fifo.commands.take()) {
      const [operation = 0, offset = 0, length = 0, id = 0] = entry;
      const bytes = this.#reach(offset, length)?.slice();
      if (bytes === undefined) fifo.completions.push(operation, id, -1);
      else if (operation === Operation.RECEIVE) fifo.receives.push([offset, length, id]);
      else {
        const { peer: to, peerFifo: toFifo } = fifo.port;
        this.#wire.send({ from: this.#address, to, fifo, toFifo, id, bytes });
      }
    }
  }

  /** Memory of the compute device. */
  #reach(offset: number, length: number): Uint8Array | undefined {
    const { memory } = this.#compute ?? { memory: new Uint8Array(0) };
    const inside = offset >= 0 && length >= 0 && offset + length <= memory.length;
    return inside ? memory.subarray(offset, offset + length) : undefined;
  }
}
