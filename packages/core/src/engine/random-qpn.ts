/**
 * A free queue pair number by chance, for transports that can use any of the form resource index (23..12), PID (11..0).
 *
 * @param used - whether a number is taken
 * @param pid - PID of the protection domain, where it has one
 * @returns -1 when none was found
 */
export function randomQpn(used: (qpn: number) => boolean, random: () => number, pid: number | undefined): number {
  const some = () => 1 + Math.floor(random() * 0xffe);
  for (let tries = 0; tries < 10_000; tries++) {
    const low = pid ?? some();
    const qpn = (some() << 12) | low;
    if (!used(qpn)) return qpn;
  }
  return -1;
}
