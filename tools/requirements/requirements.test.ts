import { describe, expect, it } from 'vitest';
import { requirementsPage } from './page.ts';
import { judge } from './proofs.ts';
import { could, must, type RequirementSection, should } from './requirement.ts';
import { REQUIREMENTS } from './requirements.ts';

const SECTIONS: readonly RequirementSection[] = [
  {
    letter: 'A',
    title: 'Things',
    requirements: [
      must('R901', 'It works.', { limits: 'not under water' }),
      should('R902', 'It is quick.', { reason: 'no clock' }),
      could('R903', 'It | shines.'),
    ],
  },
];
const file = (path: string, text: string, isTest = true) => ({ path, text, isTest });

describe('the table of requirements', () => {
  const all = REQUIREMENTS.flatMap(({ requirements }) => requirements);

  it('has every id once and in order, below the letters A to Q', () => {
    expect(all.map(({ id }) => id)).toEqual(all.map((_, index) => `R${String(index + 1).padStart(3, '0')}`));
    expect(all).toHaveLength(228);
    expect(REQUIREMENTS.map(({ letter }) => letter).join('')).toBe('ABCDEFGHIJKLMNOPQ');
  });

  it('says each in one sentence of 5 to 16 words', () => {
    const wrong = all.filter(({ statement }) => {
      const words = statement.split(' ').length;
      return words < 5 || words > 16 || !/^[A-Z].*[^.]\.$/.test(statement);
    });
    expect(wrong).toEqual([]);
    expect(new Set(all.map(({ statement }) => statement)).size).toBe(all.length);
  });
});

describe('judging', () => {
  it('takes test names of test files as proofs and nothing else', () => {
    const { requirements, unknown } = judge(SECTIONS, [
      file('a.test.ts', "it('works R901 R901', f); it('x R999', f); // R903"),
      file('b.ts', "it('shines R903', f)", false),
    ]);
    expect(requirements.map(({ status }) => status)).toEqual(['proven', 'argued', 'open']);
    expect(requirements[0]!.proofs).toEqual([{ file: 'a.test.ts', name: 'works R901 R901' }]);
    expect(requirements[2]!.mentions).toEqual(['a.test.ts']);
    expect(unknown).toEqual([{ file: 'a.test.ts', name: 'x R999' }]);
  });

  it('lets a test outweigh a reason, and does not let limits stand for a test', () => {
    const { requirements } = judge(SECTIONS, [file('a.test.ts', "it('quick R902', f)")]);
    expect(requirements.map(({ status }) => status)).toEqual(['open', 'proven', 'open']);
  });
});

describe('the page', () => {
  const page = (...files: ReturnType<typeof file>[]) =>
    requirementsPage(SECTIONS, judge(SECTIONS, files).requirements).split('\n');

  it('counts and shows proofs, reasons, limits and what is open', () => {
    const lines = page(file('a.test.ts', "it('works (R901)', f)"));
    expect(lines).toContain('| A. Things | 1 / 0 / 0 | 0 / 1 / 0 | 0 / 0 / 1 |');
    expect(lines).toContain('| R901 | MUST | It works. | `a.test.ts`: works (R901)<br>Not shown: not under water. |');
    expect(lines).toContain('| R902 | SHOULD | It is quick. | No test: no clock. |');
    expect(lines).toContain('| R903 | COULD | It \\| shines. | **open** |');
  });

  it('shows four proofs, of as many files as there are, shortened', () => {
    const many = [1, 2, 3, 4, 5].map((n) => `it('test ${n} R901', f);`).join('');
    const long = `it('${'long '.repeat(30)}R901', f)`;
    const row = page(file('a.test.ts', many), file('b.test.ts', long)).find((line) => line.startsWith('| R901'))!;
    const proofs = row.split('<br>');
    expect(proofs).toHaveLength(6);
    expect(proofs[1]).toBe(`\`b.test.ts\`: ${'long '.repeat(16).slice(0, 79)}…`);
    expect(proofs[2]).toBe('`a.test.ts`: test 2 R901');
    expect(proofs[4]).toBe('+2 more');
  });
});
