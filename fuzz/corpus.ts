/** The seeds in `corpus/`: small files of hexadecimal text, named for what they show. `#` begins a comment. */
import { readdirSync, readFileSync } from 'node:fs';

/** @param folder - below `corpus/` */
export function readCorpus(folder: string): Uint8Array[] {
  const root = new URL(`${import.meta.url.includes('/dist/') ? '../' : './'}corpus/${folder}/`, import.meta.url);
  return readdirSync(root)
    .filter((name) => name.endsWith('.hex'))
    .sort()
    .map((name) => parseHex(readFileSync(new URL(name, root), 'utf8')));
}

function parseHex(text: string): Uint8Array {
  const digits = text.replaceAll(/#.*$/gm, '').replaceAll(/\s+/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}
