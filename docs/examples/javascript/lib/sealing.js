/** Access data that only the consumer can open: libsodium's sealed boxes, keys and boxes in base64. */

import sodium from "libsodium-wrappers";

await sodium.ready;

const toBase64 = (bytes) => sodium.to_base64(bytes, sodium.base64_variants.ORIGINAL);
const fromBase64 = (text) => sodium.from_base64(text, sodium.base64_variants.ORIGINAL);

/** @returns {string} a new private key */
export function newKey() {
  return toBase64(sodium.crypto_box_keypair().privateKey);
}

/**
 * @param {string} key the private half
 * @returns {string} the public half, for the register of members
 */
export function publicHalf(key) {
  return toBase64(sodium.crypto_scalarmult_base(fromBase64(key)));
}

/**
 * @param {string} text
 * @param {string} publicKey
 * @returns {string}
 */
export function seal(text, publicKey) {
  return toBase64(sodium.crypto_box_seal(text, fromBase64(publicKey)));
}

/**
 * @param {string} sealed
 * @param {string} key the private half
 * @returns {string}
 */
export function open(sealed, key) {
  const publicKey = sodium.crypto_scalarmult_base(fromBase64(key));
  return sodium.to_string(sodium.crypto_box_seal_open(fromBase64(sealed), publicKey, fromBase64(key)));
}
