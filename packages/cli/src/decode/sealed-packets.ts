/** Protected packets of a file, for a user with or without their keys. */
import { openingProblem, type PacketOpener } from '@verbena/core';
import type { DissectOptions } from '@verbena/core/wire';
import { KeyRing } from '@verbena/node';
import { countText } from '../print/units.ts';

export class SealedPackets {
  /** For the dissector. */
  readonly open: NonNullable<DissectOptions['open']>;
  /** Keys were given. */
  readonly isAsked: boolean;
  #opened = 0;
  #closed = 0;

  /** @param keys - path of a key file @throws VerbsError what is wrong with it */
  constructor(keys: string | undefined) {
    this.isAsked = keys !== undefined;
    const opener: PacketOpener | undefined = keys === undefined ? undefined : KeyRing.read(keys).opener();
    this.open = (packet) => {
      const reason = opener?.open(packet);
      if (reason === '') this.#opened++;
      else this.#closed++;
      return reason === undefined ? '--keys FILE opens it' : reason === '' ? '' : openingProblem(reason);
    };
  }

  /** How many could be opened. */
  get summary(): string {
    return `${countText(this.#opened, 'protected packet')} opened, ${this.#closed} not`;
  }
}
