/** Tells the program that a completion queue has something for it. */
import type { ChannelQueue } from '../device/channel-queue.ts';
import type { SoftCompletionQueue } from './objects.ts';

/** Whoever waits for a completion queue, itself or through a channel. */
export function wakeReader({ object }: SoftCompletionQueue): void {
  const channel = object.needs.find((one) => one.kind === 'COMP_CHANNEL');
  object.context.session.wake(object.wake);
  if (channel === undefined) return;
  if ((channel.state as ChannelQueue).push(object.handle)) channel.context.session.wake(channel.wake);
}
