import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReceiveWork } from '../work.ts';
import { anEnvelope, aReceive, manyMasks } from './arbitrary.testdata.ts';
import { Envelope } from './envelope.ts';
import { NaiveReceives } from './naive-lists.testdata.ts';
import { PostedReceives } from './posted-receives.ts';

const SEED = 20_251_125;

function receive(fields: Partial<ReceiveWork>): ReceiveWork {
  return Object.assign(new ReceiveWork(), fields);
}
function message(fields: Partial<Envelope>): Envelope {
  return Object.assign(new Envelope(), fields);
}

/** Does the same to the structure and to a plain list. */
class Both {
  readonly posted = new PostedReceives(0.37);
  readonly naive = new NaiveReceives();
  readonly #copy = new ReceiveWork();
  #n = 0;

  /** Every receive has another length, which tells it from all others. */
  post(work: ReceiveWork, isFirst: boolean): void {
    work.length = ++this.#n;
    work.segments.clear();
    work.segments.add(7, this.#n * 2, work.length);
    if (isFirst) {
      this.posted.restore(work);
      this.naive.list.unshift(work);
    } else {
      this.posted.post(work);
      this.naive.list.push(work);
    }
  }

  match(envelope: Envelope): void {
    this.#take(this.posted.match(envelope), this.naive.match(envelope));
  }

  cancel(idLo: number, idHi: number): void {
    this.#take(this.posted.find(idLo, idHi), this.naive.find(idLo, idHi));
  }

  #take(i: number, due: number): void {
    if (due < 0) {
      expect(i).toBe(-1);
      return;
    }
    const [one] = this.naive.list.splice(due, 1);
    expect(this.posted.length(i)).toBe(one!.length);
    this.posted.copy(i, this.#copy);
    const { wrIdLo, wrIdHi, tagged, segments } = this.#copy;
    expect([wrIdLo, wrIdHi, tagged]).toEqual([one!.wrIdLo, one!.wrIdHi, one!.tagged]);
    expect([segments.count, segments.region[0], segments.offset[0]]).toEqual([1, 7, one!.length * 2]);
    this.posted.remove(i);
    expect(this.posted.size).toBe(this.naive.list.length);
  }

  /** All that are left, oldest first. */
  flush(): void {
    for (const one of this.naive.list) {
      const i = this.posted.first;
      expect(this.posted.length(i)).toBe(one.length);
      this.posted.remove(i);
    }
    expect([this.posted.first, this.posted.size]).toEqual([-1, 0]);
  }
}

describe('receives that wait for messages (uet:ses/4.1)', () => {
  for (const [name, masks] of [
    ['few masks', undefined],
    ['more masks than are hashed', manyMasks],
  ] as const) {
    it(`agree with a plain list searched in the order of posting, ${name} (R122)`, () => {
      const step = fc.oneof(
        { weight: 5, arbitrary: fc.record({ post: aReceive(masks), isFirst: fc.nat({ max: 9 }) }) },
        { weight: 4, arbitrary: fc.record({ match: anEnvelope }) },
        { weight: 1, arbitrary: fc.record({ idLo: fc.nat({ max: 8 }), idHi: fc.constantFrom(0, 0xffff_ffff) }) },
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
          const both = new Both();
          for (const one of steps) {
            if ('post' in one) both.post(one.post, one.isFirst === 0);
            else if ('match' in one) both.match(one.match);
            else both.cancel(one.idLo, one.idHi);
          }
          both.flush();
        }),
        { seed: SEED, numRuns: 150 },
      );
    });
  }

  it('take the oldest of an exact and of wildcard receives, whichever was posted first', () => {
    const posted = new PostedReceives(0.5);
    const any = receive({ tagged: true, ignoreLo: 0xffff_ffff, ignoreHi: 0xffff_ffff });
    const exact = receive({ tagged: true, tagLo: 5 });
    const order = [posted.post(exact), posted.post(any), posted.post(exact), posted.post(any)];
    const tag = message({ tagged: true, tagLo: 5 });
    for (const due of order) {
      expect(posted.match(tag)).toBe(due);
      posted.remove(due);
    }
    expect(posted.match(tag)).toBe(-1);
  });

  it('that were taken in vain go back before all others, as they were posted', () => {
    const posted = new PostedReceives(0.5);
    const chosen = { tagged: true, tagLo: 5, ignoreHi: 3, directed: true, sourceId: 0x8000_0001, path: 2, jobId: 7 };
    const first = posted.post(receive({ ...chosen, wrIdLo: 1 }));
    posted.post(receive({ tagged: true, tagLo: 5, wrIdLo: 2 }));
    const into = receive({ directed: false, path: 9, claim: true });
    posted.copy(first, into);
    expect(into).toMatchObject({ ...chosen, wrIdLo: 1, claim: false, multi: false });
    posted.remove(first);
    const again = posted.restore(into);
    const envelope = message({ tagged: true, tagLo: 5, sourceId: 0x8000_0001, path: 2, jobId: 7 });
    expect([posted.match(envelope), posted.first]).toEqual([again, again]);
    expect(posted.match(message({ tagged: true, tagLo: 5, path: 1 }))).not.toBe(again);
  });

  it('keep messages with and without a tag apart', () => {
    const posted = new PostedReceives(0.5);
    const tagged = posted.post(receive({ tagged: true, ignoreLo: 0xffff_ffff, ignoreHi: 0xffff_ffff }));
    const plain = posted.post(receive({}));
    expect(posted.match(message({ tagged: true, tagLo: 9 }))).toBe(tagged);
    expect(posted.match(message({ tagLo: 9 }))).toBe(plain);
  });

  it('that are for many messages stay until they are removed (uet:ses/4.2)', () => {
    const posted = new PostedReceives(0.5);
    const i = posted.post(receive({ multi: true, minBytes: 10, length: 100 }));
    const multi = posted.multi(i)!;
    expect([multi.reserve(30), multi.reserve(61), multi.isOpen]).toEqual([0, 30, false]);
    expect([multi.room, multi.settle(), multi.settle()]).toEqual([9, false, true]);
    posted.remove(i);
    expect(posted.multi(posted.post(receive({})))).toBeUndefined();
  });

  it('forget shapes that are not in use, so that new ones are found by hash again', () => {
    const posted = new PostedReceives(0.5);
    for (let n = 0; n < 1000; n++) {
      const i = posted.post(receive({ tagged: true, tagLo: n, ignoreHi: n, ignoreLo: n * 7 }));
      expect(posted.match(message({ tagged: true, tagLo: n }))).toBe(i);
      posted.remove(i);
    }
    expect(posted.size).toBe(0);
  });
});
