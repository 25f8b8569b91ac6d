/** The rules of matching as plain lists, as a program would first write them: what the fast structures must agree with. */
import type { ReceiveWork } from '../work.ts';
import type { Envelope } from './envelope.ts';

/** @spec uet:ses/4.1 */
export function takes(receive: ReceiveWork, message: Envelope): boolean {
  return (
    receive.tagged === message.tagged &&
    (!receive.tagged ||
      (((receive.tagLo ^ message.tagLo) & ~receive.ignoreLo) === 0 &&
        ((receive.tagHi ^ message.tagHi) & ~receive.ignoreHi) === 0)) &&
    (!receive.directed || receive.sourceId === message.sourceId) &&
    (receive.path === 0 || receive.path === message.path) &&
    (receive.jobId === 0 || receive.jobId === message.jobId)
  );
}

/** Receives in the order of posting. */
export class NaiveReceives {
  readonly list: ReceiveWork[] = [];

  match(message: Envelope): number {
    return this.list.findIndex((one) => takes(one, message));
  }

  find(idLo: number, idHi: number): number {
    return this.list.findIndex((one) => one.wrIdLo === idLo && one.wrIdHi === idHi);
  }
}

/** Messages in the order of arrival, for one queue pair. */
export class NaiveMessages<T extends Envelope> {
  readonly list: T[] = [];

  search(receive: ReceiveWork): number {
    return this.list.findIndex((one) => takes(receive, one));
  }
}
