import { createHash } from "node:crypto";

/**
 * Derive an id, so that a program that was killed asks for the same again and not for the same twice.
 * @param {string} namespace a UUID, here a booking's
 * @param {string} name of what is done about it
 * @returns {string} a UUID, version 5 (RFC 9562, section 5.5)
 */
export function deriveId(namespace, name) {
  const bytes = createHash("sha1")
    .update(Buffer.from(namespace.replaceAll("-", ""), "hex"))
    .update(name)
    .digest();
  bytes[6] = (bytes[6] & 0x0f) | 0x50;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
