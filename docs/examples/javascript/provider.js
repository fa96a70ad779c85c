/** A provider's system: publishes an offering and answers its bookings, for ever. Started again, it goes on. */

import { randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { deriveId } from "./lib/ids.js";
import { Market, Refused } from "./lib/market.js";
import { Memory } from "./lib/memory.js";
import { seal } from "./lib/sealing.js";

const { values: options } = parseArgs({
  options: {
    url: { type: "string", default: "nats://127.0.0.1:4222" },
    member: { type: "string" },
    key: { type: "string" },
    memory: { type: "string", default: "provider.memory.json" },
    offering: { type: "string", default: fileURLToPath(new URL("offering.json", import.meta.url)) },
  },
});

const QUOTED_MAX = 500;

/** What setting a service up takes here, in this order. */
const SETTING_UP = [
  { step: "accepted" },
  { step: "milestone", milestone: "prepared" },
  { step: "milestone", milestone: "moved" },
  { step: "active" },
];

const offering = JSON.parse(await readFile(options.offering, "utf8"));
const memory = new Memory(options.memory);
const market = await Market.connect({ url: options.url, member: options.member, keyFile: options.key, memory });

// The catalogue gives an unchanged document no new revision, so that every start may publish it.
const { data: published } = await market.command("catalog.offering.publish", { offering }, randomUUID());
console.log(`${offering.offering_id} is published as revision ${published.revision}`);

await catchUp();
for await (const event of market.events()) {
  if (event.afterGap) {
    console.log("events were lost; asking what has been waiting");
    await catchUp();
  }
  if (event.data.booking_id && event.data.provider === options.member) await attend(event.data.booking_id);
  event.ack();
}

/** Attend to whatever has been waiting while nobody was here to hear of it. */
async function catchUp() {
  const waiting = { side: "provider", waiting_for_me: true };
  for await (const { booking_id } of market.pages("brokerage.booking.list", waiting, "bookings")) {
    await attend(booking_id);
  }
}

/**
 * Do all that is to be done about a booking now. Events say that something happened, the story says how things
 * stand: an event that comes late, twice or never changes nothing.
 */
async function attend(bookingId) {
  try {
    for (;;) {
      const story = await market.ask("brokerage.booking.show", { booking_id: bookingId });
      const next = story.booking.offering_id === offering.offering_id && nextStep(story);
      if (!next) return;
      if (next.data.step === "active" && story.booking.instance === "creating") await shareAccess(story);
      await market.command(next.command, next.data, deriveId(bookingId, next.name));
      console.log(`${bookingId}: ${next.name}`);
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    console.log(`${bookingId}: ${error.message}`); // the other side was faster; what it did comes as an event
  }
}

/**
 * Decide what to do next about a booking, if anything. Its name is the same whenever the decision is: a process
 * that was killed and started again sends the same command with the same id.
 */
function nextStep({ booking, changes, messages }) {
  const { booking_id, state, instance, number } = booking;
  const question = messages.at(-1);
  if (question?.written_by === "consumer") {
    const quoted = [...question.text].slice(0, QUOTED_MAX).join(""); // all of it may leave no room for an answer
    const data = { booking_id, text: `Danke für Ihre Nachricht »${quoted}« – ja, das geht.` };
    return { name: `answer ${question.written_at}`, command: "brokerage.booking.write", data };
  }
  if (booking.waits_for !== "provider") return undefined;
  if (state === "assessing_cancellation") {
    return { name: `concede ${number}`, command: "brokerage.booking.concede", data: { booking_id } };
  }
  const report = (step) => {
    const name = `${step.milestone ?? step.step} ${number}`;
    return { name, command: "brokerage.booking.report", data: { booking_id, ...step } };
  };
  switch (instance) {
    case "creating":
      return report(SETTING_UP.find((step) => !changes.some((change) => isReportOf(change, step))));
    case "updating":
      return report({ step: "active" });
    case "terminating":
      return report({ step: "dismantled" });
    default: // a booking, or the change of one
      return { name: `approve ${number}`, command: "brokerage.booking.approve", data: { booking_id } };
  }
}

function isReportOf(change, { step, milestone }) {
  return change.trigger === step && (change.milestone ?? undefined) === milestone;
}

/** Hand over what only the consumer can open. Every sealing looks different, so that this one is kept. */
async function shareAccess({ booking, consumer_sealing_key: key }) {
  const { booking_id } = booking;
  if (!key) return console.log(`${booking_id}: ${booking.consumer} has registered no key to seal to`);
  const data = memory.once(`access ${booking_id}`, () => {
    const access = { host: "vm-17.example.org", user: "admin", password: randomBytes(18).toString("base64url") };
    return { booking_id, label: "Zugang zur Verwaltung", sealed: seal(JSON.stringify(access), key), sealed_to: key };
  });
  await market.command("brokerage.access.share", data, deriveId(booking_id, "access"));
  console.log(`${booking_id}: access`);
}
