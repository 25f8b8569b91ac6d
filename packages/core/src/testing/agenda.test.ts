import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../base/random.ts';
import { NEVER } from '../engine/time.ts';
import { Agenda } from './agenda.ts';

describe('Agenda', () => {
  it('gives the earliest first, and what is due at once in the order of coming', () => {
    const random = new SeededRandom(3);
    const agenda = new Agenda(10_000);
    const model: { due: number; item: number }[] = [];
    for (let item = 0; item < 4000; item++) {
      const due = random.below(50);
      agenda.add(due, item);
      model.push({ due, item });
      if (random.chance(0.3)) {
        model.sort((a, b) => a.due - b.due || a.item - b.item);
        expect(agenda.earliest()).toBe(model[0]!.due);
        expect(agenda.take()).toBe(model.shift()!.item);
      }
    }
    model.sort((a, b) => a.due - b.due || a.item - b.item);
    expect(model.map(() => agenda.take())).toEqual(model.map(({ item }) => item));
    expect(agenda.earliest()).toBe(NEVER);
  });

  it('says so when it is full', () => {
    const agenda = new Agenda(2);
    agenda.add(1, 1);
    agenda.add(1, 2);
    expect(() => agenda.add(1, 3)).toThrow('the agenda is full');
  });
});
