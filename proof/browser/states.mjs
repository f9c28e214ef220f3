// Rare states, inspected: problems of each status, and unusual accounts.
import { address, fill, otherPassword, password, signIn, signUp, submit } from "./harness.mjs";

const submitAndWait = (page) => Promise.all([page.waitForNavigation(), submit(page)]);

// Inspects the next page, which must have a certain status.
const expect = async (s, page, status, name, act) => {
  const [answer] = await Promise.all([page.waitForResponse((r) => r.request().isNavigationRequest() && r.status() !== 303), act()]);
  s.equal(answer.status(), status, name);
  await page.locator("h1").waitFor();
  await s.inspect(page, name);
};

// Submits a form that no page has.
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
    const page = await s.open("plain");
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
    s.failures = s.failures.filter((c) => !c.startsWith("foreign request"));
  }],
  ["states: forms of the program that are refused", async (s) => {
    const page = await s.open("plain");
    const user = address("refused");
    await signUp(page, user, "Ann");
    await page.goto("/write");
    const tab = await page.context().newPage();
    await tab.goto("/auth/account");
    await tab.getByRole("button", { name: "Sign out", exact: true }).click();
    await s.expectPage(tab, "/auth/signin", "Sign in");
    await page.getByRole("button", { name: "Save" }).click();
    await s.expectPage(page, "/auth/signin", "Sign in");
    await signIn(page, user, password);
    await s.expectPage(page, "/write", "Write");
    await page.getByRole("button", { name: "Save" }).click();
    await s.expectPage(page, "/write", "Saved");
    await page.goto("/write");
    await expect(s, page, 403, "problem-forbidden", () => page.getByRole("button", { name: "Publish" }).click());
  }],
  ["states: links beside the session of another user", async (s) => {
    const ann = address("ann"), bob = address("bob");
    await signUp(await s.open("plain"), ann, "Ann");
    const page = await s.open("plain");
    await signUp(page, bob, "Bob");
    await page.goto(await s.emailedLink("plain", ann, "verify_email"));
    await page.getByText(`signed in here as ${bob}`).waitFor();
    await s.inspect(page, "verify-beside");
    await fill(page, { password });
    await submit(page);
    await s.expectPage(page, "/auth/verify", "Address confirmed");
    await s.inspect(page, "verified-beside");
    await page.getByRole("link", { name: "Sign in" }).click();
    await s.expectPage(page, "/auth/signin", "Sign in");
    await page.getByText(`signed in here as ${bob}`).waitFor();

    await page.goto("/auth/forgot");
    await fill(page, { loginId: ann });
    await submit(page);
    await s.expectPage(page, "/auth/forgot", "Check your email");
    await page.goto(await s.emailedLink("plain", ann, "reset_password"));
    await page.getByText(`signed in here as ${bob}`).waitFor();
    await s.inspect(page, "reset-beside");
    await fill(page, { newPassword: otherPassword });
    await submit(page);
    await s.expectPage(page, "/auth/signin", "Sign in");
    await page.getByText("signed out of the other account").waitFor();
    await s.inspect(page, "signin-reset-beside");
    await signIn(page, ann, otherPassword);
    await s.expectPage(page, "/", "Home");
    await page.goto("/auth/account");
    await page.getByText(ann, { exact: true }).waitFor();
  }],
  ["states: too many emails", async (s) => {
    const page = await s.open("throttled");
    await signUp(page, address("emails"), "Ann");
    for (let i = 0; i < 3; i++) {
      await page.goto("/auth/account");
      await Promise.all([page.waitForNavigation(), send(page, "/auth/email/verify/send")]);
    }
    await expect(s, page, 429, "problem-429", () => send(page, "/auth/email/verify/send"));
  }],
  ["states: the store is unavailable", async (s) => {
    const page = await s.open("broken");
    const user = address("broken");
    await signUp(page, user, "Ann");
    const visitor = await s.open("broken");
    await visitor.goto("/auth/signin");
    await visitor.locator("[name=loginId]").fill(user);
    await visitor.locator("[name=password]").fill(password);
    try {
      await s.breakStore("down");
      await expect(s, page, 503, "problem-503", () => page.goto("/auth/account"));
      await expect(s, visitor, 503, "signin-503", () => submit(visitor));
      await s.breakStore("panic");
      await expect(s, page, 500, "problem-500", () => page.goto("/auth/account"));
    } finally {
      await s.breakStore("");
    }
    // The outage signed nobody out.
    await expect(s, page, 200, "account-after-outage", () => page.goto("/auth/account"));
    s.failures = s.failures.filter((c) => !/status of 50[03]/.test(c));
  }],
  ["states: a user without a name, asked to sign in again", async (s) => {
    const page = await s.open("plain");
    const user = address("nameless");
    await signUp(page, user);
    await page.goto("/auth/account");
    await s.inspect(page, "account-nameless");
    await page.goto("/auth/account/name");
    await s.inspect(page, "account-name-empty");
    await page.goto("/auth/signin?prompt=login&return_to=%2Finside");
    s.equal(new URL(page.url()).pathname, "/auth/signin", "path");
    await s.inspect(page, "signin-again");
    await page.locator("[name=password]").fill(otherPassword);
    await page.locator("[name=loginId]").fill(user);
    await submitAndWait(page);
    await s.inspect(page, "signin-again-failed");
  }],
  ["states: the password again, before a dangerous step", async (s) => {
    const page = await s.open("plain");
    const user = address("again");
    await signUp(page, user);
    await page.goto("/auth/session/confirm?return_to=%2Fauth%2Faccount%2Fname");
    await s.inspect(page, "confirm");
    await page.locator("[name=password]").fill(otherPassword);
    await submitAndWait(page);
    await s.inspect(page, "confirm-failed");
    await page.locator("[name=password]").fill(password);
    await submitAndWait(page);
    s.equal(new URL(page.url()).pathname, "/auth/account/name", "path");
  }],
  ["states: the deletion of an account", async (s) => {
    const page = await s.open("plain");
    await signUp(page, address("deleted"), "Ann");
    const remove = () => Promise.all([page.waitForNavigation(), page.locator("main button.danger").click()]);
    await page.goto("/auth/account/delete");
    await s.inspect(page, "delete");
    await remove();
    await s.inspect(page, "delete-failed");
    await page.locator("[name=currentPassword]").fill(password);
    await remove();
    await s.inspect(page, "signin-deleted");
    await page.getByText("Your account has been deleted.").waitFor();
  }],
  ["states: fields of the program in the sign-up", async (s) => {
    for (const lang of ["en", "de", "fr", "es", "he"]) {
      const page = await s.open("fields", { lang });
      await page.goto("/auth/signup");
      await s.inspect(page, `signup-fields-${lang}`, { schemes: ["light"] });
      await page.locator("[name=loginId]").fill(address(`fields-${lang}`));
      await page.locator("[name=password]").fill("short");
      await page.locator("[name=news]").check();
      await submitAndWait(page);
      s.equal(await page.locator("[aria-invalid=true]").count(), 3, "inputs with an error");
      s.equal(await page.locator("[name=news]").isChecked(), true, "the box");
      await s.inspect(page, `signup-fields-failed-${lang}`);
    }
  }],
  ["states: many devices", async (s) => {
    const page = await s.open("plain");
    const user = address("devices");
    await signUp(page, user, "Ann");
    for (let i = 0; i < 14; i++) await s.signInOnDevice("plain", user);
    await page.goto("/auth/account");
    await s.inspect(page, "account-devices");
  }],
  ["states: long texts", async (s) => {
    for (const lang of ["en", "de"]) {
      const page = await s.open("plain", { lang, userAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0" });
      const user = longAddress(lang);
      await signUp(page, user, longName);
      await page.goto("/auth/account");
      await s.inspect(page, `account-long-${lang}`, { schemes: ["light"] });
      await page.goto(await s.emailedLink("plain", user, "verify_email"));
      await s.inspect(page, `verify-long-${lang}`, { schemes: ["light"] });
      await page.goto("/auth/forgot");
      await page.locator("[name=loginId]").fill(user);
      await submitAndWait(page);
      await s.inspect(page, `forgot-sent-long-${lang}`, { schemes: ["light"] });
      await page.goto(await s.emailedLink("plain", user, "confirm_and_reset"));
      await s.inspect(page, `reset-long-${lang}`, { schemes: ["light"] });
    }
  }],
  ["states: the example", async (s) => {
    const page = await s.open("example", { js: false });
    const at = (path) => page.waitForURL((u) => u.pathname === path);
    await page.goto("/");
    await page.getByRole("link", { name: "Create an account" }).click();
    await at("/auth/signup");
    const user = address("example");
    await page.locator("[name=name]").fill(longName);
    await page.locator("[name=loginId]").fill(user);
    await page.locator("[name=password]").fill(password);
    await submit(page);
    await at("/dashboard");
    await page.getByRole("button", { name: "Sign out" }).click();
    await at("/auth/signin");
    await page.goto("/dashboard");
    await at("/auth/signin");
    // axe needs a browser that runs scripts.
    const other = await s.open("example");
    await other.goto("/");
    await s.inspect(other, "example-home");
    await other.goto("/auth/signin?return_to=%2Fdashboard");
    await other.locator("[name=loginId]").fill(user);
    await other.locator("[name=password]").fill(password);
    await submitAndWait(other);
    s.equal(new URL(other.url()).pathname, "/dashboard", "path");
    await s.inspect(other, "example-dashboard");
  }],
];
