/** What a response header says, decoded once into a reused record. @spec uet:ses/2.11 */
export class ResponseFields {
  opcode = 0;
  list = 0;
  code = 0;
  messageId = 0;
  generation = 0;
  jobId = 0;
  modifiedLength = 0;
  /** It is a RESPONSE in its own right, not a default that says nothing about the length. */
  explicit = false;
}
