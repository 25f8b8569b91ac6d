/** A daemon's figures in the text format of Prometheus. */
import type { Daemon } from './daemon.ts';
import { metricText } from './metrics-server.ts';

export function daemonMetrics(daemon: Daemon): string {
  const { counters, clients, system, mapped } = daemon;
  const devices = [...system.devices.values()];
  const events = Object.entries(counters as unknown as Record<string, number>);
  const text = [
    metricText('verbena_connections', 'gauge', 'connections open now', [[{}, clients.size]]),
    metricText('verbena_devices', 'gauge', 'devices registered now', [[{}, devices.length]]),
    metricText('verbena_mapped_files', 'gauge', 'memory files of clients mapped now', [[{}, mapped.mappings]]),
    metricText('verbena_mapped_bytes', 'gauge', 'their bytes', [[{}, mapped.bytes]]),
    metricText('verbena_resident_bytes', 'gauge', 'memory of the daemon', [[{}, process.memoryUsage.rss()]]),
    metricText('verbena_leaked_objects_total', 'counter', 'objects that a driver refused to end', [
      [{}, system.leaked],
    ]),
    metricText(
      'verbena_daemon_total',
      'counter',
      'what the daemon counted, by event',
      events.map(([event, value]) => [{ event }, value] as const),
    ),
    metricText(
      'verbena_device_total',
      'counter',
      'what devices counted, by counter',
      devices.flatMap(({ name, driver }) =>
        Object.entries(driver.counters?.() ?? {}).map(
          ([counter, value]) => [{ device: name, counter }, value] as const,
        ),
      ),
    ),
    metricText(
      'verbena_objects',
      'gauge',
      'live objects, by device and kind',
      devices.flatMap((device) =>
        Object.entries(device.census()).map(([kind, value]) => [{ device: device.name, kind }, value] as const),
      ),
    ),
  ];
  return text.join('');
}
