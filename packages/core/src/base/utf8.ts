/** UTF-8 without a host: `TextEncoder` is not part of the language. */

/** Encodes text; unpaired surrogates become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const char of text) {
    let code = char.codePointAt(0)!;
    if (code >= 0xd800 && code <= 0xdfff) code = REPLACEMENT;
    if (code < 0x80) out.push(code);
    else if (code < 0x800) out.push(0xc0 | (code >> 6), continuation(code));
    else if (code < 0x1_0000) out.push(0xe0 | (code >> 12), continuation(code >> 6), continuation(code));
    else out.push(0xf0 | (code >> 18), continuation(code >> 12), continuation(code >> 6), continuation(code));
  }
  return Uint8Array.from(out);
}

/** Decodes bytes; each byte that is no part of a well-formed sequence becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i]!;
    const extra = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    let code = extra === 0 ? first : first & (0x3f >> extra);
    let good = first < 0x80 || (first >= 0xc2 && first <= 0xf4);
    for (let k = 1; good && k <= extra; k++) {
      const next = bytes[i + k] ?? 0;
      good = (next & 0xc0) === 0x80;
      code = (code << 6) | (next & 0x3f);
    }
    good &&= code >= LEAST[extra]! && code <= 0x10_ffff && (code < 0xd800 || code > 0xdfff);
    parts.push(String.fromCodePoint(good ? code : REPLACEMENT));
    i += good ? extra + 1 : 1;
  }
  return parts.join('');
}

function continuation(code: number): number {
  return 0x80 | (code & 0x3f);
}

const REPLACEMENT = 0xfffd;
/** Smallest code point per number of continuation bytes: shorter forms are not well-formed. */
const LEAST = [0, 0x80, 0x800, 0x1_0000];
