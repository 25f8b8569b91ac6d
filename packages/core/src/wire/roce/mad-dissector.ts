/** Management datagrams and the connection manager's messages in them. */
import type { Dissection } from '../dissection.ts';
import { type AnyHeader, byteLength } from '../header.ts';
import {
  CmDrep,
  CmDreq,
  CmMra,
  CmRej,
  CmRep,
  CmReq,
  CmRtu,
  CmSidrRep,
  CmSidrReq,
  IpCmPrivateData,
  isIpServiceId,
} from './cm.ts';
import { CmAttribute, CmMad, MAD_BASE_VERSION, Mad, MadClass } from './mad.ts';

/** A whole datagram. Private data behind the last header that is understood counts as payload. */
export function dissectMad(d: Dissection, at: number, end: number): void {
  const { view } = d;
  const isCm = end - at >= byteLength(Mad) && Mad.managementClass.get(view, at) === MadClass.COMMUNICATION;
  const upper = d.add('MAD', isCm ? CmMad : Mad, at, end);
  if (upper < 0) return;
  const version = Mad.baseVersion.get(view, at);
  if (version !== MAD_BASE_VERSION) d.problem(at, 'MAD.baseVersion', `version ${version} is not known`);
  const message = isCm ? MESSAGES.get(Mad.attributeId.get(view, at)) : undefined;
  if (message === undefined) {
    d.payload(upper, end);
    return;
  }
  const behind = d.add('CM', message, upper, end);
  if (behind < 0) return;
  const serviceId = message === CmReq ? CmReq.serviceId : message === CmSidrReq ? CmSidrReq.serviceId : undefined;
  if (serviceId !== undefined && isIpServiceId(serviceId.hi.get(view, upper), serviceId.lo.get(view, upper))) {
    const last = d.add('CM', IpCmPrivateData, behind, end);
    const family = IpCmPrivateData.ipVersion.get(view, behind);
    if (family !== 4 && family !== 6) d.problem(behind + 1, 'IP CM private data.ipVersion', `is ${family}`);
    d.payload(last, end);
    return;
  }
  d.payload(behind, end);
}

const MESSAGES: ReadonlyMap<number, AnyHeader> = new Map<number, AnyHeader>([
  [CmAttribute.REQ, CmReq],
  [CmAttribute.MRA, CmMra],
  [CmAttribute.REJ, CmRej],
  [CmAttribute.REP, CmRep],
  [CmAttribute.RTU, CmRtu],
  [CmAttribute.DREQ, CmDreq],
  [CmAttribute.DREP, CmDrep],
  [CmAttribute.SIDR_REQ, CmSidrReq],
  [CmAttribute.SIDR_REP, CmSidrRep],
]);
