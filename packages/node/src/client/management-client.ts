/** A connection to a daemon for tools: calls that need no device. */
import { decodeAnswer, encodeRequest, type Message, UAPI } from '@verbena/core';
import { defaultSocketPath, socketPathFromEnvironment } from '../ipc/socket-path.ts';
import { loadLibcNow } from '../memory/libc.ts';
import { addressTable } from './address-table.ts';
import { DaemonPort } from './daemon-port.ts';

export interface ManagementConnection {
  /** Serves one request; what is wrong stands in the answer. @throws VerbsError EIO nobody answers */
  invoke(message: Message): Message;
  /** Resolves when a number is woken, or after `timeoutNs`. @throws VerbsError EIO the daemon is gone */
  wait(wake: number, timeoutNs: number): Promise<void>;
  close(): void;
}

/**
 * Connects to a daemon.
 *
 * @param path - of its socket; without it `VERBENA_SOCKET`, then the usual place
 * @throws VerbsError what connecting says
 */
export function connectManagement(path?: string): ManagementConnection {
  return DaemonPort.connect(loadLibcNow(), path ?? socketPathFromEnvironment() ?? defaultSocketPath());
}

/** The daemon's socket that the environment names; undefined where programs open devices of their own. */
export function daemonSocket(): string | undefined {
  return socketPathFromEnvironment();
}

export interface DaemonDevice {
  readonly name: string;
  readonly transports: readonly string[];
  /** As text, in the order of its address table. */
  readonly addresses: readonly string[];
}

/** The devices of a daemon. @throws VerbsError what connecting says */
export function daemonDevices(path?: string): DaemonDevice[] {
  const connection = connectManagement(path);
  try {
    const { LIST } = UAPI.DEVICE.methods;
    const request = { bytes: encodeRequest(UAPI.DEVICE, LIST, {}), attachments: [] };
    return decodeAnswer(LIST, connection.invoke(request).bytes).devices.map(({ name, transports }) => ({
      name: String(name),
      transports: (transports as readonly string[] | undefined) ?? [],
      addresses: addressTable(connection, String(name)).map(({ gid }) => String(gid)),
    }));
  } finally {
    connection.close();
  }
}
