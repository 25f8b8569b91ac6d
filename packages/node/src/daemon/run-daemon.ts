/** Runs a daemon in the foreground until it is told to stop: the program `verbenad`, and `verbena up`. */
import { closeSync, writeSync } from 'node:fs';
import { socketPathFromEnvironment } from '../ipc/socket-path.ts';
import { loadLibc, requireLibc } from '../memory/libc.ts';
import { type DaemonConfig, type DeviceSpec, readConfig } from './config.ts';
import { Daemon } from './daemon.ts';
import { daemonLog, type LogLevel } from './daemon-log.ts';
import { harden } from './hardening.ts';

/** What stands on the command line; it goes before the file, and its devices are added to those of the file. */
export interface RunOptions {
  /** Configuration file. */
  readonly file?: string | undefined;
  readonly devices?: readonly DeviceSpec[] | undefined;
  readonly socket?: string | undefined;
  readonly metrics?: string | undefined;
  readonly log?: LogLevel | undefined;
  /** Descriptor that gets `ready PATH` and is closed then. Default: a line on standard output. */
  readonly readyFd?: number | undefined;
  /** Told when the daemon is ready, instead of writing a line. */
  readonly onReady?: (daemon: Daemon) => void;
}

/**
 * Runs until SIGTERM or SIGINT, and closes in order; a second signal ends the process at once.
 *
 * @throws VerbsError what starting says
 */
export async function runDaemon(options: RunOptions): Promise<void> {
  const config: DaemonConfig = options.file === undefined ? {} : await readConfig(options.file);
  const log = daemonLog(options.log ?? config.log ?? 'info');
  const libc = requireLibc(await loadLibc(), 'verbenad');
  let daemon: Daemon | undefined;
  harden(libc, () => log.info({ clients: daemon?.clients.size, ...daemon?.counters }, 'status'));
  const stopped = new Promise<void>((resolve) => {
    let asked = false;
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.on(name, () => {
        if (asked) process.exit(SECOND_SIGNAL);
        asked = true;
        resolve();
      });
    }
  });
  daemon = await Daemon.start({
    ...given({
      socket: options.socket ?? config.socket ?? socketPathFromEnvironment(),
      metrics: options.metrics ?? config.metrics,
      keys: config.keys,
      limits: config.limits === undefined ? undefined : given(config.limits),
    }),
    mode: config.mode === '0660' ? 0o660 : 0o600,
    devices: [...(config.devices ?? []), ...(options.devices ?? [])],
    log,
  });
  if (options.onReady !== undefined) options.onReady(daemon);
  else tell(`ready ${daemon.socket}\n`, options.readyFd);
  await stopped;
  await daemon.close();
}

function tell(line: string, fd: number | undefined): void {
  try {
    writeSync(fd ?? 1, line);
  } catch {
    // nobody reads it
  }
  if (fd !== undefined && fd > 2) closeSync(fd);
}

/** An object without the members that are undefined. */
function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

const SECOND_SIGNAL = 130;
