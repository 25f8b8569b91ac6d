/**
 * DCQCN: a rate that falls when the network marks packets, and a window that falls when it loses them.
 *
 *   mark      target = rate;  rate = rate * (1 - alpha/2);  alpha rises
 *   no mark   alpha falls, every `alphaTime`
 *   each `increaseTime` or `increaseBytes` without a mark is a step:
 *     fast recovery      rate half way back to the target, `recoverySteps` times by each measure
 *     additive increase  target a little higher, rate half way to it
 *     hyper increase     both measures are beyond the recovery: target higher by more each time
 *
 * Nothing is limited before the first mark, and nothing is once the rate is back at that of the line. It owns no timers and
 * sees no packets: who asks for the rate gets it as of now, steps that were due meanwhile included.
 *
 * @spec "Congestion Control for Large-Scale RDMA Deployments" (SIGCOMM 2015) §3
 */
import type { Nanos } from '../engine/time.ts';
import { Window } from './window.ts';

export interface DcqcnParameters {
  /** Bytes per second. */
  readonly lineRate: number;
  readonly minRate: number;
  readonly additiveRate: number;
  readonly hyperRate: number;
  /** g, a fraction. */
  readonly gain: number;
  readonly alphaTime: Nanos;
  readonly increaseTime: Nanos;
  readonly increaseBytes: number;
  readonly recoverySteps: number;
}

export class Dcqcn {
  readonly #parameters: DcqcnParameters;
  readonly #window: Window;
  #isLimited = false;
  #rate = Number.POSITIVE_INFINITY;
  #target = 0;
  #alpha = 1;
  #alphaDue: Nanos = 0;
  #increaseDue: Nanos = 0;
  #bytes = 0;
  #timeSteps = 0;
  #byteSteps = 0;

  /** @param mostPackets - the window never grows beyond */
  constructor(parameters: DcqcnParameters, mostPackets: number) {
    this.#parameters = parameters;
    this.#window = new Window(mostPackets);
  }

  /** Bytes per second that may be sent; infinity while nothing was marked. */
  rate(now: Nanos): number {
    if (this.#isLimited) this.#catchUp(now);
    return this.#rate;
  }

  /** Packets that may be in flight. */
  windowPackets(): number {
    return this.#window.packets;
  }

  /** Estimate of congestion, 0 to 1. */
  get alpha(): number {
    return this.#alpha;
  }

  /** Whether it limits the rate now. */
  get isLimited(): boolean {
    return this.#isLimited;
  }

  onSent(bytes: number): void {
    if (!this.#isLimited) return;
    this.#bytes += bytes;
    if (this.#bytes < this.#parameters.increaseBytes) return;
    this.#bytes = 0;
    this.#byteSteps++;
    this.#increase();
  }

  /** `count` packets were newly acknowledged. */
  onAck(count: number): void {
    this.#window.onAck(count);
  }

  /** A round trip saw losses. */
  onLoss(): void {
    this.#window.onLoss();
  }

  /** Nothing came back for a whole time-out. */
  onTimeout(): void {
    this.#window.onTimeout();
  }

  /** The peer saw a mark. */
  onMark(now: Nanos): void {
    const { lineRate, minRate, gain, alphaTime, increaseTime } = this.#parameters;
    if (this.#isLimited) this.#catchUp(now);
    if (!this.#isLimited) {
      this.#isLimited = true;
      this.#rate = lineRate;
      this.#alpha = 1;
    }
    this.#target = this.#rate;
    this.#rate = Math.max(minRate, this.#rate * (1 - this.#alpha / 2));
    this.#alpha = (1 - gain) * this.#alpha + gain;
    this.#alphaDue = now + alphaTime;
    this.#increaseDue = now + increaseTime;
    this.#bytes = this.#timeSteps = this.#byteSteps = 0;
  }

  #catchUp(now: Nanos): void {
    const { alphaTime, increaseTime, gain } = this.#parameters;
    if (now >= this.#alphaDue) {
      const periods = Math.floor((now - this.#alphaDue) / alphaTime) + 1;
      this.#alpha *= (1 - gain) ** periods;
      this.#alphaDue += periods * alphaTime;
    }
    // ends after at most as many steps as lead from the least rate to that of the line
    while (this.#isLimited && now >= this.#increaseDue) {
      this.#increaseDue += increaseTime;
      this.#timeSteps++;
      this.#increase();
    }
  }

  #increase(): void {
    const { recoverySteps, additiveRate, hyperRate, lineRate } = this.#parameters;
    const most = Math.max(this.#timeSteps, this.#byteSteps);
    const least = Math.min(this.#timeSteps, this.#byteSteps);
    if (least > recoverySteps) this.#target += hyperRate * (least - recoverySteps);
    else if (most > recoverySteps) this.#target += additiveRate;
    this.#target = Math.min(this.#target, lineRate);
    this.#rate = (this.#rate + this.#target) / 2;
    if (this.#rate < lineRate * ALMOST) return;
    this.#isLimited = false;
    this.#rate = Number.POSITIVE_INFINITY;
  }
}

/** From here on a rate counts as that of the line, which halving steps never reach. */
const ALMOST = 0.999;
