import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../base/random.ts';
import { TRANSPORTS } from '../catalog.ts';
import { FabricBed, type FabricEnd } from '../testing/fabric-bed.ts';
import { MATCHING } from '../testing/fabric-cases/tagged.ts';
import { ANY_SOURCE } from './address-vector.ts';

/** What libfabric says of matching, with lists and loops. */
class Model {
  readonly posted: { tag: bigint; ignore: bigint; from: number; id: string; room: number }[] = [];
  readonly waiting: { tag: bigint; from: number; text: string; length: number; claimedBy: string }[] = [];
  readonly expected: string[] = [];

  arrive(tag: bigint, from: number, text: string, length: number): void {
    const at = this.posted.findIndex((one) => fits(one, tag, from));
    if (at < 0) this.waiting.push({ tag, from, text, length, claimedBy: '' });
    else this.#finish(this.posted.splice(at, 1)[0]!, text, length);
  }

  receive(tag: bigint, ignore: bigint, from: number, id: string, room: number): void {
    const receive = { tag, ignore, from, id, room };
    const at = this.waiting.findIndex((one) => one.claimedBy === '' && fits(receive, one.tag, one.from));
    if (at < 0) this.posted.push(receive);
    else {
      const [{ text, length }] = this.waiting.splice(at, 1) as [(typeof this.waiting)[0]];
      this.#finish(receive, text, length);
    }
  }

  peek(tag: bigint, ignore: bigint, from: number, id: string, how: 'look' | 'claim' | 'discard'): boolean {
    const at = this.waiting.findIndex((one) => one.claimedBy === '' && fits({ tag, ignore, from }, one.tag, one.from));
    this.expected.push(at < 0 ? `${id} ENOMSG` : `${id} ok ${this.waiting[at]!.length}`);
    if (at >= 0 && how === 'claim') this.waiting[at]!.claimedBy = id;
    if (at >= 0 && how === 'discard') this.waiting.splice(at, 1);
    return at >= 0;
  }

  take(id: string, room: number): void {
    const at = this.waiting.findIndex((one) => one.claimedBy === id);
    const [{ text, length }] = this.waiting.splice(at, 1) as [(typeof this.waiting)[0]];
    this.#finish({ id, room }, text, length);
  }

  cancel(id: string): void {
    const at = this.posted.findIndex((one) => one.id === id);
    if (at < 0) return;
    this.posted.splice(at, 1);
    this.expected.push(`${id} ECANCELED`);
  }

  #finish({ id, room }: { id: string; room: number }, text: string, length: number): void {
    this.expected.push(length > room ? `${id} ETRUNC ${room}` : `${id} ok ${length} ${text}`);
  }
}

const fits = (one: { tag: bigint; ignore: bigint; from: number }, tag: bigint, from: number): boolean =>
  ((one.tag ^ tag) & ~one.ignore) === 0n && (one.from === ANY_SOURCE || one.from === from);

const matching = TRANSPORTS.filter(({ attributes }) => attributes.operations.includes('tagged'));

describe.each(matching)('matching over $name, against a model (R122, uet:ses/4.1 uet:ses/4.3)', (transport) => {
  it.each([1, 2, 3, 20_261_125])('takes, keeps, shows and calls back the same, seed %i', (seed) => {
    const bed = new FabricBed({ transport, hints: MATCHING, ends: 3, seed });
    const [a, b, c] = bed.ends as [FabricEnd, FabricEnd, FabricEnd];
    const random = new SeededRandom(seed);
    const model = new Model();
    const room = 64;
    const into = b.memory(STEPS * room);
    const claims: string[] = [];
    const names: string[] = [];
    const tagOf = () => BigInt(random.below(4)) | (BigInt(random.below(2)) << 60n);
    const ignoreOf = () => [0n, 0n, 3n, 1n << 60n, 0xffff_ffff_ffff_ffffn][random.below(5)]!;
    const fromOf = () => [ANY_SOURCE, ANY_SOURCE, b.to(a), b.to(c)][random.below(4)]!;
    const described = () =>
      b.received.map(({ context, error, length, flags }) => {
        const [id, at] = [context as string, Number((context as string).slice(1))];
        if (error?.name === 'ETRUNC') return `${id} ETRUNC ${length}`;
        if (error !== undefined) return `${id} ${error.name}`;
        if ((flags & (1 << 19)) !== 0) return `${id} ok ${length}`;
        return `${id} ok ${length} ${new TextDecoder().decode(into.bytes.subarray(at * room, at * room + length))}`;
      });
    for (let step = 0; step < STEPS; step++) {
      const choice = random.below(20);
      if (choice < 9) {
        const from = random.below(2) === 0 ? a : c;
        const tag = tagOf();
        const text = `${from === a ? 'a' : 'c'}${step}`.padEnd(random.below(50), '.').slice(0, 60);
        from.endpoint.tagged.inject(new TextEncoder().encode(text), from.to(b), tag);
        model.arrive(tag, b.to(from), text, text.length);
      } else if (choice < 15) {
        const [tag, ignore, from, id] = [tagOf(), ignoreOf(), fromOf(), `r${step}`];
        const length = random.below(4) === 0 ? 20 : room;
        b.endpoint.tagged.receive(into, step * room, length, from, tag, ignore, id);
        model.receive(tag, ignore, from, id, length);
        names.push(id);
      } else if (choice < 17) {
        const [tag, ignore, from, id] = [tagOf(), ignoreOf(), fromOf(), `p${step}`];
        const how = (['look', 'claim', 'discard'] as const)[random.below(3)]!;
        const asked = { claim: how === 'claim', discard: how === 'discard' };
        b.endpoint.tagged.receiveMessage({ tag, ignore, from, context: id, peek: true, ...asked });
        if (model.peek(tag, ignore, from, id, how) && how === 'claim') claims.push(id);
      } else if (choice < 18 && claims.length > 0) {
        const id = claims.splice(random.below(claims.length), 1)[0]!;
        const region = { region: into, offset: Number(id.slice(1)) * room, length: room };
        b.endpoint.tagged.receiveMessage({ tag: 0, claim: true, context: id, ...region });
        model.take(id, room);
      } else if (names.length > 0) {
        const id = names[random.below(names.length)]!;
        b.endpoint.cancel(id);
        model.cancel(id);
      }
      bed.pass(SETTLED);
      expect(described(), `seed ${seed}, step ${step}`).toEqual(model.expected);
    }
    expect(model.expected.length).toBeGreaterThan(STEPS / 3);
    bed.close();
  });
});

const STEPS = 150;
/** Nothing is under way after so long, ns. */
const SETTLED = 2_000_000;
