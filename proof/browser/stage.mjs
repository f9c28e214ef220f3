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

  test(site, path, method = "GET", body = "") {
    return new Promise((done, fail) => {
      const headers = body ? { "Content-Type": "application/json" } : {};
      const request = https.request(this.settings.sites[site] + path, { method, headers, rejectUnauthorized: false }, (answer) => {
        let text = "";
        answer.on("data", (part) => (text += part));
        answer.on("end", () => (answer.statusCode < 300 ? done(text) : fail(new Error(`${path}: ${answer.statusCode} ${text}`))));
      });
      request.on("error", fail);
      request.end(body);
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

  // Makes the store of the site "broken" fail: "down", "panic", or "" for no more.
  break(how) {
    return this.test("broken", `/test/break?how=${how}`, "POST");
  }

  // One more device of somebody, without a browser.
  device(site, loginId) {
    return this.test(site, "/auth/signin", "POST", JSON.stringify({ loginId, password }));
  }

  // A page that is there has its autofocus only when Chromium next draws it.
  async focused(page, selector) {
    try {
      await page.locator(`${selector}:focus`).waitFor();
    } catch (err) {
      throw new Error(`the focus is not on ${selector}`, { cause: err });
    }
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
    // The other way round, so that the last is light, and the scheme changes once less.
    await page.setViewportSize({ width: 320, height: 640 });
    for (const scheme of schemes.toReversed()) {
      await page.emulateMedia({ colorScheme: scheme });
      await this.axe(page, `${name} (${scheme}, 320 px)`);
    }
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
    // In a browser without scripts axe would never end.
    const late = new Promise((_, fail) => setTimeout(fail, 30_000, new Error(`${name}: axe does not end`)).unref());
    const found = await Promise.race([late, page.evaluate((tags) => window.axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), tags)]);
    for (const v of found.violations) {
      this.complaints.push(`${name}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).join("; ")}`);
    }
  }

  // Everything to press is 24 pixels high and wide at least, or so far from the next that a circle of that size around
  // it meets nothing else to press (WCAG 2.2, 2.5.8), but for links within a sentence.
  async targets(page, name) {
    const small = await page.evaluate(() => {
      const inSentence = (e) => e.matches("a:not(.button)") && e.closest("p, li, dd, label")?.textContent.trim() !== e.textContent.trim() && getComputedStyle(e).display === "inline";
      const all = [...document.querySelectorAll("a[href], button, input:not([type=hidden]):not(.unseen), select, summary")].filter((e) => e.offsetParent);
      const box = (e) => e.getBoundingClientRect();
      const isSmall = (e) => box(e).height < 24 || box(e).width < 24;
      const near = (e) => {
        const a = box(e), x = a.x + a.width / 2, y = a.y + a.height / 2;
        return all.some((other) => {
          if (other === e || other.contains(e) || e.contains(other)) return false;
          const b = box(other);
          const far = isSmall(other)
            ? Math.hypot(b.x + b.width / 2 - x, b.y + b.height / 2 - y) >= 24
            : Math.hypot(Math.max(b.left - x, 0, x - b.right), Math.max(b.top - y, 0, y - b.bottom)) >= 12;
          return !far;
        });
      };
      return all.filter((e) => isSmall(e) && !inSentence(e) && near(e)).map((e) => `${e.outerHTML.slice(0, 80)} of ${Math.round(box(e).width)} × ${Math.round(box(e).height)} px`);
    });
    for (const e of small) this.complaints.push(`${name}: too small to press: ${e}`);
  }
}
