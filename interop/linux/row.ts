/** Plays one scenario and says how it went. */
import type { CommandResult, Guest, Running } from './guest.ts';
import type { LocalPeer, PeerPlace, StartLocalPeer } from './local-peer.ts';
import type { Scenario } from './scenarios.ts';
import { COMPLAINT } from './tools.ts';

export interface RowResult {
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** One line: why it failed or was skipped. */
  readonly note: string;
  /** For a failed row: all that both sides said. */
  readonly details: string;
}

/** Never throws, and leaves nothing running on either side. Takes a little more than `scenario.timeoutMs` at most. */
export async function playRow(
  scenario: Scenario,
  guest: Guest,
  place: PeerPlace,
  startPeer: StartLocalPeer,
): Promise<RowResult> {
  const play = new Play(scenario, guest, place, startPeer);
  const timer = setTimeout(() => play.giveUp(), scenario.timeoutMs);
  try {
    return await play.run();
  } catch (error) {
    return {
      outcome: 'fail',
      note: (error as Error).message.split('\n')[0] ?? '',
      details: (error as Error).stack ?? '',
    };
  } finally {
    clearTimeout(timer);
    await play.cleanUp();
  }
}

class Play {
  readonly #scenario: Scenario;
  readonly #guest: Guest;
  readonly #place: PeerPlace;
  readonly #startPeer: StartLocalPeer;
  readonly #commands: Running[] = [];
  #peer: LocalPeer | undefined;
  #gaveUp = false;

  constructor(scenario: Scenario, guest: Guest, place: PeerPlace, startPeer: StartLocalPeer) {
    this.#scenario = scenario;
    this.#guest = guest;
    this.#place = place;
    this.#startPeer = startPeer;
  }

  run(): Promise<RowResult> {
    if (this.#scenario.role === 'guest alone') return this.#alone();
    return this.#scenario.role === 'guest client' ? this.#guestIsClient() : this.#guestIsServer();
  }

  /** Kills both sides, so that whatever is awaited ends. */
  giveUp(): void {
    this.#gaveUp = true;
    for (const command of this.#commands) command.kill('KILL');
    void this.#peer?.stop();
  }

  async cleanUp(): Promise<void> {
    for (const command of this.#commands) command.kill('KILL');
    await this.#peer?.stop();
  }

  async #guestIsClient(): Promise<RowResult> {
    const peer = await this.#startPeer(this.#scenario, this.#place);
    if ('skip' in peer) return skip(peer.skip);
    this.#peer = peer;
    const client = this.#start(this.#scenario.tool.client(this.#address(this.#place.own)));
    return this.#judge('client', client, peer);
  }

  async #guestIsServer(): Promise<RowResult> {
    const server = this.#start(this.#scenario.tool.server(this.#address(this.#place.guest)));
    const listens = await this.#listens(server);
    if (listens !== undefined) return listens;
    const peer = await this.#startPeer(this.#scenario, this.#place);
    if ('skip' in peer) return skip(peer.skip);
    this.#peer = peer;
    return this.#judge('server', server, peer);
  }

  async #alone(): Promise<RowResult> {
    const own = this.#address(this.#place.guest);
    const server = this.#start(this.#scenario.tool.server(own));
    const listens = await this.#listens(server);
    if (listens !== undefined) return listens;
    const client = this.#start(this.#scenario.tool.client(own));
    const ended = await client.finished;
    return this.#judge('server', server, {
      finished: Promise.resolve({ ok: this.#flaw('client', ended) === undefined, text: ended.output }),
      stop: () => {},
    });
  }

  async #judge(side: 'client' | 'server', running: Running, peer: LocalPeer): Promise<RowResult> {
    // A side that failed leaves the other one waiting: give that one a moment, then end it.
    const ours = peer.finished.then((ended) => {
      if (!ended.ok) setTimeout(() => running.kill('KILL'), PATIENCE_MS).unref();
      return ended;
    });
    const theirs = running.finished.then((ended) => {
      if (ended.status !== 0) setTimeout(() => void peer.stop(), PATIENCE_MS).unref();
      return ended;
    });
    const [our, their] = await Promise.all([ours, theirs]);
    const flaw = this.#flaw(side, their);
    const details = `guest, ${side}, status ${their.status}:\n${their.output}\nother side:\n${our.text}`;
    if (this.#gaveUp) return { outcome: 'fail', note: `not done after ${this.#scenario.timeoutMs / 1000} s`, details };
    if (flaw !== undefined) return { outcome: 'fail', note: `guest: ${flaw}`, details };
    if (!our.ok) return { outcome: 'fail', note: `other side: ${lastLine(our.text)}`, details };
    return { outcome: 'pass', note: '', details: '' };
  }

  /** What is wrong with the way in which a tool ended. */
  #flaw(side: 'client' | 'server', ended: CommandResult): string | undefined {
    const complaint = ended.output.split('\n').find((line) => COMPLAINT.test(line));
    if (complaint !== undefined) return complaint.trim();
    if (ended.status !== 0) return `status ${ended.status}, ${lastLine(ended.output)}`;
    const proof = this.#scenario.tool.proof[side];
    return proof === undefined || proof.test(ended.output) ? undefined : `its output lacks ${proof}`;
  }

  async #listens(server: Running): Promise<RowResult | undefined> {
    const { meeting } = this.#scenario.tool;
    const inTime =
      meeting.kind === 'tcp'
        ? await this.#guest.waitForListener(meeting.port)
        : await this.#guest.waitForConnectionManager();
    if (inTime) return undefined;
    return { outcome: 'fail', note: "the guest's tool does not listen", details: server.output };
  }

  #start(command: string): Running {
    const running = this.#guest.start(command);
    this.#commands.push(running);
    if (this.#gaveUp) running.kill('KILL');
    return running;
  }

  #address(side: { readonly ipv4: string; readonly ipv6: string }): string {
    return this.#scenario.ipv6 ? side.ipv6 : side.ipv4;
  }
}

function skip(note: string): RowResult {
  return { outcome: 'skip', note, details: '' };
}

function lastLine(text: string): string {
  return (text.trim().split('\n').pop() ?? '').trim() || 'no output';
}

const PATIENCE_MS = 2000;
