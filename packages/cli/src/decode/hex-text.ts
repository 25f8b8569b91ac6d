/**
 * Packets written as hexadecimal text: bytes with or without blanks, `0x`, commas; `#` begins a comment; an empty line
 * ends a packet. The offsets and the text column of xxd, tcpdump -x and hexdump -C are recognised and left out.
 */
import { BadInput } from '../failure.ts';

/** @throws BadInput with the line that is not hexadecimal */
export function parseHexPackets(text: string): Uint8Array[] {
  const packets: Uint8Array[] = [];
  let digits = '';
  const finish = (line: number) => {
    if (digits.length % 2 !== 0) throw new BadInput(`line ${line}: the packet ends in the middle of a byte`);
    if (digits.length > 0) packets.push(Uint8Array.from(Buffer.from(digits, 'hex')));
    digits = '';
  };
  const lines = text.split(/\r?\n/);
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') finish(i + 1);
    else digits += digitsOf(line, i + 1);
  }
  finish(lines.length);
  return packets;
}

function digitsOf(line: string, number: number): string {
  const bare = withoutColumns(line.replace(/(#|\/\/).*$/, ''));
  const digits = bare.replace(/0x/gi, ' ').replace(/[\s,;:{}[\]"']/g, '');
  const wrong = /[^0-9a-fA-F]/.exec(digits);
  if (wrong !== null) {
    throw new BadInput(
      `line ${number}: '${wrong[0]}' is no hexadecimal digit`,
      'bytes such as 10 03 00 00, or a pcap or pcapng file',
    );
  }
  return digits;
}

function withoutColumns(line: string): string {
  const offset = /^\s*(?:0x)?[0-9a-fA-F]{4,8}:\s+(.*)$/.exec(line); // xxd, tcpdump: the text stands behind two blanks
  if (offset !== null) return offset[1]!.split(/ {2,}/)[0]!;
  const dump = /^\s*[0-9a-fA-F]{8} {2}(.*?)(?:\|.*)?$/.exec(line);
  return dump === null ? line : dump[1]!;
}
