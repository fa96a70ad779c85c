/** The published contract: what may be said, where, and how it looks. Everything is read from `asyncapi.json`. */

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";

export const PUBLISHED = fileURLToPath(new URL("../../../../schemas/generated/asyncapi.json", import.meta.url));

/** A message is not what the contract says. */
export class ContractBroken extends Error {}

/**
 * @typedef {(value: unknown) => void} Check Throws `ContractBroken` unless the value fits its schema.
 */

export class Contract {
  #document;
  #ajv;
  #events;

  /** @param {object} document the AsyncAPI document */
  constructor(document) {
    this.#document = document;
    // Every date and moment carries a pattern beside its format, so formats need no library of their own.
    this.#ajv = new Ajv2020({ validateFormats: false });
    this.#ajv.addKeyword("components"); // no keyword of JSON Schema, but where AsyncAPI keeps the schemas
    this.#ajv.addSchema({ $id: document.id, components: { schemas: document.components.schemas } });
    const received = Object.entries(document.operations).filter(([, { action }]) => action === "receive");
    this.#events = new Map(received.map(([name, operation]) => [this.#message(operation.messages[0]).name, name]));
  }

  /** @param {string} [path] */
  static async read(path = PUBLISHED) {
    return new Contract(JSON.parse(await readFile(path, "utf8")));
  }

  /**
   * @param {string} name such as `brokerage.booking.request`
   * @returns {{ type: string, subject: string, outcomes: string[], check: Check }}
   */
  command(name) {
    const operation = this.#operation(name);
    return {
      type: this.#message(operation.messages[0]).name,
      subject: this.#follow(operation.channel).address,
      outcomes: operation["x-allmende-outcomes"],
      check: this.#check(operation.messages[0]),
    };
  }

  /**
   * @param {string} name such as `brokerage.booking.show`
   * @returns {{ subject: string, checkRequest: Check, checkReply: Check, checkRefusal: Check }}
   */
  query(name) {
    const operation = this.#operation(name);
    const [reply, refusal] = operation.reply.messages;
    return {
      subject: this.#follow(operation.channel).address,
      checkRequest: this.#check(operation.messages[0]),
      checkReply: this.#check(reply),
      checkRefusal: this.#check(refusal),
    };
  }

  /**
   * @param {string} type of a CloudEvent, such as `allmende.brokerage.booking.confirmed.v1`
   * @returns {{ name: string, check: Check } | undefined} nothing for what this contract does not know yet
   */
  event(type) {
    const name = this.#events.get(type);
    return name && { name, check: this.#check(this.#operation(name).messages[0]) };
  }

  #operation(name) {
    const operation = this.#document.operations[name];
    if (!operation) throw new ContractBroken(`there is no ${name}`);
    return operation;
  }

  /** Follow a reference within the document. */
  #follow({ $ref }) {
    return $ref
      .split("/")
      .slice(1)
      .reduce((part, key) => part[key], this.#document);
  }

  #message(reference) {
    return this.#follow(this.#follow(reference));
  }

  #check(reference) {
    const { payload, title } = this.#message(reference);
    return (value) => {
      const validate = this.#ajv.getSchema(this.#document.id + payload.$ref);
      if (!validate(value)) throw new ContractBroken(`${title}: ${this.#ajv.errorsText(validate.errors)}`);
    };
  }
}

/**
 * Read JSON whose numbers are exact. Quantities and prices are text, so numbers are counts and cents; one beyond
 * 2^53 would silently become its neighbour.
 * @param {string} text
 */
export function readJson(text) {
  return JSON.parse(text, (key, value) => {
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER && typeof value === "number") {
      throw new ContractBroken(`${key}: JavaScript cannot hold this number exactly`);
    }
    return value;
  });
}
