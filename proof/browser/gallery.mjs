// Every page in its usual states, inspected.
import { address, otherPassword, password, signIn, signUp as fillSignUp, submit } from "./harness.mjs";

const signUp = async (page, user, name = "Ann Lindqvist") => {
  await fillSignUp(page, user, name);
  await page.waitForURL((u) => u.pathname === "/");
};

const signInAndWait = async (page, user) => {
  await page.goto("/auth/signin");
  await signIn(page, user, password);
  await page.waitForURL((u) => u.pathname === "/");
};

export const gallery = [
  ["gallery: sign-in", async (s) => {
    const page = await s.open("plain");
    await page.goto("/auth/signin");
    await s.inspect(page, "signin", { docs: true });
    await submit(page);
    await page.getByText("Enter your password.").waitFor();
    await s.inspect(page, "signin-empty");
    await page.locator("[name=loginId]").fill("nobody@example.com");
    await page.locator("[name=password]").fill(otherPassword);
    await submit(page);
    await page.getByRole("alert").waitFor();
    await s.inspect(page, "signin-failed", { docs: true });
    await page.goto("/inside");
    await s.expectPage(page, "/auth/signin", "Sign in");
    await s.inspect(page, "signin-return");
  }],
  ["gallery: sign-up", async (s) => {
    const page = await s.open("plain");
    await page.goto("/auth/signup");
    await page.locator("[name=password]").fill("vast otter sings");
    await page.locator("[name=name]").focus();
    await s.inspect(page, "signup", { docs: true });
    await page.locator("[name=loginId]").fill("no address@");
    await page.locator("[name=password]").fill("");
    await submit(page);
    await page.getByText("Choose a password.").waitFor();
    await s.inspect(page, "signup-empty");
    await page.locator("[name=loginId]").fill(address("weak"));
    await page.locator("[name=password]").fill("passwordpassword");
    await submit(page);
    await page.getByText("easy to guess").waitFor();
    await s.inspect(page, "signup-weak");
    const user = address("taken");
    await signUp(await s.open("plain"), user);
    await page.locator("[name=loginId]").fill(user);
    await page.locator("[name=password]").fill(password);
    await submit(page);
    await page.getByText("already an account with").waitFor();
    await s.inspect(page, "signup-taken");
  }],
  ["gallery: sign-up that is closed, confirmed first, or composed", async (s) => {
    let page = await s.open("closed");
    await page.goto("/auth/signup");
    await s.inspect(page, "signup-closed");
    page = await s.open("confirmFirst");
    await page.goto("/auth/signup");
    const user = address("first");
    await page.locator("[name=loginId]").fill(user);
    await page.locator("[name=password]").fill(password);
    await submit(page);
    await s.expectPage(page, "/auth/signup", "Check your email");
    await page.getByText(user).waitFor();
    await s.inspect(page, "signup-sent");
    page = await s.open("composed");
    await page.goto("/auth/signup");
    await page.locator("[name=password]").fill("otter7");
    await s.inspect(page, "signup-rules");
  }],
  ["gallery: forgotten password", async (s) => {
    const page = await s.open("plain");
    const user = address("forgetful");
    await signUp(await s.open("plain"), user);
    await page.goto("/auth/forgot");
    await s.inspect(page, "forgot");
    await page.locator("[name=loginId]").fill(user);
    await submit(page);
    await s.expectPage(page, "/auth/forgot", "Check your email");
    await s.inspect(page, "forgot-sent", { docs: true });
    const link = await s.emailedLink("plain", user, "confirm_and_reset");
    await page.goto(link);
    await s.expectPage(page, "/auth/reset", "Set a new password");
    await s.inspect(page, "reset", { docs: true });
    await page.locator("[name=newPassword]").fill("short");
    await submit(page);
    await page.getByText("Use at least").waitFor();
    await s.inspect(page, "reset-short");
    await page.locator("[name=newPassword]").fill(otherPassword);
    await submit(page);
    await s.expectPage(page, "/auth/signin", "Sign in");
    await s.inspect(page, "signin-after-reset");
    await page.goto(link);
    await s.expectPage(page, "/auth/reset", "This link no longer works");
    await s.inspect(page, "link-reset", { docs: true });
  }],
  ["gallery: confirming an address", async (s) => {
    const page = await s.open("plain");
    const user = address("confirming");
    await signUp(page, user);
    const link = await s.emailedLink("plain", user, "verify_email");
    await page.goto(link);
    await s.expectPage(page, "/auth/verify", "Confirm your email address");
    await s.inspect(page, "verify", { docs: true });
    const visitor = await s.open("plain");
    await visitor.goto("/auth/verify");
    await s.expectPage(visitor, "/auth/verify", "Open the link in the email again");
    await s.inspect(visitor, "link-missing");
    await visitor.goto(link);
    await s.expectPage(visitor, "/auth/verify", "Confirm your email address");
    await s.inspect(visitor, "verify-password", { docs: true });
    await visitor.locator("[name=password]").fill(otherPassword);
    await submit(visitor);
    await visitor.getByText("This is not the password of this account.").waitFor();
    await s.inspect(visitor, "verify-password-wrong");
    await visitor.getByRole("link", { name: "Set a new password" }).click();
    await s.expectPage(visitor, "/auth/forgot", "Forgot your password?");
    await s.inspect(visitor, "forgot-from-link");
    await submit(page);
    await s.expectPage(page, "/auth/verify", "Address confirmed");
    await s.inspect(page, "verified");
    await page.goto(link);
    await s.expectPage(page, "/auth/verify", "This link no longer works");
    await s.inspect(page, "link-verify");
    await visitor.goto(link);
    await s.inspect(visitor, "link-verify-visitor");
  }],
  ["gallery: account", async (s) => {
    const user = address("ann.lindqvist");
    const page = await s.open("plain", { userAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15" });
    await signUp(page, user);
    await page.goto("/auth/account");
    await s.inspect(page, "account-unconfirmed");
    await page.goto(await s.emailedLink("plain", user, "verify_email"));
    await submit(page);
    for (const userAgent of [
      "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
    ]) {
      await signInAndWait(await s.open("plain", { userAgent }), user);
    }
    await page.goto("/auth/account");
    await s.inspect(page, "account", { docs: true });
    await page.goto("/auth/account/name");
    await s.inspect(page, "account-name");
    await submit(page);
    await page.getByText("Your name has been saved.").waitFor();
    await s.inspect(page, "account-notice");
    await page.goto("/auth/account/email");
    await s.inspect(page, "account-email");
    await page.locator("[name=newEmail]").fill("nowhere");
    await page.locator("[name=currentPassword]").fill(otherPassword);
    await submit(page);
    await page.getByText("Enter an email address like").waitFor();
    await s.inspect(page, "account-email-wrong");
    const moved = address("moved");
    await page.locator("[name=newEmail]").fill(moved);
    await page.locator("[name=currentPassword]").fill(password);
    await submit(page);
    await page.getByText("sent an email to the new address").waitFor();
    const change = await s.emailedLink("plain", moved, "change_email");
    await page.goto(change);
    await s.inspect(page, "verify-change");
    const visitor = await s.open("plain");
    await visitor.goto(change);
    await s.inspect(visitor, "verify-change-password");
    await page.goto("/auth/account/password");
    await s.inspect(page, "account-password", { docs: true });
    await page.locator("[name=currentPassword]").fill(otherPassword);
    await page.locator("[name=newPassword]").fill(otherPassword);
    await submit(page);
    await page.getByText("This is not your current password.").waitFor();
    await s.inspect(page, "account-password-wrong");
    await page.goto("/auth/account");
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.getByText("You’re signed out.").waitFor();
    await s.inspect(page, "signed-out");
  }],
  ["gallery: many devices", async (s) => {
    const user = address("many");
    for (const lang of ["en", "es", "fr", "de", "he"]) {
      const page = await s.open("plain", { lang });
      if (lang === "en") {
        await signUp(page, user);
        for (let i = 0; i < 6; i++) await signInAndWait(await s.open("plain"), user);
      } else {
        await signInAndWait(page, user);
      }
      await page.goto("/auth/account");
      await page.locator("summary").click();
      await s.inspect(page, `account-many-${lang}`, { schemes: ["light"] });
    }
  }],
  ["gallery: long names and a dark accent", async (s) => {
    const user = `${"heinrich-".repeat(6)}${address("x")}`;
    const page = await s.open("night");
    await page.goto("/auth/signin");
    await s.inspect(page, "signin-night");
    await signUp(page, user, "Annabellachristinadorothea ".repeat(5) + "x".repeat(60));
    await page.goto("/auth/account");
    await s.inspect(page, "account-night");
    await page.goto("/auth/forgot");
    await page.locator("[name=loginId]").fill(user);
    await submit(page);
    await page.getByText(user).waitFor();
    await s.inspect(page, "forgot-sent-night");
    await page.goto(await s.emailedLink("night", user, "confirm_and_reset"));
    await s.expectPage(page, "/auth/reset", "Set a new password");
    await page.getByText(user, { exact: true }).waitFor();
    s.equal(await page.locator("[name=username]").inputValue(), user, "the user name for password managers");
    await s.inspect(page, "reset-night");
  }],
  ["gallery: an expired password", async (s) => {
    const page = await s.open("plain");
    const user = address("expired");
    await signUp(await s.open("plain"), user);
    await s.expirePassword("plain", user);
    await page.goto("/auth/signin");
    await page.locator("[name=loginId]").fill(user);
    await page.locator("[name=password]").fill(password);
    await submit(page);
    await s.expectPage(page, "/auth/signin", "Choose a new password");
    await s.inspect(page, "replace");
  }],
  ["gallery: limits and problems", async (s) => {
    const page = await s.open("throttled");
    await page.goto("/auth/signin");
    for (let i = 0; i < 6; i++) {
      await page.locator("[name=loginId]").fill("guessed@example.com");
      await page.locator("[name=password]").fill(otherPassword);
      await Promise.all([page.waitForNavigation(), submit(page)]);
    }
    await page.getByText("Too many attempts").waitFor();
    await s.inspect(page, "signin-limit");
    await page.goto("/auth/nothing");
    await s.inspect(page, "not-found");
  }],
  ["gallery: languages", async (s) => {
    for (const lang of ["de", "fr", "es", "he"]) {
      const page = await s.open("plain", { lang });
      const user = address(lang);
      const schemes = lang === "he" ? ["light", "dark"] : ["light"]; // the colors are those of English
      await page.goto("/auth/signin");
      s.equal(await page.locator("html").getAttribute("dir"), lang === "he" ? "rtl" : "ltr", "direction");
      await page.locator("[name=loginId]").fill(user);
      await page.locator("[name=password]").fill(otherPassword);
      await submit(page);
      await page.getByRole("alert").waitFor();
      await s.inspect(page, `signin-failed-${lang}`, { schemes });
      await page.goto("/auth/signup");
      await page.locator("[name=password]").fill("vast otter sings low");
      await s.inspect(page, `signup-${lang}`, { schemes, docs: lang === "he" });
      await signUp(page, user);
      await page.goto("/auth/account");
      await s.inspect(page, `account-${lang}`, { schemes, docs: lang === "he" });
      await page.goto("/auth/account/email");
      await page.locator("[name=newEmail]").fill(address(`moved-${lang}`));
      await page.locator("[name=currentPassword]").fill(password);
      await submit(page);
      await page.getByRole("status").waitFor();
      await s.inspect(page, `account-pending-${lang}`, { schemes });
      const visitor = await s.open("plain", { lang });
      await visitor.goto(await s.emailedLink("plain", user, "verify_email"));
      await visitor.locator("[name=password]").waitFor();
      await s.inspect(visitor, `verify-password-${lang}`, { schemes });
      await page.goto("/auth/forgot");
      await page.locator("[name=loginId]").fill(user);
      await submit(page);
      await page.getByText(user).waitFor();
      await s.inspect(page, `forgot-sent-${lang}`, { schemes });
    }
  }],
  ["gallery: the frame of a program", async (s) => {
    const page = await s.open("framed");
    await page.goto("/auth/signup");
    await s.expectPage(page, "/auth/signup", "Create your account");
    s.equal(await page.evaluate(() => document.documentElement.dataset.own), "1", "the script of the program");
    s.equal(await page.evaluate(() => getComputedStyle(document.querySelector("nav")).display), "flex", "the style of the program");
    await s.inspect(page, "framed", { docs: true });
    // A file of the same host that is not listed does not run.
    const before = s.failures.length;
    await page.evaluate(() => new Promise((done) => {
      const script = document.createElement("script");
      script.onload = script.onerror = done;
      script.src = "/unlisted.js";
      document.body.append(script);
    }));
    s.equal(await page.evaluate(() => document.documentElement.dataset.unlisted), undefined, "a script that is not listed");
    s.failures.splice(before); // the console reports it
    await signUp(page, address("framed"));
    await page.goto("/auth/account");
    await s.inspect(page, "framed-account");
  }],
  ["gallery: emails", async (s) => {
    const page = await s.open("plain");
    for (const kind of [
      "verify_email", "already_registered", "reset_password", "confirm_and_reset", "password_changed", "change_email", "email_changing",
      "email_changed", "login_ids_changed", "sign_in_notice", "password_locked", "password_breached", "account_deleted", "invitation",
    ]) {
      await page.goto(`/test/email?kind=${kind}&lang=en`);
      await page.locator("h1").waitFor();
      await s.inspect(page, `email-${kind}`, { docs: kind === "reset_password", email: true });
    }
    for (const lang of ["de", "fr", "es", "he"]) {
      await page.goto(`/test/email?kind=reset_password&lang=${lang}`);
      s.equal(await page.locator("html").getAttribute("lang"), lang, "language");
      await s.inspect(page, `email-${lang}`, { schemes: lang === "he" ? ["light", "dark"] : ["light"], email: true });
    }
  }],
  ["gallery: a style of its own", async (s) => {
    const page = await s.open("branded");
    await page.goto("/auth/signin");
    await s.expectPage(page, "/auth/signin", "Welcome aboard");
    await s.inspect(page, "signin-branded", { docs: true });
  }],
];
