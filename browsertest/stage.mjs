// What tests share: browsers, what counts as an error in one, mail, and a close look at a page.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import https from "node:https";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const password = "vast otter sings low";
export const another = "calm heron reads maps";

let people = 0;
// An address that nobody else in the run has.
export const address = (name) => `${name}${++people}@example.com`;

export class Stage {
  complaints = [];
  contexts = [];
  pages = [];

  constructor(browser, settings) {
    this.browser = browser;
    this.settings = settings;
  }

  // A browser of its own on a site: cookies, language, JavaScript or none.
  async visit(site, { js = true, lang = "en", ...more } = {}) {
    const context = await this.browser.newContext({
      ignoreHTTPSErrors: true, javaScriptEnabled: js, locale: lang, baseURL: this.settings.sites[site],
      viewport: { width: 1100, height: 860 }, timezoneId: "UTC", colorScheme: "light", ...more,
    });
    context.setDefaultTimeout(10_000);
    this.contexts.push(context);
    const page = await context.newPage();
    this.pages.push(page);
    page.on("pageerror", (e) => this.complaints.push(`script: ${e}`));
    page.on("console", (m) => {
      // A page that says what went wrong has a status of 400 and more, which the console tells too.
      const status = /Failed to load resource: the server responded with a status of 4(00|01|03|04|05|09|13|15|29)/;
      if (["error", "warning"].includes(m.type()) && !status.test(m.text())) this.complaints.push(`console: ${m.text()} at ${page.url()}`);
    });
    page.on("request", (r) => {
      if (!r.url().startsWith(this.settings.sites[site]) && !r.url().startsWith("data:")) this.complaints.push(`foreign request: ${r.url()}`);
    });
    return page;
  }

  async close() {
    for (const context of this.contexts) await context.close();
  }

  // Keeps how a failed test looks.
  async keep(name) {
    for (const [i, page] of this.pages.entries()) {
      await page.screenshot({ path: join(this.settings.out, `failed-${name.replaceAll(/\W+/g, "-")}-${i}.png`), fullPage: true }).catch(() => {});
    }
  }

  test(site, path, method = "GET") {
    return new Promise((done, fail) => {
      const request = https.request(this.settings.sites[site] + path, { method, rejectUnauthorized: false }, (answer) => {
        let body = "";
        answer.on("data", (part) => (body += part));
        answer.on("end", () => (answer.statusCode === 200 ? done(body) : fail(new Error(`${path}: ${answer.statusCode} ${body}`))));
      });
      request.on("error", fail);
      request.end();
    });
  }

  // The link in the newest mail of that kind, once it is there.
  async link(site, to, kind) {
    for (let i = 0; i < 100; i++) {
      const { link } = JSON.parse(await this.test(site, `/test/link?to=${encodeURIComponent(to)}&kind=${kind}`));
      if (link) return link;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`no mail ${kind} to ${to}`);
  }

  expire(site, user) {
    return this.test(site, `/test/expire?user=${encodeURIComponent(user)}`, "POST");
  }

  equal(got, want, what) {
    if (got !== want) throw new Error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }

  ok(value, what) {
    if (!value) throw new Error(what);
  }

  // Fails unless the page is at that path and has that heading.
  async at(page, path, heading) {
    await page.getByRole("heading", { level: 1, name: heading, exact: true }).waitFor();
    this.equal(new URL(page.url()).pathname, path, "path");
  }

  // Looks at a page in light and dark, wide and narrow: no violation of WCAG 2.2 AA, nothing that overflows.
  async look(page, name, { docs = false, schemes = ["light", "dark"] } = {}) {
    const shot = async (file, options) => {
      await page.screenshot({ path: join(this.settings.out, file), ...options });
      if (docs && this.settings.docs) await page.screenshot({ path: join(this.settings.docs, file), ...options });
    };
    for (const scheme of schemes) {
      await page.emulateMedia({ colorScheme: scheme });
      await this.axe(page, `${name} (${scheme})`);
      await shot(`${name}-${scheme}.png`, { fullPage: true });
    }
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 320, height: 640 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 320) this.complaints.push(`${name}: ${width} px wide on a screen of 320`);
    await this.targets(page, name);
    await shot(`${name}-phone.png`, { fullPage: true });
    // Text twice as big (WCAG 2.2, 1.4.4).
    await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
    const big = await page.evaluate(() => document.documentElement.scrollWidth <= 320 ? "" : [...document.querySelectorAll("main *, header *")]
      .filter((e) => e.getBoundingClientRect().right > 320 || e.getBoundingClientRect().left < 0).map((e) => e.outerHTML.slice(0, 60)).join(", "));
    if (big) this.complaints.push(`${name}: wider than a screen of 320 px with text of 200 %: ${big}`);
    await page.evaluate(() => (document.documentElement.style.fontSize = ""));
    await page.setViewportSize({ width: 1100, height: 860 });
  }

  async axe(page, name) {
    // Not a script of the page, so its policy stays as it is.
    if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
    const found = await page.evaluate((tags) => window.axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), tags);
    for (const v of found.violations) {
      this.complaints.push(`${name}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).join("; ")}`);
    }
  }

  // Everything to press is 24 pixels high at least (WCAG 2.2, 2.5.8), but for links within a sentence.
  async targets(page, name) {
    const small = await page.evaluate(() => [...document.querySelectorAll("button, .button, input:not([type=hidden]):not(.unseen)")]
      .filter((e) => e.offsetParent && (e.getBoundingClientRect().height < 24 || e.getBoundingClientRect().width < 24))
      .map((e) => e.outerHTML.slice(0, 80)));
    for (const e of small) this.complaints.push(`${name}: too small to press: ${e}`);
  }
}
