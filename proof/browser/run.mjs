// Runs every test and prints one line of JSON for each. go test starts it.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { forms } from "./forms.mjs";
import { gallery } from "./gallery.mjs";
import { history } from "./history.mjs";
import { keyboard } from "./keyboard.mjs";
import { lifecycle } from "./lifecycle.mjs";
import { states } from "./states.mjs";
import { Harness } from "./harness.mjs";

const settings = JSON.parse(process.argv[2]);
const only = process.argv[3] ?? "";
mkdirSync(settings.out, { recursive: true });
if (settings.docs) mkdirSync(settings.docs, { recursive: true });

const browser = await chromium.launch({
  executablePath: settings.chromium,
  env: { ...process.env, FONTCONFIG_FILE: fileURLToPath(new URL("fonts.conf", import.meta.url)) },
  ignoreDefaultArgs: ["--disable-back-forward-cache"], // the browsers of users keep whole pages for the back button
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
process.on("SIGINT", () => browser.close().finally(() => process.exit(1)));

// Two at a time: while one waits for a password hash, the other has a core.
const tests = [...history, ...lifecycle, ...forms, ...keyboard, ...gallery, ...states].filter(([name]) => name.includes(only));
const next = async () => {
  for (let test; (test = tests.shift()); ) {
    const [name, act] = test;
    const begin = Date.now();
    const harness = new Harness(browser, settings);
    let error = "";
    try {
      await act(harness);
      error = harness.failures.join("\n");
    } catch (e) {
      error = [String(e?.stack ?? e), ...harness.failures].join("\n");
      await harness.saveScreenshots(name);
    }
    await harness.close();
    console.log(JSON.stringify({ name, error, millis: Date.now() - begin }));
  }
};
await Promise.all([next(), next()]);
await browser.close();
