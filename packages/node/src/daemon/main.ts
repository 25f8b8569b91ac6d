/** The program `verbenad`. */
import { parseArgs } from 'node:util';
import { isVerbsError } from '@verbena/core';
import type { LogLevel } from './daemon-log.ts';
import { parseDeviceFlag } from './device-flag.ts';
import { runDaemon } from './run-daemon.ts';

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
const USAGE = `usage: verbenad [FILE] [--device NAME=ADDRESS[,type=T][,port=N][,mtu=N][,gid=ADDRESS:TYPE]]...
                [--socket PATH] [--metrics HOST:PORT] [--log LEVEL] [--ready-fd N]`;

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      device: { type: 'string', multiple: true, short: 'd', default: [] },
      socket: { type: 'string' },
      metrics: { type: 'string' },
      log: { type: 'string' },
      'ready-fd': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || positionals.length > 1) {
    process.stderr.write(`${USAGE}\n`);
    process.exit(values.help ? 0 : 2);
  }
  await runDaemon({
    file: positionals[0],
    devices: values.device.map(parseDeviceFlag),
    socket: values.socket,
    metrics: values.metrics,
    log: levelOf(values.log),
    readyFd: values['ready-fd'] === undefined ? undefined : Number(values['ready-fd']),
  });
  process.exit(0);
} catch (thrown) {
  const usage = (thrown as { code?: unknown }).code;
  if (isVerbsError(thrown)) process.stderr.write(`${thrown.explain()}\n`);
  else if (typeof usage === 'string' && usage.startsWith('ERR_PARSE_ARGS')) {
    process.stderr.write(`verbenad: ${(thrown as Error).message}\n${USAGE}\n`);
    process.exit(2);
  } else process.stderr.write(`verbenad: ${String(thrown)}\n`);
  process.exit(1);
}

function levelOf(text: string | undefined): LogLevel | undefined {
  const known = LEVELS.find((one) => one === text);
  if (known !== undefined || text === undefined) return known;
  process.stderr.write(`verbenad: there is no log level '${text}'; ${LEVELS.join(', ')}\n`);
  process.exit(2);
}
