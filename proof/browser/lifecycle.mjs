// The lifecycle of an account, with a mouse, with and without JavaScript.
import { address, fill, otherPassword, password, signIn, signUp, submit } from "./harness.mjs";

// Signs up, confirms the address, changes name, password and address, resets the password, and signs out.
const account = (js) => async (s) => {
  const user = address("life");
  const page = await s.open("plain", { js });

  // A protected page leads to the sign-in, which leads back to that page.
  await page.goto("/inside?tab=2");
  await s.expectPage(page, "/auth/signin", "Sign in");
  await page.getByRole("link", { name: "Create an account" }).click();
  await s.expectPage(page, "/auth/signup", "Create your account");
  await fill(page, { name: "Ann", loginId: user, password: "short" });
  await submit(page);
  await page.getByText("Use at least 15 characters.").waitFor();
  s.equal(await page.locator("[name=loginId]").inputValue(), user, "what was typed");
  s.equal(await page.locator("[name=name]").inputValue(), "Ann", "what was typed");
  s.equal(await page.locator("[name=password]").inputValue(), "", "a password comes back");
  await s.waitForFocus(page, "[name=password]");
  await fill(page, { password });
  await submit(page);
  await s.expectPage(page, "/inside", "Inside");
  s.equal(new URL(page.url()).search, "?tab=2", "query");

  // The emailed link shows the account, leaves no token in the URL, and does nothing until a button is pressed.
  const link = await s.emailedLink("plain", user, "verify_email");
  await page.goto("/auth/account");
  await page.getByText("Not confirmed yet", { exact: true }).waitFor();
  await page.goto(link);
  await s.expectPage(page, "/auth/verify", "Confirm your email address");
  s.equal(new URL(page.url()).search, "", "the token stays in the address");
  await page.getByText(user).waitFor();
  await submit(page);
  await s.expectPage(page, "/auth/verify", "Address confirmed");
  await page.reload();
  await s.expectPage(page, "/auth/verify", "Address confirmed");
  await page.goto("/auth/account");
  await page.getByText("Confirmed", { exact: true }).waitFor();

  // Name.
  await page.getByRole("link", { name: "Change name" }).click();
  s.equal(await page.locator("[name=name]").inputValue(), "Ann", "the name");
  await fill(page, { name: "Ann <b>Lindqvist</b>" });
  await submit(page);
  await s.expectPage(page, "/auth/account", "Your account");
  await page.getByText("Ann <b>Lindqvist</b>").waitFor();

  // Password, while another device is signed in.
  const other = await s.open("plain", { js });
  await other.goto("/auth/signin");
  await signIn(other, user, password);
  await s.expectPage(other, "/", "Home");
  await page.getByRole("link", { name: "Change password" }).click();
  await fill(page, { currentPassword: otherPassword, newPassword: otherPassword });
  await submit(page);
  await page.getByText("This is not your current password.").waitFor();
  await s.waitForFocus(page, "[name=currentPassword]");
  await fill(page, { currentPassword: password, newPassword: otherPassword });
  await submit(page);
  await page.getByText("Your password has been changed.").waitFor();
  await other.goto("/auth/account");
  await s.expectPage(other, "/auth/signin", "Sign in");

  // The address, mistyped at first. The account page shows the pending change and can cancel it.
  const moved = address("moved"), mistyped = address("mistyped");
  await page.getByRole("link", { name: "Change email address" }).click();
  await fill(page, { newEmail: mistyped, currentPassword: otherPassword });
  await submit(page);
  await page.getByText("sent an email to the new address").waitFor();
  await page.getByText(mistyped, { exact: true }).waitFor();
  await page.goto("/auth/account");
  if (js) await s.inspect(page, "account-pending");
  await page.getByRole("button", { name: "Cancel the change of email address" }).click();
  await s.expectPage(page, "/auth/account", "Your account");
  await page.getByText("The change has been canceled.").waitFor();
  s.equal(await page.getByText(mistyped).count(), 0, "the cancelled address");
  if (js) await s.inspect(page, "account-cancelled", { schemes: ["light"] });
  await other.goto(await s.emailedLink("plain", mistyped, "change_email"));
  await s.expectPage(other, "/auth/verify", "This link no longer works");
  await other.goto("/auth/account");
  await s.expectPage(other, "/auth/signin", "Sign in");
  await page.getByRole("link", { name: "Change email address" }).click();
  await fill(page, { newEmail: moved, currentPassword: otherPassword });
  await submit(page);
  await page.getByText("sent an email to the new address").waitFor();
  await page.getByText(user).waitFor();
  await page.goto(await s.emailedLink("plain", moved, "change_email"));
  await s.expectPage(page, "/auth/verify", "Confirm your new email address");
  await submit(page);
  await s.expectPage(page, "/auth/verify", "Address confirmed");
  await page.goto("/auth/account");
  await page.getByText(moved).waitFor();

  // A sign-out of another device.
  await signIn(other, moved, otherPassword);
  await s.expectPage(other, "/auth/account", "Your account");
  await page.reload();
  await page.locator(".sessions li").filter({ hasNot: page.getByText("This device", { exact: true }) }).getByRole("button").click();
  await page.getByText("The device has been signed out.").waitFor();
  s.equal(await page.locator(".sessions li").count(), 1, "devices");
  await other.goto("/auth/account");
  await s.expectPage(other, "/auth/signin", "Sign in");

  // A forgotten password, in a browser that is signed in.
  await page.goto("/auth/forgot");
  await fill(page, { loginId: moved });
  await submit(page);
  await s.expectPage(page, "/auth/forgot", "Check your email");
  const reset = await s.emailedLink("plain", moved, "reset_password");
  await page.goto(reset);
  await s.expectPage(page, "/auth/reset", "Set a new password");
  s.equal(new URL(page.url()).search, "", "the token stays in the address");
  s.equal(await page.locator("[autocomplete=username]").inputValue(), moved, "the user name for password managers");
  await page.reload();
  await s.expectPage(page, "/auth/reset", "Set a new password");
  await fill(page, { newPassword: "passwordpassword" });
  await submit(page);
  await page.getByText("easy to guess").waitFor();
  await fill(page, { newPassword: password });
  await submit(page);
  await s.expectPage(page, "/auth/signin", "Sign in");
  await page.getByText("Your new password is set.").waitFor();
  await other.goto(reset);
  await s.expectPage(other, "/auth/reset", "This link no longer works");

  // A sign-out everywhere.
  await signIn(page, moved, password);
  await s.expectPage(page, "/", "Home");
  await page.goto("/auth/account");
  await page.getByRole("link", { name: "Sign out everywhere" }).click();
  await s.expectPage(page, "/auth/account/signout", "Sign out everywhere?");
  if (js) await s.inspect(page, "everywhere");
  await submit(page);
  await s.expectPage(page, "/auth/signin", "Sign in");
  await page.getByText("You’re signed out everywhere.").waitFor();
  await page.goto("/inside");
  await s.expectPage(page, "/auth/signin", "Sign in");
};

// Chooses a language at the foot of a page, which stays for the next pages.
const language = (js) => async (s) => {
  const page = await s.open("plain", { js, lang: "fr" });
  await page.goto("/inside?tab=2");
  await page.getByRole("button", { name: "Deutsch" }).click();
  await s.expectPage(page, "/auth/signin", "Anmelden");
  await page.getByRole("link", { name: "Konto anlegen" }).click();
  await page.locator("html[lang=de]").waitFor();
  await fill(page, { loginId: address("sprache"), password: "kurz" });
  await submit(page);
  await page.getByRole("button", { name: "עברית" }).click();
  await page.locator("html[dir=rtl]").waitFor();
  s.equal(new URL(page.url()).pathname, "/auth/signup", "path");
  await page.getByRole("button", { name: "English" }).focus();
  await page.keyboard.press("Enter");
  await s.expectPage(page, "/auth/signup", "Create your account");
  await fill(page, { loginId: address("language"), password });
  await submit(page);
  await s.expectPage(page, "/inside", "Inside");
  s.equal(new URL(page.url()).search, "?tab=2", "query");
};

// With ConfirmFirst, sign-up does not reveal whether an account exists.
const confirmFirst = (js) => async (s) => {
  const user = address("first");
  const page = await s.open("confirmFirst", { js });
  await page.goto("/auth/signup");
  await fill(page, { loginId: user, password });
  await submit(page);
  await s.expectPage(page, "/auth/signup", "Check your email");
  await page.goto("/auth/signin");
  await signIn(page, user, password);
  await page.getByText("isn’t confirmed yet").waitFor();
  await page.goto(await s.emailedLink("confirmFirst", user, "verify_email"));
  await page.getByText("enter the password you chose").waitFor();
  await fill(page, { password });
  await page.keyboard.press("Enter");
  await s.expectPage(page, "/auth/verify", "Address confirmed");
  await page.goto("/auth/signin");
  await signIn(page, user, password);
  await s.expectPage(page, "/", "Home");
};

// An attacker signs up with the address of a victim. The victim's click confirms nothing; a reset by email gives the
// account to the victim.
const claim = (js) => async (s) => {
  const user = address("victim");
  const attacker = await s.open("plain", { js });
  await attacker.goto("/auth/signup");
  await fill(attacker, { loginId: user, password });
  await submit(attacker);
  await s.expectPage(attacker, "/", "Home");
  const owner = await s.open("plain", { js });
  const link = await s.emailedLink("plain", user, "verify_email");
  await owner.goto(link);
  await s.expectPage(owner, "/auth/verify", "Confirm your email address");
  await submit(owner);
  await owner.getByText("Enter your password.").waitFor();
  await s.waitForFocus(owner, "[name=password]");
  await fill(owner, { password: otherPassword });
  await submit(owner);
  await owner.getByText("This is not the password of this account.").waitFor();
  s.equal(await owner.locator("[name=password]").inputValue(), "", "a password comes back");
  await attacker.goto("/auth/account");
  await attacker.getByText("Not confirmed yet", { exact: true }).waitFor();
  await owner.getByRole("link", { name: "Set a new password" }).click();
  await s.expectPage(owner, "/auth/forgot", "Forgot your password?");
  s.equal(await owner.locator("[name=loginId]").inputValue(), user, "the login id of the link");
  s.ok(!decodeURIComponent(owner.url()).includes(user), "an address in the address bar");
  await submit(owner);
  await owner.goto(await s.emailedLink("plain", user, "confirm_and_reset"));
  await fill(owner, { newPassword: otherPassword });
  await submit(owner);
  await s.expectPage(owner, "/auth/signin", "Sign in");
  await attacker.goto("/auth/account");
  await s.expectPage(attacker, "/auth/signin", "Sign in");
  await signIn(attacker, user, password);
  await attacker.getByText("is wrong").waitFor();
  await signIn(owner, user, otherPassword);
  await s.expectPage(owner, "/", "Home");
  await owner.goto("/auth/account");
  await owner.getByText("Confirmed", { exact: true }).waitFor();
  await owner.goto(link);
  await s.expectPage(owner, "/auth/verify", "This link no longer works");
};

const expired = (js) => async (s) => {
  const user = address("expired");
  const page = await s.open("plain", { js });
  await page.goto("/auth/signup");
  await fill(page, { loginId: user, password });
  await submit(page);
  await s.expectPage(page, "/", "Home");
  await s.expirePassword("plain", user);
  const fresh = await s.open("plain", { js });
  await fresh.goto("/inside");
  await signIn(fresh, user, password);
  await s.expectPage(fresh, "/auth/signin", "Choose a new password");
  s.equal(await fresh.locator("[name=loginId]").inputValue(), user, "what was typed");
  await fill(fresh, { oldPassword: password, newPassword: otherPassword });
  await submit(fresh);
  await s.expectPage(fresh, "/inside", "Inside");
};

// The codes of emails, typed on the pages on which the user asked: on the account page, after a forgotten password, and
// after a sign-up that is confirmed first.
const codes = (js) => async (s) => {
  const user = address("codes");
  const page = await s.open("plain", { js });
  await page.goto("/auth/signup");
  await fill(page, { loginId: user, password });
  await submit(page);
  await s.expectPage(page, "/", "Home");
  const confirm = await s.email("plain", user, "verify_email");
  await page.goto("/auth/account");
  await fill(page, { code: confirm.code === "000000" ? "000001" : "000000" });
  await page.getByRole("button", { name: "Confirm this address" }).click();
  await page.getByText("wrong or has expired").waitFor();
  await page.getByRole("heading", { name: "Your account" }).waitFor();
  await s.waitForFocus(page, "[name=code]");
  if (js) await s.inspect(page, "account-code-wrong");
  await fill(page, { code: `${confirm.code.slice(0, 3)} ${confirm.code.slice(3)}` });
  await page.keyboard.press("Enter");
  await s.expectPage(page, "/auth/verify", "Address confirmed");
  const elsewhere = await s.open("plain", { js });
  await elsewhere.goto(confirm.link);
  await s.expectPage(elsewhere, "/auth/verify", "This link no longer works");

  const visitor = await s.open("plain", { js });
  await visitor.goto("/auth/forgot");
  await fill(visitor, { loginId: user });
  await submit(visitor);
  await s.expectPage(visitor, "/auth/forgot", "Check your email");
  const { code } = await s.email("plain", user, "reset_password");
  await fill(visitor, { code: "12345", newPassword: "short" });
  await submit(visitor);
  await visitor.getByText("The code has six digits.").waitFor();
  if (js) {
    await visitor.reload(); // the script gives the page the address at which it is opened
    await s.expectPage(visitor, "/auth/forgot", "Check your email");
  }
  await fill(visitor, { code: code === "000000" ? "000001" : "000000", newPassword: otherPassword });
  await submit(visitor);
  await visitor.getByText("wrong or has expired").waitFor();
  if (js) await s.inspect(visitor, "forgot-code-wrong");
  const fullWidth = [...code].map((digit) => String.fromCodePoint(digit.codePointAt(0) - 0x30 + 0xff10)).join("");
  await fill(visitor, { code: fullWidth, newPassword: otherPassword });
  await submit(visitor);
  await s.expectPage(visitor, "/auth/signin", "Sign in");
  await visitor.getByText("Your new password is set.").waitFor();
  await signIn(visitor, user, otherPassword);
  await s.expectPage(visitor, "/", "Home");

  const first = address("codefirst");
  const asker = await s.open("confirmFirst", { js });
  await asker.goto("/auth/signup");
  await fill(asker, { loginId: first, password });
  await submit(asker);
  await s.expectPage(asker, "/auth/signup", "Check your email");
  await fill(asker, { code: (await s.email("confirmFirst", first, "verify_email")).code, password });
  await submit(asker);
  await s.expectPage(asker, "/auth/verify", "Address confirmed");
};

// An operator who stays signed in acts as one user after the other, and comes back to the same session each time.
const actAs = (js) => async (s) => {
  const operator = address("desk"), users = [address("helped"), address("helped")];
  for (const user of users) await signUp(await s.open("plain", { js }), user, "Ann");
  const page = await s.open("plain", { js });
  await signUp(page, operator, "Desk");
  await s.expectPage(page, "/", "Home");
  await page.goto("/auth/account");
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await s.expectPage(page, "/auth/signin", "Sign in");
  await page.locator("[name=rememberMe]").check();
  await signIn(page, operator, password);
  await s.expectPage(page, "/", "Home");

  const me = async () => JSON.parse(await (await page.request.get("/auth/me", { headers: { Accept: "application/json" } })).text());
  const cookie = async (name) => (await page.context().cookies()).find((c) => c.name === name);
  const own = await me(), session = await cookie("__Host-session");
  s.ok(session.expires > Date.now() / 1000 + 24 * 3600, "the session cookie ends with the browser");
  const isOperator = async () => {
    const now = await cookie("__Host-session");
    s.equal(now.value, session.value, "the session cookie");
    s.equal(now.expires, session.expires, "the end of the session cookie");
  };
  for (const user of users) {
    await page.goto("/desk");
    await fill(page, { user });
    await page.getByRole("button", { name: "Act" }).click();
    await s.expectPage(page, "/auth/account", "Your account");
    await page.getByText(`You’re acting as ${user}.`).waitFor();
    s.equal((await me()).user.loginId, user, "the user");
    s.equal((await me()).actor, "ops:desk", "the operator");
    s.equal((await cookie("__Host-session-as")).expires, -1, "the end of the second cookie");
    await isOperator();
    if (js && user === users[0]) await s.inspect(page, "account-acting", { schemes: ["light"] });

    // The name can be changed, the password cannot.
    s.equal(await page.locator('a[href="/auth/account/password"]').count(), 0, "links to the change of the password");
    await page.goto("/auth/account/password");
    await page.getByText("You don’t have permission to do this.").waitFor();
    await page.getByText(`You’re acting as ${user}.`).waitFor();
    s.equal(await page.locator("[name=newPassword]").count(), 0, "inputs for a password");
    await page.goto("/auth/account");
    await page.getByRole("link", { name: "Change name" }).click();
    await fill(page, { name: "By the desk" });
    await submit(page);
    await s.expectPage(page, "/auth/account", "Your account");
    await page.getByText("By the desk").waitFor();

    await page.getByRole("button", { name: "Stop" }).click();
    await s.expectPage(page, "/auth/account", "Your account");
    await page.getByText(operator, { exact: true }).first().waitFor();
    s.equal(await page.getByText("You’re acting as").count(), 0, "notes about acting");
    s.equal(await cookie("__Host-session-as"), undefined, "the second cookie");
    s.equal(JSON.stringify(await me()), JSON.stringify(own), "the operator and the session");
    await isOperator();
    await page.goBack(); // shows no page of the user
    s.equal(await page.getByText("You’re acting as").count(), 0, "notes about acting after a step back");
  }
  await page.goto("/auth/account");
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await s.expectPage(page, "/auth/signin", "Sign in");
  s.equal(await cookie("__Host-session"), undefined, "the session cookie after another sign-out");
};

const withAndWithoutScript = (name, test) => [[`${name}, with JavaScript`, test(true)], [`${name}, without JavaScript`, test(false)]];

export const lifecycle = [
  ...withAndWithoutScript("the lifecycle of an account", account),
  ...withAndWithoutScript("confirm first", confirmFirst),
  ...withAndWithoutScript("claim of an unconfirmed account", claim),
  ...withAndWithoutScript("codes of emails", codes),
  ...withAndWithoutScript("an expired password", expired),
  ...withAndWithoutScript("a language", language),
  ...withAndWithoutScript("an operator acts as users", actAs),
];
