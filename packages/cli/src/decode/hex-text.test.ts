import { describe, expect, it } from 'vitest';
import { BadInput } from '../failure.ts';
import { parseHexPackets } from './hex-text.ts';

const packets = (text: string) => parseHexPackets(text).map((bytes) => Buffer.from(bytes).toString('hex'));

describe('hexadecimal text', () => {
  it.each([
    ['blanks', '10 c4 00 01', ['10c40001']],
    ['no blanks', '10c40001', ['10c40001']],
    ['0x and commas', '0x10, 0xC4, 0x00, 0x01', ['10c40001']],
    ['comments', '# a packet\n10 c4 # prologue\n00 01 // rest', ['10c40001']],
    ['two packets', '10 c4\n\n00 01\n', ['10c4', '0001']],
    ['xxd', '00000000: 4500 0073 0000  E..s..\n00000006: 0001       ..', ['4500007300000001']],
    ['tcpdump -x', '\t0x0000:  4500 0073\n\t0x0010:  0001', ['450000730001']],
    ['hexdump -C', '00000000  45 00 00 73  00 01 00 02  |E..s....|', ['4500007300010002']],
    ['nothing', '# only a comment\n', []],
  ])('reads %s', (_name, text, expected) => {
    expect(packets(text)).toEqual(expected);
  });

  it('says which line is wrong', () => {
    expect(() => parseHexPackets('10\nzz')).toThrow(/line 2: 'z'/);
    expect(() => parseHexPackets('1')).toThrow(BadInput);
  });
});
