import { describe, expect, it } from 'vitest';
import { testNames } from './test-names.ts';

describe('names of tests', () => {
  it('come from it, test, describe, suite and testCase, in order', () => {
    const text = `
      describe('removal', () => {
        it('answers EIO (R901)', () => {});
        test("wakes readers", async () => {});
      });
      suite('s', body);
      export const CASES = [testCase('lifecycle/close R902', (suite) => {})];`;
    expect(testNames(text)).toEqual(['removal', 'answers EIO (R901)', 'wakes readers', 's', 'lifecycle/close R902']);
  });

  it('show what is computed as …, over line breaks and sums', () => {
    expect(testNames(`it(\`seeds \${a}..\${b + 1} (R903)\`, f)`)).toEqual(['seeds …..… (R903)']);
    expect(testNames("it('first ' +\n name + ' R904', f)")).toEqual(['first … R904']);
    expect(testNames('it(`two\n   lines`, f)')).toEqual(['two lines']);
    expect(testNames('it(name, f)')).toEqual([]);
  });

  it('of each include the texts of its table, and no code of its rows', () => {
    const text = "it.each([['stale', 'R905', () => call('no')]])('refuses a %s handle', () => {});";
    expect(testNames(text).sort()).toEqual(['R905', 'refuses a %s handle', 'stale']);
    expect(testNames("describe.each<Row>(ROWS)('$name (R906)', () => { it('works', f); });")).toEqual([
      '$name (R906)',
      'works',
    ]);
    expect(testNames(`it.each\`a | b\n \${1} | \${2}\`("adds R907", f)`)).toEqual(['adds R907']);
  });

  it('are read through options and wrappers', () => {
    expect(testNames("it('slow R908', { timeout: 1 }, f)")).toEqual(['slow R908']);
    expect(testNames("describe.skipIf(libc === undefined)('sockets R909', () => {})")).toEqual(['sockets R909']);
    expect(testNames("scenario('one R910', () => {}); suite.it('two R911', f)")).toEqual(['one R910', 'two R911']);
  });

  it('have what a driver case proves behind them, and no second text of anything else', () => {
    expect(testNames("driverCase('removal/twice', 'R920 R921', (bench) => {})")).toEqual(['removal/twice (R920 R921)']);
    expect(testNames("driverCase('removal/twice', ids, (bench) => {})")).toEqual(['removal/twice']);
    expect(testNames("otherCase('removal/twice', 'R920', (bench) => {})")).toEqual(['removal/twice']);
  });

  it('leave out what is skipped, comments and other strings', () => {
    const text = `
      // it('in a comment R912', () => {})
      const note = "it('in a text R913', () => {})";
      it.skip('not yet R914', () => {});
      it.todo('later R915');
      it.skip.each([1])('never R916', () => {});
      describe.skip('all of it', () => { it('inside R917', () => {}); });
      expect(name, 'R918').toBe('R919');`;
    expect(testNames(text)).toEqual([]);
  });
});
