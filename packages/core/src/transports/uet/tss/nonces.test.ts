/**
 * No pair of key and initialisation vector comes twice: whatever the mode, over rotations, restarts, epochs, both directions,
 * both address families, and several processes of a machine that share what outlives them. @spec uet:tss/8 uet:tss/20
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Packet } from '../../../engine/packet.ts';
import { Datagram } from '../../../engine/seal.ts';
import { type CounterStore, VolatileCounters } from './counter-store.ts';
import type { DomainMode, DomainOptions } from './domain-options.ts';
import { DomainTable } from './domain-table.ts';
import { clientKey } from './key-derivation.ts';
import { PacketProtection } from './packet-protection.ts';
import { keyOf } from './secured-rig.testdata.ts';
import { TestCipher } from './test-cipher.testdata.ts';

const MACHINES = 3;
const TEXT = Uint8Array.of(0x38, 0, 0, 0, 0, 1, 2, 3);
const SDI = 7;

/** What a machine is, in a mode: the first one is the server where there is one. */
interface Plan {
  readonly mode: DomainMode;
  readonly ssi: boolean;
  readonly ipv6Context?: 'ssi' | 'address';
  readonly v4: boolean;
  readonly v6: boolean;
}

const PLANS: Readonly<Record<string, Plan>> = {
  direct: { mode: 'direct', ssi: false, v4: true, v6: false },
  'direct, source identifiers': { mode: 'direct', ssi: true, v4: true, v6: true },
  cluster: { mode: 'cluster', ssi: false, v4: true, v6: true },
  'cluster, source identifiers': { mode: 'cluster', ssi: true, v4: true, v6: true },
  'cluster, source identifiers and addresses': {
    mode: 'cluster',
    ssi: true,
    ipv6Context: 'address',
    v4: true,
    v6: true,
  },
  'server and client': { mode: 'server', ssi: false, v4: true, v6: false },
  'server and client, source identifiers': { mode: 'server', ssi: true, v4: true, v6: true },
};

const addressOf = (machine: number, v6: boolean): Uint8Array =>
  v6
    ? Uint8Array.of(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, machine + 1)
    : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, machine + 1);

/** A process: keys of a generation, which stand in the slot of its lowest bit. */
class Process {
  readonly machine: number;
  generation: number;
  readonly #plan: Plan;
  readonly #epoch: number;
  readonly #table: DomainTable;
  readonly #protections: ReadonlyMap<boolean, PacketProtection>;
  #installed: boolean;

  constructor(
    plan: Plan,
    machine: number,
    generation: number,
    epoch: number,
    block: number,
    cipher: TestCipher,
    counters: CounterStore,
  ) {
    this.#plan = plan;
    this.machine = machine;
    this.generation = generation;
    this.#epoch = epoch;
    this.#installed = false;
    this.#table = new DomainTable(cipher, { counters, counterBlock: block });
    this.#add();
    this.#protections = new Map([false, true].map((v6) => [v6, new PacketProtection(this.#table, { domain: SDI })]));
  }

  get #isServer(): boolean {
    return this.#plan.mode === 'server' && this.machine === 0;
  }

  #add(): void {
    const { mode, ssi, ipv6Context } = this.#plan;
    const own = this.#isServer ? (true as const) : this.machine + 1;
    const options: DomainOptions = {
      ...{ sdi: SDI, mode: mode === 'server' && !this.#isServer ? 'client' : mode, lastTsc: 2 ** 47 + 60 },
      ...(ssi ? { ssi: own } : {}),
      ...(mode === 'cluster' ? { rekeyMask: 0xf8, rekeyShift: 3 } : {}),
      ...(ipv6Context === undefined ? {} : { ipv6Context }),
    };
    this.#table.add(options, this.#key(this.generation));
    this.#installed = false;
  }

  #key(generation: number) {
    const bytes = keyOf(generation);
    const epoch = this.#epoch;
    const identity = this.#plan.ssi ? this.machine + 1 : addressOf(this.machine, false);
    const isClient = this.#plan.mode === 'server' && !this.#isServer;
    // provisioning is not sealing: a cipher of its own
    return { bytes: isClient ? clientKey(new TestCipher(), bytes, identity, epoch) : bytes, an: generation & 1, epoch };
  }

  install(): void {
    const domain = this.#table.get(SDI);
    if (this.#installed) return;
    domain.install(this.#key(this.generation + 1));
    this.#installed = true;
  }

  activate(): void {
    if (!this.#installed) return;
    this.generation++;
    this.#table.get(SDI).activate(this.generation & 1);
    this.#installed = false;
  }

  /** Takes the domain away and adds it again, with the same key. */
  addAgain(): void {
    this.#table.remove(SDI);
    this.#add();
  }

  /** @returns the packet; undefined when it may not leave */
  seal(to: number, v6: boolean): Uint8Array | undefined {
    const protection = this.#protections.get(v6)!;
    const bytes = new Uint8Array(16 + TEXT.length + 16);
    bytes.set(TEXT, 16);
    const datagram = between(this.machine, to, v6);
    const view = new DataView(bytes.buffer);
    const front = protection.seal(protection.handleOf(undefined), to, datagram, view, bytes, 16, TEXT.length);
    return front === 0 ? undefined : bytes.slice(16 - front);
  }

  open(from: number, v6: boolean, sealed: Uint8Array): string {
    const packet = new Packet(sealed.slice());
    packet.at = 0;
    packet.length = sealed.length;
    packet.path = from;
    return this.#protections.get(v6)!.open(0, packet, between(from, this.machine, v6));
  }
}

function between(source: number, destination: number, v6: boolean): Datagram {
  return Object.assign(new Datagram(), { source: addressOf(source, v6), destination: addressOf(destination, v6) });
}

const STEPS = [
  'send',
  'send',
  'send',
  'send',
  'send',
  'install',
  'activate',
  'restart',
  'older',
  'epoch',
  'again',
] as const;

const step = fc.record({
  what: fc.constantFrom(...STEPS),
  who: fc.nat(2 * MACHINES - 1),
  to: fc.nat(MACHINES - 1),
  v6: fc.boolean(),
  block: fc.integer({ min: 1, max: 5 }),
});

/** Runs steps. @returns how many packets were sealed and opened; the cipher throws at the first repetition */
function run(
  plan: Plan,
  steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
  stores: readonly CounterStore[],
) {
  const cipher = new TestCipher();
  const begin = (n: number, generation: number, epoch: number, block: number) =>
    new Process(plan, n % MACHINES, generation, epoch, block, cipher, stores[n % MACHINES]!);
  // two processes on each machine
  const processes = Array.from({ length: 2 * MACHINES }, (_, n) => begin(n, 0, 0, 2));
  let [sealed, opened, epoch] = [0, 0, 0];
  for (const { what, who, to, v6, block } of steps) {
    const process = processes[who]!;
    if (what === 'install') process.install();
    else if (what === 'activate') process.activate();
    else if (what === 'again') process.addAgain();
    else if (what === 'restart') processes[who] = begin(who, process.generation, epoch, block);
    else if (what === 'older') processes[who] = begin(who, Math.max(0, process.generation - 1), epoch, block);
    else if (what === 'epoch') processes[who] = begin(who, process.generation, ++epoch, block);
    else if (to !== process.machine) {
      const isV6 = plan.v6 && (v6 || !plan.v4);
      const packet = process.seal(to, isV6);
      if (packet === undefined) continue;
      sealed++;
      // also what a server learns clients from
      for (const n of [to, to + MACHINES]) if (processes[n]!.open(process.machine, isV6, packet) === '') opened++;
    }
  }
  return { sealed, opened, nonces: cipher.nonces.size };
}

describe('nonces', () => {
  for (const [name, plan] of Object.entries(PLANS)) {
    it(`never come twice in mode ${name}: rotations, restarts, epochs, directions, families, processes; seed 811 (uet:tss/8, uet:tss/12, uet:tss/20, N13)`, () => {
      let [sealed, opened] = [0, 0];
      fc.assert(
        fc.property(fc.array(step, { minLength: 120, maxLength: 250, size: 'max' }), (steps) => {
          const result = run(
            plan,
            steps,
            Array.from({ length: MACHINES }, () => new VolatileCounters()),
          );
          expect(result.nonces).toBe(result.sealed);
          sealed += result.sealed;
          opened += result.opened;
        }),
        { seed: 811, numRuns: 25 },
      );
      expect(sealed).toBeGreaterThan(700);
      expect(opened).toBeGreaterThan(200);
    }, 60_000);
  }

  it('come twice when machines forget, or when one source is two: the property can fail (uet:tss/12)', () => {
    const sends = Array.from({ length: 40 }, (_, n) => ({
      ...{ what: n % 4 === 3 ? ('restart' as const) : ('send' as const), who: 1, to: 2, v6: false, block: 1 },
    }));
    const forgetful = { reserve: () => 0 };
    expect(() => run(PLANS['direct']!, sends, [forgetful, forgetful, forgetful])).toThrow('nonce repeated');
    // a server that does not split counters meets those of its clients
    const cipher = new TestCipher();
    const server = new DomainTable(cipher);
    server.add({ sdi: SDI, mode: 'server', ssi: true, splitCounters: false }, { bytes: keyOf(1), an: 0 });
    const client = new DomainTable(cipher);
    client.add(
      { sdi: SDI, mode: 'client', ssi: 2, splitCounters: false },
      { bytes: clientKey(new TestCipher(), keyOf(1), 2), an: 0 },
    );
    const ends = [server, client].map((table) => new PacketProtection(table, { domain: SDI }));
    const seal = (n: number) => {
      const bytes = new Uint8Array(64);
      const front = ends[n]!.seal(1, 1, between(n, 1 - n, false), new DataView(bytes.buffer), bytes, 16, 8);
      return bytes.subarray(16 - front, 16 + 8 + 16);
    };
    const packet = new Packet(seal(1).slice());
    packet.length = packet.bytes.length;
    packet.path = 1;
    expect(ends[0]!.open(0, packet, between(1, 0, false))).toBe('');
    expect(() => seal(0)).toThrow('nonce repeated');
  });
});
