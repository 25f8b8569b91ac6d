/** Sections K to N: namespaces, limits, management, unusual devices and availability. */
import { could, must, type RequirementSection, should } from './requirement.ts';

export const MANAGEMENT_REQUIREMENTS: readonly RequirementSection[] = [
  {
    letter: 'K',
    title: 'Namespaces and resource groups',
    requirements: [
      must('R146', 'Devices belong to a network namespace and are seen according to a mode.'),
      could('R147', 'Moving a device to another namespace is an unplug and a plug, with rights in both.'),
      could('R148', 'Switching the mode is refused as long as there is a second namespace.'),
      could('R149', 'In exclusive mode each namespace has its own device names.'),
      could('R150', 'Jobs, contexts and listings stay within their namespace.'),
      must('R151', 'Resource groups limit what programs take from devices that they share.'),
      could('R152', 'Limits are coarse; a charge stays with the group that created the object.'),
      could('R153', 'Groups remember their peak and signal when a limit was met.'),
      could('R154', 'A group can limit the memory that its members register.'),
      could('R155', 'Creating a job or a job key is charged as with any object.'),
    ],
  },
  {
    letter: 'L',
    title: 'Inspection and management',
    requirements: [
      must('R156', 'The management interface belongs to the core, has a version and favours no driver.'),
      should('R157', 'User objects come from the object API only; management configures and inspects.'),
      should('R158', 'Management is described by data; it explains its errors, and listings take filters.'),
      should('R159', 'Devices, ports, contexts and resources are listed with the program that owns them.'),
      should('R160', 'Changing needs an administrative right; reading does not.'),
      could('R161', 'A monitor streams registering, removing, renaming and changes of interfaces.'),
      could('R162', 'A listing never shows an object that is half destroyed.'),
      could('R163', 'Owners outside the process namespace of a reader stay hidden.'),
      could('R164', 'Drivers add typed names and values that generic tools can print.'),
      could('R165', 'Devices, ports and queue pairs have counters whose totals outlive their objects.'),
      should('R166', 'A long listing comes in parts and survives changes between them.'),
      should('R167', 'Management traffic can be watched while it happens.'),
    ],
  },
  {
    letter: 'M',
    title: 'Unusual devices and other libraries',
    requirements: [
      must('R168', 'A second user library can stand directly on the core.'),
      must('R169', 'A device like EFA fits: a queue kind of its own, private data, unusual keys.'),
      must('R170', 'A device like those of Habana fits: no domain, no region, one user, private queues.'),
      must('R171', 'A device like mlx5 fits: a great number of private objects, commands passed to firmware.'),
      should('R172', 'For each device it is written what takes the part of domain, queue pair and region.'),
      should('R173', 'Programs written for an earlier library keep working; additions are separate calls.'),
      could('R174', 'A device may have both the small standard interface and a private fast path.'),
      could('R175', 'Accepting a driver takes a user half, a ping-pong and the conformance suite.'),
      could('R176', 'Private device files of older drivers can be replaced by driver objects.', {
        reason: 'no shipped device has a private file to replace; driver objects themselves are R071',
      }),
    ],
  },
  {
    letter: 'N',
    title: 'High availability',
    requirements: [
      must('R177', 'Removal, reset and restart of a driver work under load and leak nothing.'),
      could('R178', 'A driver can be replaced while contexts are open; old ones are dead, new ones work.'),
      could('R179', 'Failing and returning ports and changed addresses are reported as events.', {
        limits: 'drivers raise them; sockets have no link state, so software devices never do by themselves',
      }),
      could('R180', 'Nothing remains of a process that was killed.'),
    ],
  },
];
