import { EventValue, SeededRandom, Status, TRANSPORTS, type Transport } from '@verbena/core';
import { REJECT_REASONS } from '@verbena/core/cm';
import { NackCode, ReturnCode, RnrTimer, RoceNak } from '@verbena/core/wire';
import { describe, expect, it } from 'vitest';
import { adviceOf, CodeBook } from './code-book.ts';
import { meaningDocument, meaningLines } from './meaning-text.ts';

const book = new CodeBook();
const all = book.list([]);
const namesOf = (...words: string[]) => book.list(words).map(({ row }) => row.name);

describe('codes that are known', () => {
  it('are all there are: statuses, events, errors, reasons, codes and drops of every transport', () => {
    expect(namesOf('status')).toEqual(Object.keys(Status));
    expect(namesOf('event')).toEqual(Object.keys(EventValue));
    expect(namesOf('error')).toContain('ENOMEM');
    expect(namesOf('reject-reason')).toEqual(Object.keys(REJECT_REASONS));
    // and names for what is reserved, for vendors, and announces others
    expect(namesOf('uet', 'return', 'code')).toEqual(expect.arrayContaining(Object.keys(ReturnCode)));
    expect(namesOf('return-code')).toHaveLength(64);
    expect(namesOf('nack')).toEqual(Object.keys(NackCode));
    expect(namesOf('roce', 'nak')).toEqual(Object.keys(RoceNak));
    expect(namesOf('rnr-timer').toSorted()).toEqual(Object.keys(RnrTimer).toSorted());
    for (const { name, drops } of TRANSPORTS) expect(namesOf(name, 'drop')).toEqual(drops.map((one) => one.name));
    expect(new Set(book.list(['drop']).map(({ transport }) => transport))).toEqual(
      new Set(TRANSPORTS.map(({ name }) => name)),
    );
  });

  it('have a sentence and a section each, and whatever can go wrong a hint', () => {
    for (const one of all) {
      const [title, ...lines] = meaningLines(one);
      expect(title).toBe(`${one.row.name}: ${one.row.text}`);
      expect(one.row.text, title).not.toBe('');
      expect(lines.join('\n'), title).toMatch(/^ {2}is {7}\S.*\n {2}of {7}\S.*\n {2}see {6}\S/s);
    }
    const hintless = ['status', 'error', 'return-code', 'nack', 'nak', 'rnr-timer'].flatMap((kind) =>
      book.list([kind]).filter((one) => adviceOf(one) === ''),
    );
    expect(hintless.map(({ row }) => row.name)).toEqual(['SUCCESS', 'NULL', 'OK']);
  });

  it('are found by name: in any case, with any prefix, with a kind and a transport in front', () => {
    for (const one of all) {
      const { table, row, transport } = one;
      for (const prefix of ['', ...table.prefixes]) {
        for (const name of [prefix + row.name, (prefix + row.name).toLowerCase(), (prefix + row.name).toUpperCase()]) {
          expect(book.find([name]), name).toContain(one);
          expect(book.find([table.kind, name]), name).toContain(one);
        }
      }
      if (transport !== undefined) expect(book.find([transport, table.kind, row.name])).toEqual([one]);
    }
  });

  it('are found by kind and number, decimal and hexadecimal, and all together by the number alone', () => {
    let numbered = 0;
    for (const one of all) {
      const { table, row } = one;
      if (row.value === undefined) continue; // drop reasons are counters: they have names only
      numbered++;
      for (const number of [String(row.value), `0x${row.value.toString(16)}`]) {
        expect(book.find([table.kind, number]), `${table.kind} ${number}`).toEqual([one]);
        expect(book.find([number])).toContain(one);
      }
      const vendor = row.value + (table.vendorBase ?? 0);
      expect(book.find([`0x${vendor.toString(16)}`])).toContain(one);
    }
    expect(numbered).toBe(all.length - book.list(['drop']).length);
    expect(book.find(['uet', '5']).map(({ row }) => row.name)).toEqual(['NO_MATCH', 'NO_CCC_AVAIL']);
  });

  it('include those of a transport that nobody has heard of', () => {
    const row = { value: 3, name: 'TOO_WARM', text: 'the cable is too warm' };
    const table = {
      kind: 'mood',
      name: 'mood of a cable',
      layer: 'cable',
      prefixes: ['MOOD_'],
      section: '1',
      rows: [row],
    };
    const drops = [{ name: 'smoke', text: 'smoke', section: '2' }];
    const other = new CodeBook([{ ...(TRANSPORTS[0] as Transport), name: 'warm', codes: [table], drops }]);
    expect(other.find(['mood_too_warm']).map(meaningDocument)).toMatchObject([{ transport: 'warm', value: 3 }]);
    expect(other.find(['warm', 'mood', '3'])).toEqual([{ transport: 'warm', table, row }]);
    expect(other.find(['dropped_smoke'])).toHaveLength(1);
    expect(other.find(['BAD_JOB_ID'])).toEqual([]);
  });
});

describe('what is unknown', () => {
  it('is not found, and the nearest names are told', () => {
    expect(book.find(['RETRY_EXC'])).toEqual([]);
    expect(book.nearest(['RETRY_EXC'])).toEqual(['RETRY_EXC_ERR', 'RNR_RETRY_EXC_ERR']);
    expect(book.nearest(['status', 'LOC_PORT_ERR'])[0]).toBe('LOC_PROT_ERR');
    expect(book.hint(['status', '99'])).toBe('numbers go from 0 to 22, with gaps');
    expect(book.hint(['wibble', '3'])).toMatch(/status, event/);
    expect(book.find(['status', 'BAD_JOB_ID'])).toEqual([]);
    expect(book.find([])).toEqual([]);
  });

  it('is no name made of random letters (seed 7)', () => {
    const random = new SeededRandom(7);
    for (let i = 0; i < 500; i++) {
      const letters = Array.from({ length: 12 }, () => String.fromCharCode(97 + Math.floor(random.next() * 26)));
      expect(book.find([letters.join('')])).toEqual([]);
    }
  });
});
