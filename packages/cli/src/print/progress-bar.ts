/** A progress bar on a terminal: drawn on stderr a few times per second, erased at the end. */
import { bytesText, durationText, rateText } from './units.ts';

export class ProgressBar {
  readonly #stream: NodeJS.WriteStream | undefined;
  readonly #label: string;
  readonly #total: number;
  readonly #started = performance.now();
  #drawn = 0;

  /** @param total - bytes expected */
  constructor(label: string, total: number, wanted: boolean) {
    this.#stream = wanted && process.stderr.isTTY ? process.stderr : undefined;
    this.#label = label;
    this.#total = total;
  }

  update(done: number): void {
    if (this.#stream === undefined) return;
    const now = performance.now();
    if (now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    const width = Math.max(20, this.#stream.columns ?? 80);
    this.#stream.write(`\r${progressLine(this.#label, done, this.#total, (now - this.#started) / 1e3, width)}\x1b[K`);
  }

  clear(): void {
    if (this.#drawn > 0) this.#stream?.write('\r\x1b[K');
  }
}

/** The text of the bar, at most `width` - 1 characters. */
export function progressLine(label: string, done: number, total: number, seconds: number, width: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const rate = seconds > 0 ? done / seconds : 0;
  const left = rate > 0 ? durationText((total - done) / rate) : '-';
  const tail = ` ${String(Math.floor(share * 100)).padStart(3)} %  ${bytesText(done)}  ${rateText(rate)}  ETA ${left}`;
  const room = width - 1 - label.length - tail.length - 3;
  if (room < 4) return `${label}${tail}`.slice(0, width - 1);
  const full = Math.round(share * room);
  return `${label} [${'#'.repeat(full)}${'.'.repeat(room - full)}]${tail}`;
}

const REDRAW_MS = 100;
