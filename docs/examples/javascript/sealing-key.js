/** Makes a member's key for sealed access data, once, and prints its public half: node sealing-key.js FILE */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { newKey, publicHalf } from "./lib/sealing.js";

const [path] = process.argv.slice(2);
if (!existsSync(path)) writeFileSync(path, newKey(), { mode: 0o600 });
console.log(publicHalf(readFileSync(path, "utf8")));
