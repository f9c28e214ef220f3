// What the tests share: browsers that record errors, email, common forms, and the inspection of a page.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import https from "node:https";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const password = "vast otter sings low";
export const otherPassword = "calm heron reads maps";

let addresses = 0;
// Returns an email address that no other call returns.
export const address = (name) => `${name}${++addresses}@example.com`;

export const submit = (page) => page.locator("main button.primary").click();

export const fill = async (page, inputs) => {
  for (const [name, text] of Object.entries(inputs)) await page.locator(`[name="${name}"]`).fill(text);
};

export const signIn = async (page, loginId, password) => {
  await fill(page, { loginId, password });
  await submit(page);
};

export const signUp = async (page, loginId, name = "") => {
  await page.goto("/auth/signup");
  await fill(page, { name, loginId, password });
  await submit(page);
};

export class Harness {
  failures = [];
  contexts = [];
  pages = [];

  constructor(browser, settings) {
    this.browser = browser;
    this.settings = settings;
  }

  // Opens a site in a new browser context with its own cookies and language, with or without JavaScript.
  async open(site, { js = true, lang = "en", ...more } = {}) {
    const context = await this.browser.newContext({
      ignoreHTTPSErrors: true, javaScriptEnabled: js, locale: lang, baseURL: this.settings.sites[site],
      viewport: { width: 1100, height: 860 }, timezoneId: "UTC", colorScheme: "light", ...more,
    });
    context.setDefaultTimeout(10_000);
    this.contexts.push(context);
    const page = await context.newPage();
    this.pages.push(page);
    page.on("pageerror", (e) => this.failures.push(`script: ${e}`));
    page.on("console", (m) => {
      // Chromium also reports the status of an error page to the console.
      const status = /Failed to load resource: the server responded with a status of 4(00|01|03|04|05|09|13|15|29)/;
      if (["error", "warning"].includes(m.type()) && !status.test(m.text())) this.failures.push(`console: ${m.text()} at ${page.url()}`);
    });
    page.on("request", (r) => {
      if (!r.url().startsWith(this.settings.sites[site]) && !r.url().startsWith("data:")) this.failures.push(`foreign request: ${r.url()}`);
    });
    return page;
  }

  async close() {
    for (const context of this.contexts) await context.close();
  }

  // Saves a screenshot of each page of a failed test.
  async saveScreenshots(name) {
    for (const [i, page] of this.pages.entries()) {
      await page.screenshot({ path: join(this.settings.out, `failed-${name.replaceAll(/\W+/g, "-")}-${i}.png`), fullPage: true }).catch(() => {});
    }
  }

  // Sends a request without a browser and returns the body. A status of 300 or more is an error.
  request(site, path, method = "GET", body = "") {
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

  // Waits for an email of a kind and returns the link in the newest one.
  async emailedLink(site, to, kind) {
    return (await this.email(site, to, kind)).link;
  }

  // Waits for an email of a kind and returns link and code of the newest one.
  async email(site, to, kind) {
    for (let i = 0; i < 100; i++) {
      const email = JSON.parse(await this.request(site, `/test/link?to=${encodeURIComponent(to)}&kind=${kind}`));
      if (email.link) return email;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`no email ${kind} to ${to}`);
  }

  // Makes the password of a user expire.
  expirePassword(site, user) {
    return this.request(site, `/test/expire?user=${encodeURIComponent(user)}`, "POST");
  }

  // Makes the store of the site "broken" fail with "down" or "panic", or work again with "".
  breakStore(how) {
    return this.request("broken", `/test/break?how=${how}`, "POST");
  }

  // Signs a user in on one more device, without a browser.
  signInOnDevice(site, loginId) {
    return this.request(site, "/auth/signin", "POST", JSON.stringify({ loginId, password }));
  }

  // Waits for the focus: Chromium sets autofocus when it next paints the page.
  async waitForFocus(page, selector) {
    try {
      await page.locator(`${selector}:focus`).waitFor();
    } catch (err) {
      throw new Error(`the focus is not on ${selector}`, { cause: err });
    }
  }

  // Fails unless got equals want. what names the value.
  equal(got, want, what) {
    if (got !== want) throw new Error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }

  // Fails with what if value is false.
  ok(value, what) {
    if (!value) throw new Error(what);
  }

  // Waits for a heading and checks the path.
  async expectPage(page, path, heading) {
    await page.getByRole("heading", { level: 1, name: heading, exact: true }).waitFor();
    this.equal(new URL(page.url()).pathname, path, "path");
  }

  // Inspects a page, wide and narrow: no violation of WCAG 2.2 AA, and no overflow. A dark page differs from a light one
  // in its colors, so there axe checks the contrast alone.
  async inspect(page, name, { docs = false, schemes = ["light", "dark"], email = false } = {}) {
    const shot = async (file, options) => {
      await page.screenshot({ path: join(this.settings.out, file), ...options });
      if (docs && this.settings.docs) await page.screenshot({ path: join(this.settings.docs, file), ...options });
    };
    // The light one last, so that the page stays light.
    for (const scheme of schemes.toReversed()) {
      await page.emulateMedia({ colorScheme: scheme });
      await this.checkWithAxe(page, `${name} (${scheme})`, email, scheme === "dark" ? ["color-contrast", "link-in-text-block"] : tags);
      await shot(`${name}-${scheme}.png`, { fullPage: true });
    }
    await page.setViewportSize({ width: 320, height: 640 });
    await this.checkWithAxe(page, `${name} (${schemes[0]}, 320 px)`, email);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 320) this.failures.push(`${name}: ${width} px wide on a screen of 320`);
    await this.checkTargets(page, name);
    await shot(`${name}-phone.png`, { fullPage: true });
    // Text of twice the size (WCAG 2.2, 1.4.4).
    await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
    const big = await page.evaluate(() => document.documentElement.scrollWidth <= 320 ? "" : [...document.querySelectorAll("main *, header *")]
      .filter((e) => e.getBoundingClientRect().right > 320 || e.getBoundingClientRect().left < 0).map((e) => e.outerHTML.slice(0, 60)).join(", "));
    if (big) this.failures.push(`${name}: wider than a screen of 320 px with text of 200 %: ${big}`);
    await page.evaluate(() => (document.documentElement.style.fontSize = ""));
    await page.setViewportSize({ width: 1100, height: 860 });
  }

  // Records each violation that axe finds. The landmarks around an email are those of the program that shows it.
  async checkWithAxe(page, name, email = false, rules = tags) {
    const options = { runOnly: rules, resultTypes: ["violations"], rules: email ? { region: { enabled: false }, "landmark-one-main": { enabled: false } } : {} };
    // evaluate does not add a script element, so the page's Content-Security-Policy stays in force.
    if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
    // In a page without JavaScript axe would never end.
    const late = new Promise((_, fail) => setTimeout(fail, 30_000, new Error(`${name}: axe does not end`)).unref());
    const found = await Promise.race([late, page.evaluate((options) => window.axe.run(document, options), options)]);
    for (const v of found.violations) {
      this.failures.push(`${name}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).join("; ")}`);
    }
  }

  // Checks that each target is at least 24 by 24 pixels, or that a circle of 24 pixels around it meets no other target
  // (WCAG 2.2, 2.5.8). Links within a sentence are exempt.
  async checkTargets(page, name) {
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
    for (const e of small) this.failures.push(`${name}: too small to press: ${e}`);
  }
}
