/** The first packets of a capture as arrows between two devices. */
import { dissectFrame, readCapture } from '@verbena/core/wire';
import { summarize } from '../decode/packet-summary.ts';

/**
 * Lines of the chart.
 *
 * @param left - address of the device on the left
 * @param count - packets to show
 */
export function chartLines(capture: Uint8Array, left: string, right: string, count: number): string[] {
  const lines = [`    time       ${left.padEnd(WIDTH)}${right}`];
  let start: bigint | undefined;
  let shown = 0;
  let more = false;
  for (const frame of readCapture(capture)) {
    if (shown === count) {
      more = true;
      break;
    }
    const { source, text, isRetransmission } = summarize(dissectFrame(frame.data, frame.linkType));
    start ??= frame.timestampNs;
    const micros = Number((frame.timestampNs ?? 0n) - (start ?? 0n)) / 1e3;
    const label = isRetransmission ? `${text} (again)` : text;
    lines.push(`${micros.toFixed(1).padStart(9)} us   ${arrow(label, source === left)}`);
    shown++;
  }
  if (more) lines.push(`${' '.repeat(15)}...`);
  return lines;
}

function arrow(text: string, toTheRight: boolean): string {
  const room = WIDTH - 6;
  const label = text.length > room ? `${text.slice(0, room - 1)}~` : text;
  const line = ` ${label} `.padEnd(room + 2, '-');
  return toTheRight ? `|--${line}>|` : `|<-${line}-|`;
}

const WIDTH = 78;
