/** What happens to endpoints beside operations: they fail, ports go up and down, the device goes. @spec verbs/6 */
import type { DeviceEvent } from '../verbs/context.ts';
import type { EventStream } from '../verbs/event-stream.ts';
import type { Domain } from './domain.ts';
import { FabricObject } from './fabric-object.ts';

export class EventQueue extends FabricObject implements AsyncIterable<DeviceEvent> {
  readonly domain: Domain;
  /** For endpoints only. */
  readonly stream: EventStream;

  /** For `Domain.openEventQueue`. */
  constructor(domain: Domain) {
    super();
    this.domain = domain;
    this.stream = domain.context.createEventStream();
    domain.hold(this);
  }

  /** Events that wait, oldest first. */
  read(): DeviceEvent[] {
    this.check('read');
    this.domain.pump.progress();
    return this.stream.take();
  }

  /** Events from now on; those that wait come first. Ends with the queue, the domain or the device. */
  [Symbol.asyncIterator](): AsyncIterableIterator<DeviceEvent> {
    this.check('read');
    return this.stream[Symbol.asyncIterator]();
  }

  describe(): string {
    return 'the event queue';
  }

  protected release(): void {
    this.stream.close();
    this.domain.letGo(this);
  }
}
