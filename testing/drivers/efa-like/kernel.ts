/**
 * A device like Amazon's EFA: datagrams, reliable but in no order (SRD, a queue kind of its own) or unreliable (UD).
 *
 *   what plays | here
 *   -----------|----------------------------------------------------------------------------------------------
 *   PD         | PD: each region, address handle and queue pair remembers its domain
 *   QP         | QP of kind DRIVER (SRD) or UD; its queues lie in memory of the device, mapped by DEVICE.MAP
 *   MR         | MR for local use; there is no remote key, and remote rights are refused
 *   doorbell   | a word on a mapped page; or DEVICE.KICK
 */
import { type Call, type Driver, type DriverOps, memoryOf, QP_TYPES, VerbsError } from '@verbena/core';
import { Bells, DeviceMemory, PAGE, Queue, type ToyWire, Translation, type WireEnd } from '../toy-hardware.ts';
import { EFA_ATTRIBUTES, EfaStatus, SRD } from './abi.ts';

type Pair = Record<'cq' | 'sends' | 'receives', Queue> & { qpn: number; pd: object; srd: boolean; bells: Bells };
export type Datagram = { from: number; to: number; pair: Pair; qpn: number; id: number; bytes: Uint8Array };

export class EfaLike implements Driver, WireEnd<Datagram> {
  readonly number = 0x1001;
  readonly name = 'efa-like';
  readonly transports = ['srd'];
  readonly attributes = EFA_ATTRIBUTES;
  readonly memory = new DeviceMemory();
  readonly #regions = new Translation();
  readonly #pairs = new Map<number, Pair>();
  readonly #peers = new Map<number, { readonly pd: object; readonly to: number }>();
  readonly #wire: ToyWire<Datagram>;
  readonly #address: number;
  #serial = 0;

  constructor(wire: ToyWire<Datagram>, address: number) {
    this.#wire = wire;
    this.#address = address;
    wire.ends.set(address, this);
  }

  readonly ops: DriverOps = {
    DEVICE: {
      QUERY: ({ device: { name } }) => ({ attributes: { name, transport: 'srd', rdmaRead: false, maxQp: PAGE / 4 } }),
      QUERY_PORT: () => ({ attributes: { port: 1, state: 'ACTIVE' } }),
      KICK: ({ input, context }) => {
        for (const pair of this.#pairs.values()) {
          if (pair.qpn === input.slot && pair.bells === context.state) this.#serve(pair);
        }
      },
    },
    PD: { ALLOC: () => {}, DEALLOC: () => {} },
    AH: {
      CREATE: ({ name, input: { pd, to }, object }) => {
        if (to === undefined) throw new VerbsError('EINVAL', name, '`to` is missing', { missing: 'to' });
        const [number, pathGiven] = [++this.#serial, to.address[15]!];
        this.#peers.set(number, { pd, to: pathGiven });
        object.state = number;
        return { number, pathGiven, peer: to };
      },
      DESTROY: ({ object }) => this.#peers.delete(object.state as number),
    },
    MR: {
      REG: (call) => {
        const { pd, memory, access } = call.input;
        if (access > 1 || memory === undefined) throw refused(call.name, 'remote rights', 'LOCAL_WRITE, and memory');
        const lkey = this.#regions.add(pd, memoryOf(call as Call, memory));
        call.object.state = lkey;
        return { lkey, rkey: 0n, bytes: memory.length };
      },
      DEREG: ({ object }) => this.#regions.remove(object.state as number),
    },
    CQ: {
      CREATE: ({ context, object, input, name }) => {
        if (input.channel !== undefined) throw refused(name, 'completion channels', 'no channel');
        const { bytes, offset } = this.memory.offer(context, object);
        object.state = new Queue(bytes);
        return { wake: context.session.nextWake(), queue: offset };
      },
      DESTROY: ({ context, object }) => this.memory.withdraw(context, object),
    },
    QP: {
      CREATE: (call) => this.#createPair(call as never),
      DESTROY: ({ context, object }) => {
        this.#pairs.delete(object.state as number);
        this.memory.withdraw(context, object);
      },
    },
  };

  openContext(context: Call['context']) {
    const { bytes, offset } = this.memory.offer(context, context);
    context.state = new Bells(bytes);
    return { page: offset, pageBytes: PAGE };
  }

  step(): void {
    for (const pair of this.#pairs.values()) if (pair.bells.take(pair.qpn)) this.#serve(pair);
  }

  deliver({ qpn, bytes, pair: { qpn: source, srd } }: Datagram): 'wait' | 'done' {
    const pair = this.#pairs.get(qpn);
    const receive = pair?.receives.take();
    if (pair === undefined || receive === undefined) return pair !== undefined && srd ? 'wait' : 'done';
    const [lkey = 0, offset = 0, room = 0, id = 0] = receive;
    const memory = this.#regions.reach(pair.pd, lkey, offset, room);
    memory?.set(bytes.subarray(0, room));
    const status = memory === undefined ? EfaStatus.PROTECTION : EfaStatus.SUCCESS;
    pair.cq.push(status, id, qpn, Math.min(bytes.length, room), source, 1);
    return 'done';
  }

  sent({ pair, id, bytes, qpn }: Datagram, how: 'done' | 'nobody'): void {
    if (this.#pairs.get(pair.qpn) !== pair) return;
    const status = how === 'nobody' && pair.srd ? EfaStatus.NOBODY : EfaStatus.SUCCESS;
    pair.cq.push(status, id, pair.qpn, bytes.length, qpn, 0);
  }

  disassociate = (): void => this.#pairs.clear();
  reset = (): void => this.#pairs.clear();
  detached = (): void => this.#wire.pull(this.#address, this);
  census = () => ({ hw_queues: this.#pairs.size, hw_regions: this.#regions.size, hw_peers: this.#peers.size });

  #serve(pair: Pair): void {
    for (let entry = pair.sends.take(); entry !== undefined; entry = pair.sends.take()) {
      const [peer = 0, qpn = 0, lkey = 0, offset = 0, length = 0, id = 0] = entry;
      const [bytes, to] = [this.#regions.reach(pair.pd, lkey, offset, length)?.slice(), this.#peers.get(peer)];
      if (bytes === undefined || to?.pd !== pair.pd) pair.cq.push(EfaStatus.PROTECTION, id, pair.qpn, 0, qpn, 0);
      else this.#wire.send({ from: this.#address, to: to.to, pair, qpn, id, bytes });
    }
  }

  #createPair({ name, input, context, object }: Call & { input: PairInput }) {
    const { pd, type, sendCq, efa = { compMask: 0, kind: SRD, flags: 0, reserved: 0 } } = input;
    // what is not known here must not be asked for: an older driver would do something else than the program wants
    if (Object.values(efa).some((value) => value !== 0)) throw refused(name, 'what `efa` asks for', 'SRD, and zeros');
    const srd = type === QP_TYPES.DRIVER;
    if (!srd && type !== QP_TYPES.UD) throw refused(name, `queue pairs of type ${type}`, 'UD, or DRIVER');
    if (pd === undefined || sendCq === undefined) throw refused(name, 'such queue pairs', 'pd and sendCq');
    const [sends, receives] = [this.memory.offer(context, object), this.memory.offer(context, object)];
    const qpn = 1 + (this.#serial++ % (PAGE / 4 - 1));
    const queues = { cq: sendCq.state, sends: new Queue(sends.bytes), receives: new Queue(receives.bytes) };
    this.#pairs.set(qpn, { ...queues, qpn, pd, srd, bells: context.state as Bells });
    object.state = qpn;
    const given = { sends: sends.offset, receives: receives.offset };
    return { qpnGiven: qpn, slot: qpn, sourceIdGiven: qpn, state: 3, ...given };
  }
}

interface PairInput {
  readonly pd?: object;
  readonly type: number;
  readonly sendCq?: { readonly state: Queue };
  readonly efa?: Readonly<Record<string, number>>;
}

const refused = (call: string, what: string, advice: string): VerbsError =>
  new VerbsError('EOPNOTSUPP', call, `this device does not have ${what}`, { try: advice });
