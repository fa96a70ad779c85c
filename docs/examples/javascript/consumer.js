/** A consumer's system: books a service, lives with it, gives notice. Killed at any point and started again, it goes on. */

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { deriveId } from "./lib/ids.js";
import { Market } from "./lib/market.js";
import { Memory } from "./lib/memory.js";
import { open } from "./lib/sealing.js";

const { values: options } = parseArgs({
  options: {
    url: { type: "string", default: "nats://127.0.0.1:4222" },
    member: { type: "string" },
    key: { type: "string" },
    "sealing-key": { type: "string" },
    memory: { type: "string", default: "consumer.memory.json" },
    keyword: { type: "string", default: "Fachverfahren" },
    quantity: { type: "string", multiple: true, default: ["vcpu=4", "storage_tb=1.5"] },
    "later-quantity": { type: "string", multiple: true, default: ["vcpu=6", "storage_tb=1.5"] },
    start: { type: "string", default: berlinDay(new Date()) },
  },
});
const QUESTION = "Können wir am Wochenende umziehen?";
const OVER = ["rejected", "cancelled", "failed", "terminated"];

const sealingKey = await readFile(options["sealing-key"], "utf8");
const memory = new Memory(options.memory);
const market = await Market.connect({ url: options.url, member: options.member, keyFile: options.key, memory });
const bookingId = memory.once("booking", randomUUID);

let news = nextNews();
const listening = listen();
listening.catch(fail);
await live().catch(fail);
await market.close();

async function live() {
  const offering = await find(options.keyword);
  console.log(`found ${offering.offering_id}: ${offering.title}`);
  for (const { title, price, unit } of offering.plans[0].tariffs.at(-1).components) {
    console.log(`  ${title}: ${price.amount} EUR per ${unit}`);
  }

  const wanted = memory.once("order", () => ({
    offering_id: offering.offering_id,
    plan_id: offering.plans[0].plan_id,
    pool_id: offering.plans[0].pools[0].pool_id,
    quantities: quantities(options.quantity),
    start: options.start,
    reference: "Fachverfahren Meldewesen",
  }));
  await market.command("brokerage.booking.request", wanted, bookingId);
  console.log(`booked ${bookingId}`);

  await act("brokerage.booking.write", { text: QUESTION }, ({ messages }) => messages.length > 0);
  const answered = await until("answered", ({ messages }) => messages.at(-1).written_by === "provider");
  console.log(`answered: ${answered.messages.at(-1).text}`);

  const active = await until("active", happened(["active"]));
  for (const { milestone } of active.changes) if (milestone) console.log(`milestone ${milestone}`);
  // Kept, since the story tells how things stand and not how they stood before a later change.
  expectEqual(
    memory.once("delivered", () => active.booking.quantities),
    wanted.quantities,
  );
  console.log("active");

  await until("access shared", () => memory.get("access"));
  const { host, user } = JSON.parse(open(memory.get("access").sealed, sealingKey));
  console.log(`access data opened: ${user}@${host}`);

  // The market's day counts: it is that of the last change, whatever the clock here says.
  const change = memory.once("change", () => ({
    effective_on: berlinDay(new Date(active.changes.at(-1).changed_at)),
    quantities: quantities(options["later-quantity"]),
  }));
  await act("brokerage.booking.amend", change, happened(["amend"]));
  const amended = await until("amended", happened(["active", "decline", "failed", "lapse"], "amend"));
  expectEqual(amended.booking.quantities, change.quantities);
  console.log(`amended to ${options["later-quantity"].join(", ")}`);

  await act("brokerage.booking.terminate", {}, happened(["terminate"]));
  const noticed = await until("noticed", happened(["terminate"]));
  console.log(`notice given, the last day is ${noticed.booking.end}`);

  await until("terminated", ({ booking }) => booking.instance === "terminated");
  console.log("terminated");
}

/** Tell whether one of some triggers has moved the booking, perhaps only after another trigger. */
function happened(triggers, after) {
  return ({ changes }) => {
    const since = after ? changes.findIndex(({ trigger }) => trigger === after) + 1 : 0;
    return changes.slice(since).some(({ trigger }) => triggers.includes(trigger));
  };
}

/** Look through the catalogue for what can be booked. */
async function find(keyword) {
  for await (const { offering, state } of market.pages("catalog.offering.list", { category: "hosting" }, "offerings")) {
    if (state === "published" && offering.keywords.includes(keyword)) return offering;
  }
  throw new Error(`the catalogue has nothing about ${keyword}`);
}

/** Send a command about the booking unless its story says that it was done before. */
async function act(command, data, isDone) {
  if (isDone(await story())) return;
  await market.command(command, { booking_id: bookingId, ...data }, deriveId(bookingId, command));
}

/** Wait until the story of the booking fulfils a condition. */
async function until(what, condition) {
  for (;;) {
    const heard = news.promise;
    const told = await story();
    if (condition(told)) return told;
    const { state, instance } = told.booking;
    if (OVER.includes(state) || OVER.includes(instance)) throw new Error(`${state} before it was ${what}`);
    if (state === "offered") {
      await act("brokerage.booking.accept", {}, ({ booking }) => booking.state !== "offered");
    } else {
      await heard;
    }
  }
}

function story() {
  return market.ask("brokerage.booking.show", { booking_id: bookingId });
}

/** Take in events: keep what no query tells, and wake whoever waits for a change. */
async function listen() {
  for await (const event of market.events()) {
    if (event.name === "brokerage.access.shared" && event.data.booking_id === bookingId) {
      memory.set("access", event.data);
    }
    event.ack();
    const { wake } = news;
    news = nextNews();
    wake();
  }
}

function nextNews() {
  let wake;
  const promise = new Promise((resolve) => void (wake = resolve));
  return { promise, wake };
}

/** Quantities stay text: a number would round what the tariff is applied to. */
function quantities(pairs) {
  return Object.fromEntries(pairs.map((pair) => pair.split("=")));
}

function expectEqual(found, wanted) {
  for (const [name, amount] of Object.entries(wanted)) {
    if (found[name] !== amount) throw new Error(`${name} is ${found[name]}, not ${amount}`);
  }
}

/** The calendar day in Europe/Berlin, as the market counts days. */
function berlinDay(moment) {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: "Europe/Berlin" }).format(moment);
}

function fail(error) {
  console.error(error.message);
  process.exit(1);
}
