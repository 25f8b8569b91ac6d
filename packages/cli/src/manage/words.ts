/** Words behind a command, in the grammar of rdma(8): VERB [SUBJECT] [NAME VALUE]... */
import type { Row } from '@verbena/core';
import { BadInput } from '../failure.ts';

export class Words {
  readonly #words: string[];
  readonly #usage: readonly string[];

  /** @param usage - the forms of the command, for whoever got it wrong */
  constructor(words: readonly string[], usage: readonly string[]) {
    this.#words = [...words];
    this.#usage = usage;
  }

  get left(): number {
    return this.#words.length;
  }

  /** The next word; undefined at the end. */
  next(): string | undefined {
    return this.#words.shift();
  }

  /** The next word, without taking it. */
  peek(): string | undefined {
    return this.#words[0];
  }

  /** The next word. @throws BadInput there is none */
  need(what: string): string {
    const word = this.next();
    if (word !== undefined && word !== '') return word;
    throw this.wrong(`${what} is missing`);
  }

  /** A number. @throws BadInput */
  number(what: string, text = this.need(what)): number {
    const value = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
    if (value <= 0xffff_ffff) return value;
    throw this.wrong(`${what} cannot be '${text}'`);
  }

  /** Takes a word if it comes next. */
  accept(word: string): boolean {
    if (this.#words[0] !== word) return false;
    this.#words.shift();
    return true;
  }

  /** The rest as names and values. @throws BadInput a name without a value, or twice */
  pairs(): Record<string, string> {
    const pairs: Record<string, string> = {};
    for (let name = this.next(); name !== undefined; name = this.next()) {
      if (Object.hasOwn(pairs, name)) throw this.wrong(`'${name}' stands there twice`);
      pairs[name] = this.need(`the value of '${name}'`);
    }
    return pairs;
  }

  /** @throws BadInput something follows */
  end(): void {
    const word = this.next();
    if (word !== undefined) throw this.wrong(`'${word}' is one word too many`);
  }

  wrong(problem: string): BadInput {
    return new BadInput(problem, this.#usage.join('\n           '));
  }
}

/** `KEY=VALUE` of `--filter`, collected. */
export function collectFilter(text: string, before: Row): Row {
  const at = text.indexOf('=');
  if (at < 1) throw new BadInput(`'${text}' is no filter`, '--filter KEY=VALUE, with a key that --json shows');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
