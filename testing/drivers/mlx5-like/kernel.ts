/**
 * A device like NVIDIA's mlx5: the objects of verbs, and many of its own, made by firmware commands that the driver
 * passes on. The firmware keeps programs apart by the tag that the driver puts on each command.
 *
 *   what plays | here
 *   -----------|----------------------------------------------------------------------------------------------
 *   PD         | PD; for objects of the firmware, the tag of the context
 *   QP         | QP of any protocol in `PROTOCOLS`, by the type of its address entry; and DEVX_OBJ
 *   MR         | MR with lkey and rkey
 *   doorbell   | the page of the context; UAR pages for objects of the firmware
 */
import {
  type Call,
  type Device,
  type Driver,
  type DriverObject,
  findTransport,
  type SoftDevice,
  VerbsError,
} from '@verbena/core';
import type { SimDevice, SimHost } from '@verbena/core/testing';
import { DeviceMemory } from '../toy-hardware.ts';
import { DEVX, FIRMWARE, FirmwareStatus, Operation, UAR, words, wordsOf } from './abi.ts';

/** What its port speaks, one address entry each. A further protocol is a further name. */
export const PROTOCOLS: readonly string[] = ['loop'];

/** The hardware below: a device with an address entry for each protocol. */
export const board = (host: SimHost, address: string): SimDevice =>
  host.device(PROTOCOLS.map((name) => ({ transport: findTransport(name)!, address })));

type Context = Call['context'];

export class Mlx5Like implements Driver {
  readonly number = 0x1003;
  readonly name = 'mlx5-like';
  readonly ops: Driver['ops'];
  readonly memory = new DeviceMemory();
  readonly firmware = new Firmware();
  readonly #soft: SoftDevice;
  readonly #tags = new Map<Context, number>();
  #lastTag = 0;

  /** @param soft - the part of the hardware that does what verbs say */
  constructor(soft: SoftDevice) {
    this.#soft = soft;
    this.ops = soft.ops;
  }

  readonly objects: readonly DriverObject[] = [
    {
      schema: DEVX,
      methods: {
        CREATE: ({ context, input, object, name }: Call<(typeof DEVX)['methods']['CREATE']>) => {
          if (wordsOf(input.command)[0] !== Operation.CREATE) {
            throw new VerbsError('EINVAL', name, 'the command does not make anything', { try: 'DEVX.OTHER' });
          }
          const answer = this.firmware.execute(this.#tagOf(context), input.command);
          object.state = wordsOf(answer)[1];
          return { answer };
        },
        MODIFY: ({ context, object, input }: Call<(typeof DEVX)['methods']['MODIFY']>) => {
          const command = words(Operation.MODIFY, object.state as number, input.value);
          this.firmware.execute(this.#tagOf(context), command);
        },
        // one that the program ended by a command of its own, or that a reset took, is gone already
        DESTROY: ({ context, object }: Call) => {
          this.firmware.execute(this.#tagOf(context), words(Operation.DESTROY, object.state as number, 0));
        },
      },
    },
    {
      schema: FIRMWARE,
      methods: {
        OTHER: ({ context, input, name }: Call<(typeof FIRMWARE)['methods']['OTHER']>) => {
          // what is made must have a handle, or nobody would end it
          if (wordsOf(input.command)[0] === Operation.CREATE) {
            throw new VerbsError('EINVAL', name, 'the command makes something', { try: 'DEVX_OBJ.CREATE' });
          }
          return { answer: this.firmware.execute(this.#tagOf(context), input.command) };
        },
      },
    },
    {
      schema: UAR,
      methods: {
        ALLOC: ({ context, object }: Call) => {
          const { bytes, offset } = this.memory.offer(context, object);
          this.firmware.uars.set(object, { tag: this.#tagOf(context), words: new Int32Array(bytes.buffer) });
          return { offset };
        },
        FREE: ({ context, object }: Call) => {
          this.firmware.uars.delete(object);
          this.memory.withdraw(context, object);
        },
      },
    },
  ];

  get transports(): readonly string[] {
    return this.#soft.transports;
  }
  get failure(): unknown {
    return this.#soft.failure;
  }

  openContext(context: Context, call: Call) {
    this.#tags.set(context, ++this.#lastTag);
    return this.#soft.openContext(context, call);
  }

  closeContext(context: Context): void {
    this.#tags.delete(context);
    this.#soft.closeContext(context);
  }

  reset(): void {
    this.firmware.objects.clear();
    this.#soft.reset();
  }

  attached = (device: Device): void => this.#soft.attached(device);
  disassociate = (): void => this.#soft.disassociate();
  detached = (): void => this.#soft.detached();
  describe = (object: Call['object']) =>
    object.kind === DEVX.name ? { firmware_id: object.state as number } : this.#soft.describe(object);
  counters = () => this.#soft.counters();
  census = () => ({ ...this.#soft.census(), fw_objects: this.firmware.objects.size, fw_uars: this.firmware.uars.size });
  protocolRows = () => this.#soft.protocolRows();

  #tagOf = (context: Context): number => this.#tags.get(context) ?? 0;
}

/** What runs on the device: it looks at commands and tags, never at programs. */
class Firmware {
  readonly objects = new Map<number, { readonly tag: number; value: number; rung: number }>();
  readonly uars = new Map<object, { readonly tag: number; readonly words: Int32Array }>();
  #last = 0;

  execute(tag: number, command: Uint8Array): Uint8Array {
    const [operation = 0, id = 0, value = 0] = wordsOf(command);
    if (operation === Operation.CREATE) {
      this.objects.set(++this.#last, { tag, value, rung: 0 });
      return words(FirmwareStatus.OK, this.#last, 0);
    }
    const object = this.objects.get(id);
    if (object?.tag !== tag) return words(FirmwareStatus.NO_OBJECT, 0, 0);
    if (operation === Operation.QUERY) return words(FirmwareStatus.OK, object.value, object.rung);
    if (operation === Operation.MODIFY) object.value = value;
    else if (operation === Operation.DESTROY) this.objects.delete(id);
    else return words(FirmwareStatus.BAD_OPERATION, 0, 0);
    return words(FirmwareStatus.OK, 0, 0);
  }

  /** Looks at all UARs: who rings names an object of the firmware, and reaches only those of its own tag. */
  step(): void {
    for (const { tag, words: page } of this.uars.values()) {
      const object = this.objects.get(Atomics.exchange(page, 0, 0));
      if (object?.tag === tag) object.rung++;
    }
  }
}
