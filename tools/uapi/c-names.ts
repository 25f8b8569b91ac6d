/** How things of the schema are called in C. */
import type { ObjectSchema } from '@verbena/core/uapi';

/** `sendCq` and `QP` as `SEND_CQ` and `QP`. */
export const constantName = (name: string): string =>
  name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9]/g, '_')
    .toUpperCase();

/** `SendEntry` and `remoteLo` as `send_entry` and `remote_lo`. */
export const memberName = (name: string): string => constantName(name).toLowerCase();

export const objectName = (of: ObjectSchema): string => `VB_OBJECT_${constantName(of.name)}`;
export const methodName = (of: ObjectSchema, method: string): string =>
  `VB_${constantName(of.name)}_${constantName(method)}`;
export const attributeName = (of: ObjectSchema, method: string, attribute: string): string =>
  `${methodName(of, method)}__${constantName(attribute)}`;
export const valueName = (of: ObjectSchema, method: string, attribute: string, value: string): string =>
  `${attributeName(of, method, attribute)}__${constantName(value)}`;
