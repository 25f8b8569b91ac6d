/** Figures for Prometheus over HTTP, on a loopback address only: who reads them is somebody on this machine. */
import { createServer, type Server } from 'node:http';
import { isIP } from 'node:net';
import { VerbsError } from '@verbena/core';

export class MetricsServer {
  /** `HOST:PORT` in use. */
  readonly address: string;
  readonly #server: Server;

  /**
   * @param at - `HOST:PORT` or `PORT`; port 0 lets the system choose
   * @param text - all figures, in the text format of Prometheus
   * @throws VerbsError `EINVAL` not loopback · `EADDRINUSE`
   */
  static async start(at: string, text: () => string): Promise<MetricsServer> {
    const { host, port } = parse(at);
    const server = createServer((request, response) => {
      if (request.method !== 'GET' || request.url !== '/metrics') {
        response.writeHead(404, { connection: 'close' }).end('GET /metrics\n');
        return;
      }
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4', connection: 'close' }).end(text());
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.headersTimeout = TIMEOUT_MS;
    server.requestTimeout = TIMEOUT_MS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const code = error.code === 'EADDRINUSE' ? 'EADDRINUSE' : 'EADDRNOTAVAIL';
        reject(new VerbsError(code, 'metrics', `${at}: ${error.code}`, { try: 'another port' }));
      });
      server.listen(port, host, resolve);
    });
    return new MetricsServer(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    const bound = server.address() as { readonly address: string; readonly port: number };
    this.address = bound.address.includes(':') ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** One metric with its samples. */
export function metricText(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  samples: Iterable<readonly [labels: Readonly<Record<string, string>>, value: number]>,
): string {
  let text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  for (const [labels, value] of samples) {
    const list = Object.entries(labels).map(([label, content]) => `${label}="${escaped(content)}"`);
    text += `${name}${list.length === 0 ? '' : `{${list.join(',')}}`} ${value}\n`;
  }
  return text;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function parse(at: string): { readonly host: string; readonly port: number } {
  const match = /^(?:(.*):)?(\d{1,5})$/.exec(at);
  const host = (match?.[1] ?? '127.0.0.1').replace(/^\[(.*)\]$/, '$1');
  const port = Number(match?.[2] ?? -1);
  const loopback = host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  if (loopback && port >= 0 && port <= 65_535) return { host, port };
  throw new VerbsError('EINVAL', 'metrics', `'${at}' is no loopback address with a port`, {
    try: '127.0.0.1:9477; to let other machines read, put a proxy with access control in front',
  });
}

const MAX_CONNECTIONS = 16;
const TIMEOUT_MS = 5_000;
