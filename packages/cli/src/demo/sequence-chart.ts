/** Packets of a capture as arrows between two devices. */
import { type Dissected, dissectFrame, readCapture } from '@verbena/core/wire';
import { summarize } from '../decode/packet-summary.ts';

/**
 * Lines of the chart: how it begins, the first answers, and the first packets that are sent again.
 *
 * @param left - address of the device on the left
 * @param count - packets to show of each of the three
 */
export function chartLines(capture: Uint8Array, left: string, right: string, count: number): string[] {
  const lines = [`    time       ${left.padEnd(WIDTH)}${right}`];
  const gap = `${' '.repeat(15)}...`;
  let start: bigint | undefined;
  let begun = 0;
  let answers = 0;
  let repetitions = 0;
  let skipped = false;
  const repeats = new Repeats();
  for (const frame of readCapture(capture)) {
    const packet = dissectFrame(frame.data, frame.linkType);
    const summary = summarize(packet);
    const { source, text } = summary;
    const isRetransmission = summary.isRetransmission || (summary.isRequest && repeats.isRepeat(packet));
    start ??= frame.timestampNs;
    const isOurs = source === left;
    const isWanted =
      begun < count || (isOurs ? isRetransmission && repetitions < count : answers < count && begun >= count);
    if (!isWanted) {
      skipped = true;
      if (answers >= count && repetitions >= count) break;
      continue;
    }
    if (begun < count) begun++;
    else if (isOurs) repetitions++;
    else answers++;
    if (skipped && lines.at(-1) !== gap) lines.push(gap);
    skipped = false;
    const micros = Number((frame.timestampNs ?? 0n) - (start ?? 0n)) / 1e3;
    const label = isRetransmission && isOurs ? `${text} (again)` : text;
    lines.push(`${micros.toFixed(1).padStart(9)} us   ${arrow(label, isOurs)}`);
  }
  if (skipped) lines.push(gap);
  return lines;
}

/** Knows packets that are sent again by their numbers, where no bit of theirs says so. */
class Repeats {
  /** Highest number so far, by queue pair that packets go to. */
  readonly #highest = new Map<number, number>();

  isRepeat({ layers }: Dissected): boolean {
    const fields = layers.find(({ header }) => header === 'BTH')?.fields ?? [];
    const numberOf = (name: string) => Number(fields.find((field) => field.name === name)?.value ?? Number.NaN);
    const [qp, psn] = [numberOf('destQp'), numberOf('psn')];
    if (Number.isNaN(qp + psn)) return false;
    const highest = this.#highest.get(qp);
    const isNewer = highest === undefined || ((psn - highest) << 8) >> 8 > 0; // numbers of 24 bits
    if (isNewer) this.#highest.set(qp, psn);
    return !isNewer;
  }
}

function arrow(text: string, toTheRight: boolean): string {
  const room = WIDTH - 6;
  const label = text.length > room ? `${text.slice(0, room - 1)}~` : text;
  const line = ` ${label} `.padEnd(room + 2, '-');
  return toTheRight ? `|--${line}>|` : `|<-${line}-|`;
}

const WIDTH = 78;
