// The forms in detail: pasted passwords, the script, links and forms of other sites.
import { address, fill, password, signIn, submit } from "./harness.mjs";

export const forms = [
  ["passwords of 64 characters and emoji, pasted", async (s) => {
    for (const pw of ["x1".repeat(10) + "ÄÖß 漢字 ".repeat(5) + "y".repeat(9), "🦦🧭🪴🫖🎻🧶🪁🛶🏔️🌋🥨🍐🪕🦚🧊"]) {
      const user = address("emoji");
      const page = await s.open("plain", { permissions: ["clipboard-read", "clipboard-write"] });
      await page.goto("/auth/signup");
      await fill(page, { loginId: user });
      await page.evaluate((text) => navigator.clipboard.writeText(text), pw);
      await page.locator("[name=password]").focus();
      await page.keyboard.press("Control+V");
      s.equal(await page.locator("[name=password]").inputValue(), pw, "pasted");
      await submit(page);
      await s.expectPage(page, "/", "Home");
      const again = await s.open("plain", { js: false });
      await again.goto("/auth/signin");
      await signIn(again, user, pw);
      await s.expectPage(again, "/", "Home");
    }
  }],

  ["/.well-known/change-password", async (s) => {
    const user = address("manager");
    const page = await s.open("plain");
    await page.goto("/auth/signup");
    await fill(page, { loginId: user, password });
    await submit(page);
    await s.expectPage(page, "/", "Home");
    await page.goto("/.well-known/change-password");
    await s.expectPage(page, "/auth/account/password", "Change your password");
    const visitor = await s.open("plain");
    await visitor.goto("/.well-known/change-password");
    await s.expectPage(visitor, "/auth/signin", "Sign in");
    await signIn(visitor, user, password);
    await s.expectPage(visitor, "/auth/account/password", "Change your password");
    const form = await visitor.evaluate(() => [...document.querySelectorAll("main form input:not([type=hidden])")].map((e) => `${e.name}:${e.type}:${e.autocomplete}`));
    s.equal(form.join(" "), "username:text:username currentPassword:password:current-password newPassword:password:new-password", "inputs");
  }],

  ["a page that requires a recent sign-in does not redirect in a loop", async (s) => {
    const user = address("recent");
    const page = await s.open("plain");
    await page.goto("/auth/signup");
    await fill(page, { loginId: user, password });
    await submit(page);
    await s.expectPage(page, "/", "Home");
    await page.goto("/recent");
    await s.expectPage(page, "/auth/session/confirm", "Confirm that it’s you");
  }],

  ["the script only adds to the pages", async (s) => {
    const page = await s.open("plain");
    await page.goto("/auth/signup");
    const count = page.locator(".count"), status = count.getByRole("status");
    s.ok(await count.isHidden(), "the counter shows before anything is typed");
    await page.locator("[name=password]").pressSequentially("vast otter");
    await count.getByText("10 of at least 15 characters").first().waitFor();
    // A screen reader hears the number when the typing pauses, not after each key.
    s.equal(await status.textContent(), "", "status while typing");
    await page.waitForFunction(() => document.querySelector(".count [role=status]").textContent === "10 of at least 15 characters");
    await fill(page, { password: "🦦🧭 ÄÖ" });
    await count.getByText("5 of at least 15 characters", { exact: true }).first().waitFor();
    // The rule says whether it is met, for screen readers too.
    const rule = page.locator("[data-rule=length]");
    await fill(page, { password: "vast otter sin" });
    s.ok(!(await rule.getAttribute("class"))?.includes("done"), "14 characters meet the rule");
    await fill(page, { password: "vast otter sing" });
    s.ok((await rule.getAttribute("class")).includes("done"), "15 characters do not meet the rule");
    s.equal(await rule.textContent(), "At least 15 characters (met)", "rule");
    s.ok((await page.locator("[name=password]").getAttribute("aria-describedby")).split(" ").includes("password-rules"), "the rules do not describe the input");
    await page.getByRole("button", { name: "Show password" }).click();
    s.equal(await page.locator("[name=password]").getAttribute("type"), "text", "type");
    await page.getByRole("button", { name: "Hide password" }).click();
    s.equal(await page.locator("[name=password]").getAttribute("type"), "password", "type");
    // A failed form keeps the URL of its page, so reloading requests the page.
    await page.goto("/auth/forgot");
    await submit(page);
    await page.getByText("Enter your email address.").waitFor();
    s.equal(new URL(page.url()).pathname, "/auth/forgot", "address");
    await page.reload();
    s.equal(await page.locator(".errors").count(), 0, "errors after loading again");
    const without = await s.open("plain", { js: false });
    await without.goto("/auth/signin");
    s.ok(await without.locator(".reveal").isHidden(), "a button that does nothing without JavaScript");
  }],

  ["a form is sent once, and its button is busy until the answer comes", async (s) => {
    const page = await s.open("plain");
    let requests = 0, answer;
    const held = new Promise((done) => (answer = done));
    await page.route("**/auth/password/reset", async (route) => {
      requests++;
      await held;
      await route.continue();
    });
    await page.goto("/auth/forgot");
    await fill(page, { loginId: address("twice") });
    // Locators would wait for the navigation.
    const states = await page.evaluate(async () => {
      const button = document.querySelector("main button.primary");
      const pause = () => new Promise((done) => setTimeout(done, 300));
      const state = () => `${button.disabled} ${button.getAttribute("aria-busy")}`;
      button.click();
      await pause();
      const busy = state();
      button.form.requestSubmit(); // as Enter in an input does
      await pause();
      dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })); // as after the back button
      return [busy, state()];
    });
    s.equal(states[0], "true true", "disabled and busy");
    s.equal(states[1], "false null", "disabled and busy after the back button");
    s.equal(requests, 1, "requests");
    answer();
    await s.expectPage(page, "/auth/forgot", "Check your email");
    await page.goBack();
    await s.expectPage(page, "/auth/forgot", "Forgot your password?");
    const button = page.locator("main button.primary");
    s.ok(await button.isEnabled(), "the button is still disabled");
    s.equal(await button.getAttribute("aria-busy"), null, "aria-busy");
  }],

  ["a link still works after a scanner has followed it", async (s) => {
    const user = address("scanned");
    const page = await s.open("plain");
    await page.goto("/auth/signup");
    await fill(page, { loginId: user, password });
    await submit(page);
    const link = await s.emailedLink("plain", user, "verify_email");
    // A link scanner opens the link in a browser and runs its scripts.
    for (let i = 0; i < 3; i++) await (await s.open("plain")).goto(link);
    await page.goto(link);
    await submit(page);
    await s.expectPage(page, "/auth/verify", "Address confirmed");
  }],

  ["a forged link shows no notice", async (s) => {
    const page = await s.open("plain");
    await page.goto("/auth/verify?done=1");
    await s.expectPage(page, "/auth/signin", "Sign in");
    await page.goto("/auth/forgot?sent=1");
    await s.expectPage(page, "/auth/forgot", "Forgot your password?");
    await page.goto("/auth/signup?sent=1");
    await s.expectPage(page, "/auth/signup", "Create your account");
    await page.goto("/auth/signin?notice=signed_out_all");
    await s.expectPage(page, "/auth/signin", "Sign in");
    s.equal(await page.getByRole("status").count(), 0, "notices");
    await fill(page, { loginId: "nobody@example.com", password });
    await submit(page);
    await page.getByRole("alert").waitFor();
    await page.goto("/auth/forgot?sent=1");
    await s.expectPage(page, "/auth/forgot", "Forgot your password?");
  }],

  ["a form of another site is refused", async (s) => {
    const page = await s.open("plain");
    const base = s.settings.sites.plain, foreign = s.settings.sites.closed;
    await page.route(foreign + "/evil", (route) => route.fulfill({
      contentType: "text/html",
      body: `<form method=post action="${base}/auth/signin"><input name=loginId value=a@b.example><input name=password value="${password}"><button>go</button></form>`,
    }));
    await page.goto(foreign + "/evil");
    await page.getByRole("button").click();
    await s.expectPage(page, "/auth/signin", "Cross-origin request");
    s.failures = s.failures.filter((c) => !c.startsWith("foreign request"));
  }],
];
