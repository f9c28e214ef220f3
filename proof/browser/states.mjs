// Pages that few people see, looked at as closely as the others: problems of every status, and accounts that are unlike
// most.
import { address, another, password } from "./stage.mjs";

const press = (page) => Promise.all([page.waitForNavigation(), page.locator("main button.primary").click()]);

const signUp = async (page, who, name = "") => {
  await page.goto("/auth/signup");
  if (name) await page.locator("[name=name]").fill(name);
  await page.locator("[name=loginId]").fill(who);
  await page.locator("[name=password]").fill(password);
  await press(page);
};

// Looks at the page that the next answer is, which must have that status.
const expect = async (s, page, status, name, act) => {
  const [answer] = await Promise.all([page.waitForResponse((r) => r.request().isNavigationRequest() && r.status() !== 303), act()]);
  s.equal(answer.status(), status, name);
  await page.locator("h1").waitFor();
  await s.look(page, name);
};

// Sends a form that no page has.
const send = (page, action, fields = {}) => page.evaluate(([action, fields]) => {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action });
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    Object.assign(input, { name, value, type: "hidden" });
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}, [action, fields]);

const longName = "Wolfeschlegelsteinhausenbergerdorff".repeat(5);
const longAddress = (name) => address("a".repeat(50) + name).replace("example.com", `${"long-".repeat(10)}name.${"very-".repeat(8)}long.example`);

export const states = [
  ["states: problems as pages of their own", async (s) => {
    const page = await s.visit("plain");
    await page.goto("/auth/signin");
    await expect(s, page, 405, "problem-405", () => send(page, "/auth/account"));
    await page.goto("/auth/signin");
    await expect(s, page, 413, "problem-413", () => send(page, "/auth/signin", { loginId: "a".repeat(17_000) }));
    await page.goto("/auth/signin");
    await expect(s, page, 400, "problem-400", () => send(page, "/auth/signin", { loginId: "\u0000" }));
    const foreign = s.settings.sites.closed;
    await page.route(foreign + "/evil", (route) => route.fulfill({
      contentType: "text/html",
      body: `<!doctype html><html lang=en><title>x</title><form method=post action="${s.settings.sites.plain}/auth/signin"><button>go</button></form>`,
    }));
    await page.goto(foreign + "/evil");
    await expect(s, page, 403, "problem-403", () => page.getByRole("button").click());
    s.complaints = s.complaints.filter((c) => !c.startsWith("foreign request"));
  }],
  ["states: too many tries with links", async (s) => {
    const page = await s.visit("throttled");
    const dead = "/auth/reset?token=" + "x".repeat(43);
    for (let i = 0; i < 11; i++) await page.goto(dead);
    const answer = await page.goto(dead);
    s.equal(answer.status(), 429, "status");
    await s.look(page, "problem-429");
  }],
  ["states: the store is out of reach", async (s) => {
    const page = await s.visit("broken");
    const who = address("broken");
    await signUp(page, who, "Ann");
    const stranger = await s.visit("broken");
    await stranger.goto("/auth/signin");
    await stranger.locator("[name=loginId]").fill(who);
    await stranger.locator("[name=password]").fill(password);
    try {
      await s.break("down");
      await expect(s, page, 503, "problem-503", () => page.goto("/auth/account"));
      await expect(s, stranger, 503, "signin-503", () => stranger.locator("main button.primary").click());
      await s.break("panic");
      await expect(s, page, 500, "problem-500", () => page.goto("/auth/account"));
    } finally {
      await s.break("");
    }
    // Nobody was signed out by it.
    await expect(s, page, 200, "account-after-outage", () => page.goto("/auth/account"));
    s.complaints = s.complaints.filter((c) => !/status of 50[03]/.test(c));
  }],
  ["states: a person without a name, asked to sign in again", async (s) => {
    const page = await s.visit("plain");
    const who = address("nameless");
    await signUp(page, who);
    await page.goto("/auth/account");
    await s.look(page, "account-nameless");
    await page.goto("/auth/account/name");
    await s.look(page, "account-name-empty");
    await page.goto("/auth/signin?prompt=login&return_to=%2Finside");
    s.equal(new URL(page.url()).pathname, "/auth/signin", "path");
    await s.look(page, "signin-again");
    await page.locator("[name=password]").fill(another);
    await page.locator("[name=loginId]").fill(who);
    await press(page);
    await s.look(page, "signin-again-failed");
  }],
  ["states: many devices", async (s) => {
    const page = await s.visit("plain");
    const who = address("devices");
    await signUp(page, who, "Ann");
    for (let i = 0; i < 14; i++) await s.device("plain", who);
    await page.goto("/auth/account");
    await s.look(page, "account-devices");
  }],
  ["states: long texts", async (s) => {
    for (const lang of ["en", "de"]) {
      const page = await s.visit("plain", { lang, userAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0" });
      const who = longAddress(lang);
      await signUp(page, who, longName);
      await page.goto("/auth/account");
      await s.look(page, `account-long-${lang}`, { schemes: ["light"] });
      await page.goto(await s.link("plain", who, "verify_email"));
      await s.look(page, `verify-long-${lang}`, { schemes: ["light"] });
      await page.goto("/auth/forgot");
      await page.locator("[name=loginId]").fill(who);
      await press(page);
      await s.look(page, `forgot-sent-long-${lang}`, { schemes: ["light"] });
      await page.goto(await s.link("plain", who, "confirm_and_reset"));
      await s.look(page, `reset-long-${lang}`, { schemes: ["light"] });
    }
  }],
  ["states: the example", async (s) => {
    const page = await s.visit("example", { js: false });
    const at = (path) => page.waitForURL((u) => u.pathname === path);
    await page.goto("/");
    await page.getByRole("link", { name: "Create an account" }).click();
    await at("/auth/signup");
    const who = address("example");
    await page.locator("[name=name]").fill(longName);
    await page.locator("[name=loginId]").fill(who);
    await page.locator("[name=password]").fill(password);
    await page.locator("main button.primary").click();
    await at("/dashboard");
    await page.getByRole("button", { name: "Sign out" }).click();
    await at("/auth/signin");
    await page.goto("/dashboard");
    await at("/auth/signin");
    // axe needs a browser that runs scripts.
    const other = await s.visit("example");
    await other.goto("/");
    await s.look(other, "example-home");
    await other.goto("/auth/signin?return_to=%2Fdashboard");
    await other.locator("[name=loginId]").fill(who);
    await other.locator("[name=password]").fill(password);
    await press(other);
    s.equal(new URL(other.url()).pathname, "/dashboard", "path");
    await s.look(other, "example-dashboard");
  }],
];
