/** A member's connection to the market, by the published contract alone: commands, events, questions. */

import { createHash, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import { connect, nkeyAuthenticator } from "@nats-io/transport-node";
import { Contract, ContractBroken, readJson } from "./contract.js";

const API_PREFIX = "MARKET.API";
const STREAM = "EVENTS";
const REFUSED = "Allmende-Rejected";

const ANSWER_MS = 5_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 20_000;
const PRODUCERS_MAX = 100;

/** The market says no. `rejection` holds the code and a sentence in German and English. */
export class Refused extends Error {
  /**
   * @param {string} name
   * @param {{ code: string, message_en: string }} rejection
   */
  constructor(name, rejection) {
    super(`${name}: ${rejection.message_en} (${rejection.code})`);
    this.rejection = rejection;
  }
}

/**
 * @typedef {object} Received An event from the member's own durable.
 * @property {string} name such as `brokerage.booking.confirmed`
 * @property {string} id
 * @property {object} data
 * @property {boolean} afterGap events before this one are lost; the queries tell what they said
 * @property {() => void} ack to be called when all that follows from the event is done or kept
 */

export class Market {
  #connection;
  #contract;
  #memory;
  #member;
  /** @type {Map<string, { outcomes: string[], resolve: (event: Received) => void }>} */
  #waiting = new Map();
  /** @type {ReadableStreamDefaultController<Received>} */
  #heard;
  #events = new ReadableStream({ start: (controller) => void (this.#heard = controller) });

  /**
   * @param {object} options
   * @param {string} options.url of the hub, such as `nats://127.0.0.1:4222`
   * @param {string} options.member the id under which the register knows the key
   * @param {string} options.keyFile holds the seed of the member's NKey
   * @param {import("./memory.js").Memory} options.memory keeps what was heard last
   * @param {Contract} [options.contract]
   */
  static async connect({ url, member, keyFile, memory, contract }) {
    const seed = (await readFile(keyFile, "utf8")).trim();
    const market = new Market();
    market.#member = member;
    market.#memory = memory;
    market.#contract = contract ?? (await Contract.read());
    market.#connection = await connect({
      servers: url,
      name: `example-${member}`,
      authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)),
      maxReconnectAttempts: -1,
    });
    await market.#listen();
    return market;
  }

  /** Send what is under way and disconnect. */
  async close() {
    await this.#connection.drain();
  }

  // -- commands -----------------------------------------------------------------------------------

  /**
   * Send a command and repeat it until its outcome is known.
   * @param {string} name such as `brokerage.booking.request`
   * @param {object} data
   * @param {string} id makes a repetition harmless, also one by the next process
   * @returns {Promise<Received>} the fact that came of it
   * @throws {Refused}
   */
  async command(name, data, id) {
    const { type, subject, outcomes, check } = this.#contract.command(name);
    const attributes = {
      specversion: "1.0",
      id,
      source: `/members/${this.#member}`,
      type,
      time: new Date().toISOString(),
      datacontenttype: "application/json",
    };
    check({ ...attributes, data });
    const written = JSON.stringify(data);
    const body = `${JSON.stringify(attributes).slice(0, -1)},"data":${written}}`;
    const digest = createHash("sha256").update(written).digest("hex").slice(0, 32);

    const heard = new Promise((resolve) => void this.#waiting.set(id, { outcomes, resolve }));
    const outcome = await this.#repeatUntil(heard, subject, body, `${type}:${id}:${digest}`);
    this.#waiting.delete(id);
    if (outcome.name.endsWith(".rejected")) throw new Refused(name, outcome.data);
    return outcome;
  }

  async #repeatUntil(outcome, subject, body, messageId) {
    let name = messageId;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const stored = await this.#store(subject, body, name);
      // What the stream has it takes no second time, so that a wish to hear the outcome again needs a name of its
      // own. The market decides each id once, whatever the name.
      if (stored) name = `${messageId}:${randomUUID()}`;
      const heard = await Promise.race([outcome, sleep(stored?.duplicate ? 0 : pause, undefined, { ref: false })]);
      if (heard) return heard;
    }
  }

  /** @returns {Promise<{ duplicate?: boolean } | undefined>} nothing if the stream did not take it */
  async #store(subject, body, messageId) {
    try {
      return await jetstream(this.#connection).publish(subject, body, { msgID: messageId, timeout: ANSWER_MS });
    } catch (error) {
      if (this.#connection.isClosed()) throw error;
      return undefined;
    }
  }

  // -- events -------------------------------------------------------------------------------------

  /** All events for this member, in order, each at least once. To be iterated by one loop. */
  events() {
    return this.#events;
  }

  async #listen() {
    const client = jetstream(this.#connection, { apiPrefix: API_PREFIX });
    const consumer = await client.consumers.get(STREAM, `ev_${this.#member}`);
    const messages = await consumer.consume();
    const reading = async () => {
      // An outcome must be heard while whoever iterates the events still waits for it: reading never waits.
      for await (const message of messages) this.#take(message);
    };
    reading().then(
      () => this.#heard.close(),
      (error) => this.#heard.error(error),
    );
  }

  #take(message) {
    let event;
    try {
      event = this.#read(message);
    } catch (error) {
      if (!(error instanceof ContractBroken || error instanceof SyntaxError)) throw error;
      console.error(`${message.subject}: ${error.message}`);
    }
    if (!event) return message.ack(); // of a kind that this contract does not know yet, or broken
    const waiting = this.#waiting.get(event.causationid);
    if (waiting?.outcomes.includes(event.name)) waiting.resolve(event);
    this.#heard.enqueue(event);
  }

  #read(message) {
    const envelope = readJson(message.string());
    const known = this.#contract.event(envelope.type);
    known?.check(envelope);
    const afterGap = this.#isAfterGap(message.subject, envelope);
    const { id, causationid, data } = envelope;
    return known && { name: known.name, id, causationid, data, afterGap, ack: () => message.ack() };
  }

  /** Every producer instance counts what it tells an audience; what it skips is lost. */
  #isAfterGap(subject, { producerinstance, sequence }) {
    const [, audience] = subject.split(".");
    const counter = `${producerinstance} ${audience}`;
    const { [counter]: last, ...others } = this.#memory.get("sequences") ?? {};
    const number = Number(sequence);
    if (last >= number) return false;
    const kept = Object.entries(others).slice(1 - PRODUCERS_MAX);
    this.#memory.set("sequences", Object.fromEntries([...kept, [counter, number]]));
    return last !== undefined && number > last + 1;
  }

  // -- questions ----------------------------------------------------------------------------------

  /**
   * Ask until somebody answers.
   * @param {string} name such as `brokerage.booking.show`
   * @param {object} request
   * @returns {Promise<object>}
   * @throws {Refused}
   */
  async ask(name, request) {
    const { subject, checkRequest, checkReply, checkRefusal } = this.#contract.query(name);
    checkRequest(request);
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const answer = await this.#request(subject, JSON.stringify(request));
      const reply = answer && readJson(answer.string());
      if (answer && !answer.headers?.has(REFUSED)) {
        checkReply(reply);
        return reply;
      }
      if (answer) {
        checkRefusal(reply);
        if (reply.code !== "unavailable") throw new Refused(name, reply);
      }
      await sleep(pause);
    }
  }

  async #request(subject, body) {
    try {
      return await this.#connection.request(subject, body, { timeout: ANSWER_MS });
    } catch (error) {
      if (this.#connection.isClosed()) throw error;
      return undefined;
    }
  }

  /**
   * Walk through all pages of a query.
   * @param {string} name
   * @param {object} request
   * @param {string} field that holds the entries of a page
   */
  async *pages(name, request, field) {
    for (let after; after !== null;) {
      const page = await this.ask(name, { ...request, ...(after === undefined ? {} : { after }) });
      yield* page[field];
      after = page.next_after;
    }
  }
}
