/** Numbers as people read them. */

/** Bytes in binary units: `64 MiB`, `1.5 KiB`, `17 B`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || Number.isInteger(value) ? value : value.toFixed(value < 10 ? 2 : 1)} ${UNITS[unit]}`;
}

/** A rate in decimal units, as link speeds are given: `812 MB/s`, `4.21 GB/s`. */
export function rateText(bytesPerSecond: number): string {
  if (!Number.isFinite(bytesPerSecond)) return '-';
  if (bytesPerSecond >= 1e9) return `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;
  if (bytesPerSecond >= 1e6) return `${(bytesPerSecond / 1e6).toFixed(bytesPerSecond >= 1e7 ? 0 : 1)} MB/s`;
  return `${(bytesPerSecond / 1e3).toFixed(1)} kB/s`;
}

/** Seconds: `850 us`, `12.3 ms`, `4.20 s`, `3 min 20 s`. */
export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  if (seconds >= 100) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toFixed(1)} ms`;
  return `${Math.round(seconds * 1e6)} us`;
}

/** Plural by number: `1 packet`, `3 packets`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
