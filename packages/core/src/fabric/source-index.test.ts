import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../base/random.ts';
import { SourceIndex } from './source-index.ts';

describe('the index of sources (R122)', () => {
  it('finds what a map finds, through thousands of changes', () => {
    const random = new SeededRandom(20_261_125);
    const index = new SourceIndex();
    const model = new Map<string, number>();
    for (let step = 0; step < 20_000; step++) {
      const path = random.below(40);
      const id = random.below(8) === 0 ? 0xffff_fff0 + random.below(16) : random.below(60);
      const key = `${path} ${id}`;
      const known = model.get(key);
      const choice = random.below(3);
      if (choice === 0 && known === undefined) {
        index.add(path, id, step);
        model.set(key, step);
      } else if (choice === 1 && known !== undefined) {
        index.remove(path, id, known);
        model.delete(key);
      }
      expect(index.find(path, id)).toBe(model.get(key) ?? -1);
    }
    for (const [key, number] of model) {
      const [path, id] = key.split(' ').map(Number);
      expect(index.find(path!, id!)).toBe(number);
    }
  });
});
