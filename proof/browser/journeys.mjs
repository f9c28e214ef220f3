// What people do, from beginning to end: by mouse with JavaScript and without, and by keyboard alone.
import { address, another, password } from "./stage.mjs";

const press = (page) => page.locator("button.primary").click();

const fill = async (page, inputs) => {
  for (const [name, text] of Object.entries(inputs)) await page.locator(`[name="${name}"]`).fill(text);
};

const signIn = async (page, loginId, pw) => {
  await fill(page, { loginId, password: pw });
  await press(page);
};

// A whole life: sign up, confirm, change everything, forget, come back, leave.
const life = (js) => async (s) => {
  const who = address("life");
  const page = await s.visit("plain", { js });

  // A page that needs a session leads to the sign-in, and on to where it was.
  await page.goto("/inside?tab=2");
  await s.at(page, "/auth/signin", "Sign in");
  await page.getByRole("link", { name: "Create an account" }).click();
  await s.at(page, "/auth/signup", "Create your account");
  await fill(page, { name: "Ann", loginId: who, password: "short" });
  await press(page);
  await page.getByText("Use at least 15 characters.").waitFor();
  s.equal(await page.locator("[name=loginId]").inputValue(), who, "what was typed");
  s.equal(await page.locator("[name=name]").inputValue(), "Ann", "what was typed");
  s.equal(await page.locator("[name=password]").inputValue(), "", "a password comes back");
  await s.focused(page, "[name=password]");
  await fill(page, { password });
  await press(page);
  await s.at(page, "/inside", "Inside");
  s.equal(new URL(page.url()).search, "?tab=2", "query");

  // The link in the mail shows whom it is about, is nowhere in the address, and needs a press of a button.
  const link = await s.link("plain", who, "verify_email");
  await page.goto("/auth/account");
  await page.getByText("Not confirmed yet", { exact: true }).waitFor();
  await page.goto(link);
  await s.at(page, "/auth/verify", "Confirm your email address");
  s.equal(new URL(page.url()).search, "", "the token stays in the address");
  await page.getByText(who).waitFor();
  await press(page);
  await s.at(page, "/auth/verify", "Address confirmed");
  await page.reload();
  await s.at(page, "/auth/verify", "Address confirmed");
  await page.goto("/auth/account");
  await page.getByText("Confirmed", { exact: true }).waitFor();

  // Name.
  await page.getByRole("link", { name: "Change name" }).click();
  s.equal(await page.locator("[name=name]").inputValue(), "Ann", "the name");
  await fill(page, { name: "Ann <b>Lindqvist</b>" });
  await press(page);
  await s.at(page, "/auth/account", "Your account");
  await page.getByText("Ann <b>Lindqvist</b>").waitFor();

  // Password, while another device is signed in.
  const other = await s.visit("plain", { js });
  await other.goto("/auth/signin");
  await signIn(other, who, password);
  await s.at(other, "/", "Home");
  await page.getByRole("link", { name: "Change password" }).click();
  await fill(page, { currentPassword: another, newPassword: another });
  await press(page);
  await page.getByText("This is not your current password.").waitFor();
  await s.focused(page, "[name=currentPassword]");
  await fill(page, { currentPassword: password, newPassword: another });
  await press(page);
  await page.getByText("Your password has been changed.").waitFor();
  await other.goto("/auth/account");
  await s.at(other, "/auth/signin", "Sign in");

  // Another address, mistyped at first: the account shows the change that is pending, and takes it back.
  const moved = address("moved"), mistyped = address("mistyped");
  await page.getByRole("link", { name: "Change email address" }).click();
  await fill(page, { newEmail: mistyped, currentPassword: another });
  await press(page);
  await page.getByText("sent an email to the new address").waitFor();
  await page.getByText(mistyped, { exact: true }).waitFor();
  await page.goto("/auth/account");
  if (js) await s.look(page, "account-pending");
  await page.getByRole("button", { name: "Cancel the change of email address" }).click();
  await s.at(page, "/auth/account", "Your account");
  await page.getByText("The change has been canceled.").waitFor();
  s.equal(await page.getByText(mistyped).count(), 0, "the cancelled address");
  if (js) await s.look(page, "account-cancelled", { schemes: ["light"] });
  await other.goto(await s.link("plain", mistyped, "change_email"));
  await s.at(other, "/auth/verify", "This link no longer works");
  await other.goto("/auth/account");
  await s.at(other, "/auth/signin", "Sign in");
  await page.getByRole("link", { name: "Change email address" }).click();
  await fill(page, { newEmail: moved, currentPassword: another });
  await press(page);
  await page.getByText("sent an email to the new address").waitFor();
  await page.getByText(who).waitFor();
  await page.goto(await s.link("plain", moved, "change_email"));
  await s.at(page, "/auth/verify", "Confirm your new email address");
  await press(page);
  await s.at(page, "/auth/verify", "Address confirmed");
  await page.goto("/auth/account");
  await page.getByText(moved).waitFor();

  // One device, from the other.
  await signIn(other, moved, another);
  await s.at(other, "/auth/account", "Your account");
  await page.reload();
  await page.locator(".sessions li").filter({ hasNot: page.getByText("This device") }).getByRole("button").click();
  await page.getByText("The device has been signed out.").waitFor();
  s.equal(await page.locator(".sessions li").count(), 1, "devices");
  await other.goto("/auth/account");
  await s.at(other, "/auth/signin", "Sign in");

  // Forgotten, in a browser that is signed in.
  await page.goto("/auth/forgot");
  await fill(page, { loginId: moved });
  await press(page);
  await s.at(page, "/auth/forgot", "Check your email");
  const reset = await s.link("plain", moved, "reset_password");
  await page.goto(reset);
  await s.at(page, "/auth/reset", "Set a new password");
  s.equal(new URL(page.url()).search, "", "the token stays in the address");
  s.equal(await page.locator("[autocomplete=username]").inputValue(), moved, "the user name for password managers");
  await page.reload();
  await s.at(page, "/auth/reset", "Set a new password");
  await fill(page, { newPassword: "passwordpassword" });
  await press(page);
  await page.getByText("easy to guess").waitFor();
  await fill(page, { newPassword: password });
  await press(page);
  await s.at(page, "/auth/signin", "Sign in");
  await page.getByText("Your new password is set.").waitFor();
  await other.goto(reset);
  await s.at(other, "/auth/reset", "This link no longer works");

  // Out, everywhere.
  await signIn(page, moved, password);
  await s.at(page, "/", "Home");
  await page.goto("/auth/account");
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await s.at(page, "/auth/signin", "Sign in");
  await page.getByText("You’re signed out everywhere.").waitFor();
  await page.goto("/inside");
  await s.at(page, "/auth/signin", "Sign in");
};

// Sign-up that tells nobody who has an account.
const confirmFirst = (js) => async (s) => {
  const who = address("first");
  const page = await s.visit("confirmFirst", { js });
  await page.goto("/auth/signup");
  await fill(page, { loginId: who, password });
  await press(page);
  await s.at(page, "/auth/signup", "Check your email");
  await page.goto("/auth/signin");
  await signIn(page, who, password);
  await page.getByText("isn’t confirmed yet").waitFor();
  await page.goto(await s.link("confirmFirst", who, "verify_email"));
  await page.getByText("enter the password you chose").waitFor();
  await fill(page, { password });
  await page.keyboard.press("Enter");
  await s.at(page, "/auth/verify", "Address confirmed");
  await page.goto("/auth/signin");
  await signIn(page, who, password);
  await s.at(page, "/", "Home");
};

// An address that somebody else has signed up with: its owner's click confirms nothing. She proves the mailbox, and takes over.
const claim = (js) => async (s) => {
  const who = address("victim");
  const squatter = await s.visit("plain", { js });
  await squatter.goto("/auth/signup");
  await fill(squatter, { loginId: who, password });
  await press(squatter);
  await s.at(squatter, "/", "Home");
  const owner = await s.visit("plain", { js });
  const link = await s.link("plain", who, "verify_email");
  await owner.goto(link);
  await s.at(owner, "/auth/verify", "Confirm your email address");
  await press(owner);
  await owner.getByText("Enter your password.").waitFor();
  await s.focused(owner, "[name=password]");
  await fill(owner, { password: another });
  await press(owner);
  await owner.getByText("This is not the password of this account.").waitFor();
  s.equal(await owner.locator("[name=password]").inputValue(), "", "a password comes back");
  await squatter.goto("/auth/account");
  await squatter.getByText("Not confirmed yet", { exact: true }).waitFor();
  await owner.getByRole("link", { name: "Set a new password" }).click();
  await s.at(owner, "/auth/forgot", "Forgot your password?");
  s.equal(await owner.locator("[name=loginId]").inputValue(), who, "the login id of the link");
  s.ok(!decodeURIComponent(owner.url()).includes(who), "an address in the address bar");
  await press(owner);
  await owner.goto(await s.link("plain", who, "confirm_and_reset"));
  await fill(owner, { newPassword: another });
  await press(owner);
  await s.at(owner, "/auth/signin", "Sign in");
  await squatter.goto("/auth/account");
  await s.at(squatter, "/auth/signin", "Sign in");
  await signIn(squatter, who, password);
  await squatter.getByText("is wrong").waitFor();
  await signIn(owner, who, another);
  await s.at(owner, "/", "Home");
  await owner.goto("/auth/account");
  await owner.getByText("Confirmed", { exact: true }).waitFor();
  await owner.goto(link);
  await s.at(owner, "/auth/verify", "This link no longer works");
};

const expired = (js) => async (s) => {
  const who = address("expired");
  const page = await s.visit("plain", { js });
  await page.goto("/auth/signup");
  await fill(page, { loginId: who, password });
  await press(page);
  await s.at(page, "/", "Home");
  await s.expire("plain", who);
  const fresh = await s.visit("plain", { js });
  await fresh.goto("/inside");
  await signIn(fresh, who, password);
  await s.at(fresh, "/auth/signin", "Choose a new password");
  s.equal(await fresh.locator("[name=loginId]").inputValue(), who, "what was typed");
  await fill(fresh, { oldPassword: password, newPassword: another });
  await press(fresh);
  await s.at(fresh, "/inside", "Inside");
};

const both = (name, journey) => [[`${name}, with JavaScript`, journey(true)], [`${name}, without JavaScript`, journey(false)]];

export const journeys = [
  ...both("a whole life", life),
  ...both("confirm first", confirmFirst),
  ...both("claim of an unconfirmed account", claim),
  ...both("an expired password", expired),

  ["by keyboard alone", async (s) => {
    const who = address("keys");
    const page = await s.visit("plain");
    const at = () => page.evaluate(() => {
      const e = document.activeElement, ring = getComputedStyle(e);
      return { name: e.name || e.textContent.trim() || e.getAttribute("aria-label"), ring: ring.outlineStyle !== "none" && parseFloat(ring.outlineWidth) >= 2 };
    });
    const tab = async (want) => {
      await page.keyboard.press("Tab");
      const { name, ring } = await at();
      s.equal(name, want, "focus");
      s.ok(ring, `no ring around ${name}`);
    };
    await page.goto("/auth/signup");
    // The first input has the focus already.
    await s.focused(page, "[name=name]");
    await page.keyboard.press("Shift+Tab");
    s.equal((await at()).name, "NNorthwind", "focus");
    await tab("name");
    await page.keyboard.type("Ann");
    await tab("loginId");
    await page.keyboard.type(who);
    await tab("password");
    await page.keyboard.type(password);
    await tab("Show password");
    await page.keyboard.press("Space");
    s.equal(await page.locator("[name=password]").getAttribute("type"), "text", "shown password");
    s.equal((await at()).name, "password", "focus");
    await page.keyboard.press("Enter");
    await s.at(page, "/", "Home");
    await page.goto("/auth/account");
    for (const want of ["NNorthwind", "Send the email again", "Change", "Change", "Change", "Sign out everywhere", "Sign out", "Back to Northwind"]) await tab(want);
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await s.at(page, "/auth/signin", "Sign in");
    await page.getByText("You’re signed out.").waitFor();
    // The first input of the sign-in has the focus already.
    await s.focused(page, "[name=loginId]");
    await page.keyboard.type(who);
    await page.keyboard.press("Tab");
    await page.keyboard.type(password);
    await page.keyboard.press("Enter");
    await s.at(page, "/", "Home");
  }],

  ["passwords of 64 characters and emoji, pasted", async (s) => {
    for (const pw of ["x1".repeat(10) + "ÄÖß 漢字 ".repeat(5) + "y".repeat(9), "🦦🧭🪴🫖🎻🧶🪁🛶🏔️🌋🥨🍐🪕🦚🧊"]) {
      const who = address("emoji");
      const page = await s.visit("plain", { permissions: ["clipboard-read", "clipboard-write"] });
      await page.goto("/auth/signup");
      await fill(page, { loginId: who });
      await page.evaluate((text) => navigator.clipboard.writeText(text), pw);
      await page.locator("[name=password]").focus();
      await page.keyboard.press("Control+V");
      s.equal(await page.locator("[name=password]").inputValue(), pw, "pasted");
      await press(page);
      await s.at(page, "/", "Home");
      const again = await s.visit("plain", { js: false });
      await again.goto("/auth/signin");
      await signIn(again, who, pw);
      await s.at(again, "/", "Home");
    }
  }],

  ["/.well-known/change-password", async (s) => {
    const who = address("manager");
    const page = await s.visit("plain");
    await page.goto("/auth/signup");
    await fill(page, { loginId: who, password });
    await press(page);
    await s.at(page, "/", "Home");
    await page.goto("/.well-known/change-password");
    await s.at(page, "/auth/account/password", "Change your password");
    const stranger = await s.visit("plain");
    await stranger.goto("/.well-known/change-password");
    await s.at(stranger, "/auth/signin", "Sign in");
    await signIn(stranger, who, password);
    await s.at(stranger, "/auth/account/password", "Change your password");
    const form = await stranger.evaluate(() => [...document.querySelectorAll("main form input")].map((e) => `${e.name}:${e.type}:${e.autocomplete}`));
    s.equal(form.join(" "), "username:text:username currentPassword:password:current-password newPassword:password:new-password", "inputs");
  }],

  ["a page that asks for a recent sign-in does not go in circles", async (s) => {
    const who = address("recent");
    const page = await s.visit("plain");
    await page.goto("/auth/signup");
    await fill(page, { loginId: who, password });
    await press(page);
    await s.at(page, "/", "Home");
    await page.goto("/recent");
    await s.at(page, "/auth/signin", "Sign in");
    await page.getByText("sign in again to continue").waitFor();
  }],

  ["the script adds and takes nothing away", async (s) => {
    const page = await s.visit("plain");
    await page.goto("/auth/signup");
    s.ok(await page.locator(".strength").isHidden(), "the strength shows before anything is typed");
    await page.locator("[name=password]").pressSequentially("aaaaaaaaaaaaaaaaaaaa");
    await page.getByText("Strength: weak").waitFor();
    // What the server refuses is weak while it is typed.
    await fill(page, { name: "Ann Lindqvist", loginId: "ann.lindqvist@example.com" });
    for (const [pw, level] of [
      ["short", "weak"], ["passwordpasswordpasswordpassword", "weak"], ["qwertyuiopasdfghjkl", "weak"], ["9876543210987654321", "weak"],
      ["ann.lindqvist@example.com", "weak"], ["Ann Lindqvist Ann Lindqvist", "weak"], ["northwindnorthwind", "weak"],
      ["vast otter sings", "fair"], ["vast otter sings low in May", "good"], ["🦦🧭🪴🫖🎻🧶🪁🛶🏔️🌋🥨🍐🪕🦚🧊🐙🦩🪺🧵", "good"],
    ]) {
      await fill(page, { password: pw });
      await page.getByText(`Strength: ${level}`).waitFor().catch(() => s.complaints.push(`${pw} is not ${level}`));
    }
    // The rule that is always there says whether it is met, to the ear too.
    const rule = page.locator("[data-rule=length]");
    await fill(page, { password: "vast otter sin" });
    s.ok(!(await rule.getAttribute("class"))?.includes("done"), "14 characters meet the rule");
    await fill(page, { password: "vast otter sing" });
    s.ok((await rule.getAttribute("class")).includes("done"), "15 characters do not meet the rule");
    s.equal(await rule.textContent(), "At least 15 characters (met)", "rule");
    s.ok((await page.locator("[name=password]").getAttribute("aria-describedby")).split(" ").includes("password-rules"), "the rules do not describe the input");
    // A name that is typed after the password counts too.
    await fill(page, { password: "brisk walrus bakes", name: "" });
    await page.getByText("Strength: fair").waitFor();
    await fill(page, { name: "Brisk Walrus Bakes" });
    await page.getByText("Strength: weak").waitFor();
    await page.getByRole("button", { name: "Show password" }).click();
    s.equal(await page.locator("[name=password]").getAttribute("type"), "text", "type");
    await page.getByRole("button", { name: "Hide password" }).click();
    s.equal(await page.locator("[name=password]").getAttribute("type"), "password", "type");
    // A failed form has the address of its page: loading it again asks for the page.
    await page.goto("/auth/forgot");
    await press(page);
    await page.getByText("Enter your email address.").waitFor();
    s.equal(new URL(page.url()).pathname, "/auth/forgot", "address");
    await page.reload();
    s.equal(await page.locator(".errors").count(), 0, "errors after loading again");
    const without = await s.visit("plain", { js: false });
    await without.goto("/auth/signin");
    s.ok(await without.locator(".reveal").isHidden(), "a button that does nothing without JavaScript");
  }],

  ["a link that scanners have followed still works", async (s) => {
    const who = address("scanned");
    const page = await s.visit("plain");
    await page.goto("/auth/signup");
    await fill(page, { loginId: who, password });
    await press(page);
    const link = await s.link("plain", who, "verify_email");
    // A scanner with a browser: it opens the link and runs its scripts.
    for (let i = 0; i < 3; i++) await (await s.visit("plain")).goto(link);
    await page.goto(link);
    await press(page);
    await s.at(page, "/auth/verify", "Address confirmed");
  }],

  ["nothing is said by a stranger's link", async (s) => {
    const page = await s.visit("plain");
    await page.goto("/auth/verify?done=1");
    await s.at(page, "/auth/signin", "Sign in");
    await page.goto("/auth/forgot?sent=1");
    await s.at(page, "/auth/forgot", "Forgot your password?");
    await page.goto("/auth/signup?sent=1");
    await s.at(page, "/auth/signup", "Create your account");
    await page.goto("/auth/signin?notice=signed_out_all");
    await s.at(page, "/auth/signin", "Sign in");
    s.equal(await page.getByRole("status").count(), 0, "notices");
    await fill(page, { loginId: "nobody@example.com", password });
    await press(page);
    await page.getByRole("alert").waitFor();
    await page.goto("/auth/forgot?sent=1");
    await s.at(page, "/auth/forgot", "Forgot your password?");
  }],

  ["nothing is said by another site's form", async (s) => {
    const page = await s.visit("plain");
    const base = s.settings.sites.plain, foreign = s.settings.sites.closed;
    await page.route(foreign + "/evil", (route) => route.fulfill({
      contentType: "text/html",
      body: `<form method=post action="${base}/auth/signin"><input name=loginId value=a@b.example><input name=password value="${password}"><button>go</button></form>`,
    }));
    await page.goto(foreign + "/evil");
    await page.getByRole("button").click();
    await s.at(page, "/auth/signin", "Cross-origin request");
    s.complaints = s.complaints.filter((c) => !c.startsWith("foreign request"));
  }],
];
