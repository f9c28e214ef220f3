// Runs every test and writes one line of JSON for each. Started by go test.
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { journeys } from "./journeys.mjs";
import { gallery } from "./gallery.mjs";
import { keyboard } from "./keyboard.mjs";
import { states } from "./states.mjs";
import { Stage } from "./stage.mjs";

const settings = JSON.parse(process.argv[2]);
const only = process.argv[3] ?? "";
mkdirSync(settings.out, { recursive: true });
if (settings.docs) mkdirSync(settings.docs, { recursive: true });

const browser = await chromium.launch({
  executablePath: settings.chromium,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
process.on("SIGINT", () => browser.close().finally(() => process.exit(1)));

// Two at a time: a page that waits for a password to be hashed leaves a core to the other.
const tests = [...journeys, ...keyboard, ...gallery, ...states].filter(([name]) => name.includes(only));
const next = async () => {
  for (let test; (test = tests.shift()); ) {
    const [name, act] = test;
    const begin = Date.now();
    const stage = new Stage(browser, settings);
    let error = "";
    try {
      await act(stage);
      error = stage.complaints.join("\n");
    } catch (e) {
      error = [String(e?.stack ?? e), ...stage.complaints].join("\n");
      await stage.keep(name);
    }
    await stage.close();
    console.log(JSON.stringify({ name, error, millis: Date.now() - begin }));
  }
};
await Promise.all([next(), next()]);
await browser.close();
