/**
 * UET security header: in front of the PDS header of a protected packet (uet:tss/3, uet:pds/1.6).
 *
 * Its first five bits share their place with the PDS type, which is how a receiver tells the two apart.
 */
import { bits, bytes, header } from '../header.ts';
import { PdsType } from './pds-codes.ts';

const first = {
  type: bits(5, 'Always 1', PdsType),
  sp: bits(1, 'A source identifier follows the first word'),
  _r1: bits(1),
  an: bits(1, 'Which of the two keys of the secure domain'),
  sdi: bits(24, 'Secure domain identifier').hex(),
};

const last = {
  epoch: bits(16, 'Key epoch'),
  counterHi: bits(16, 'Packet counter, upper 16 of 48 bits'),
  counterLo: bits(32, 'Packet counter, lower 32 bits'),
};

/** Form without source identifier (`sp` = 0). */
export const SecurityHeader = header('UET security', 'uet:tss/3', { ...first, ...last });

/** Form with source identifier (`sp` = 1). */
export const SecurityHeaderSsi = header('UET security with SSI', 'uet:tss/3', {
  ...first,
  ssi: bits(32, 'Source identifier').hex(),
  ...last,
});

/** Behind a protected packet (ICV): proves that it is as it was sealed. */
export const CheckValue = header('UET check value', 'uet:tss/9', { icv: bytes(16, 'Check value') });
