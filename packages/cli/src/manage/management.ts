/** The management channel of a daemon, or of a system in this process, as commands use it. */
import { decodeAnswer, encodeRequest, isVerbsError, type Message, type schema } from '@verbena/core';
import { connectManagement, daemonSocket, defaultSocketPath } from '@verbena/node';
import { refusal } from '../failure.ts';

/** What carries the calls. */
export interface ManagementLink {
  invoke(message: Message): Message;
  wait(wake: number, timeoutNs: number): Promise<void>;
  close(): void;
}

export class Management {
  readonly #link: ManagementLink;

  constructor(link: ManagementLink) {
    this.#link = link;
  }

  /**
   * Connects to a daemon.
   *
   * @param path - of its socket; without it `VERBENA_SOCKET`, then the usual place
   * @param advice - what would work where there is no daemon
   * @throws VerbsError ECONNREFUSED nobody serves there
   */
  static connect(path: string | undefined, advice = 'verbena up --device uet0=127.0.0.1'): Management {
    const socket = path ?? daemonSocket() ?? defaultSocketPath();
    try {
      return new Management(connectManagement(socket));
    } catch (thrown) {
      if (!isVerbsError(thrown) || (thrown.code !== 'ENOENT' && thrown.code !== 'ECONNREFUSED')) throw thrown;
      throw refusal('ECONNREFUSED', 'connect', `no daemon serves ${socket}`, { try: advice });
    }
  }

  /** @throws VerbsError what the other side says */
  call<M extends schema.Method>(object: schema.ObjectSchema, method: M, input: schema.Input<M>): schema.Output<M> {
    const request = { bytes: encodeRequest(object, method, input), attachments: [] };
    return decodeAnswer(method, this.#link.invoke(request).bytes);
  }

  /** Resolves when a number is woken, or after a while. */
  wait(wake: number, timeoutNs: number): Promise<void> {
    return this.#link.wait(wake, timeoutNs);
  }

  close(): void {
    this.#link.close();
  }
}
