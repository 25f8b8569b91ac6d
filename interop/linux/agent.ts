/**
 * The program in the guest that runs commands for us, and the lines that it exchanges with the host over one
 * virtio-serial port.
 *
 * ```
 * to the guest     run ID COMMAND       start COMMAND, with /bin/sh, in a process group of its own
 *                  kill ID SIGNAL       signal that group
 * from the guest   0 r ready            the agent listens
 *                  ID o TEXT            a line of output
 *                  ID p TEXT            a piece of a line: more of it follows, or the output ended without a line feed
 *                  ID e STATUS          the command ended, and all its output has been told
 * ```
 *
 * Each line from the guest begins with the command's number, so no output can be taken for anything else, and several
 * commands may speak at once. Output is text: NUL bytes are lost. When the host goes away the guest powers itself off.
 */

/** What one line from the guest tells. */
export type AgentEvent =
  | { readonly kind: 'ready' }
  | { readonly kind: 'output'; readonly id: number; readonly text: string }
  | { readonly kind: 'end'; readonly id: number; readonly status: number };

/** Cuts the byte stream from the guest into events. Lines that make no sense are counted and left out. */
export class AgentReader {
  badLines = 0;
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** Events that `chunk` completes, in order. */
  push(chunk: Uint8Array): AgentEvent[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    const events: AgentEvent[] = [];
    for (const line of lines) {
      const event = parseLine(line);
      if (event === undefined) this.badLines += 1;
      else events.push(event);
    }
    if (this.#rest.length > MAX_LINE) {
      this.#rest = '';
      this.badLines += 1;
    }
    return events;
  }
}

/**
 * The request that runs `command`.
 *
 * @throws RangeError when the command has several lines or is too long for the agent
 */
export function runRequest(id: number, command: string): string {
  if (/[\n\0]/.test(command)) throw new RangeError('a command for the guest is one line; use ; or && between parts');
  if (command.length > MAX_COMMAND) throw new RangeError(`a command for the guest has up to ${MAX_COMMAND} characters`);
  return `run ${id} ${command}\n`;
}

/** The request that sends `signal` (`TERM`, `INT`, `KILL`) to a command and all that it started. */
export function killRequest(id: number, signal: 'TERM' | 'INT' | 'KILL'): string {
  return `kill ${id} ${signal}\n`;
}

function parseLine(line: string): AgentEvent | undefined {
  const match = /^(\d+) ([rope])(?: (.*))?$/s.exec(line);
  if (match === null) return undefined;
  const id = Number(match[1]);
  const text = match[3] ?? '';
  switch (match[2]) {
    case 'r':
      return { kind: 'ready' };
    case 'o':
      return { kind: 'output', id, text: `${text}\n` };
    case 'p':
      return { kind: 'output', id, text };
    default: {
      const status = Number(text);
      return text !== '' && Number.isInteger(status) ? { kind: 'end', id, status } : undefined;
    }
  }
}

const MAX_LINE = 64 << 10;
const MAX_COMMAND = 8000;

/** For busybox's ash. Up to 4096 bytes one `printf` is one write, so lines of two commands do not mix. */
export const AGENT_SCRIPT = `port=/dev/vport0p1
for try in 1 2 3 4 5 6 7 8 9 10; do [ -e $port ] || sleep 0.2; done
exec 3<>$port

pump() {
  while IFS= read -r line; do
    while [ \${#line} -gt 3000 ]; do
      printf '%s p %s\\n' $1 "\${line:0:3000}" >&3
      line="\${line:3000}"
    done
    printf '%s o %s\\n' $1 "$line" >&3
  done
  [ -z "$line" ] || printf '%s p %s\\n' $1 "$line" >&3
}

launch() {
  {
    setsid sh -c 'echo $$ >/run/$0.pid; eval "$1"' $1 "$2" </dev/null 2>&1 3>&-
    echo $? >/run/$1.status
  } | pump $1
  read -r status </run/$1.status
  rm -f /run/$1.pid /run/$1.status
  printf '%s e %s\\n' $1 $status >&3
}

printf '0 r ready\\n' >&3
while read -r verb id command; do
  case $verb in
    run) launch $id "$command" 3>&3 & ;;
    kill) [ -e /run/$id.pid ] && kill -$command -- -$(cat /run/$id.pid) ;;
  esac
done <&3
`;
