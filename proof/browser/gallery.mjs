// Every page in every state, looked at closely.
import { address, another, password } from "./stage.mjs";

const signUp = async (page, who, name = "Ann Lindqvist") => {
  await page.goto("/auth/signup");
  await page.locator("[name=name]").fill(name);
  await page.locator("[name=loginId]").fill(who);
  await page.locator("[name=password]").fill(password);
  await page.locator("button.primary").click();
  await page.waitForURL((u) => u.pathname === "/");
};

const enter = async (page, who) => {
  await page.goto("/auth/signin");
  await page.locator("[name=loginId]").fill(who);
  await page.locator("[name=password]").fill(password);
  await page.locator("button.primary").click();
  await page.waitForURL((u) => u.pathname === "/");
};

export const gallery = [
  ["gallery: sign-in", async (s) => {
    const page = await s.visit("plain");
    await page.goto("/auth/signin");
    await s.look(page, "signin", { docs: true });
    await page.locator("button.primary").click();
    await page.getByText("Enter your password.").waitFor();
    await s.look(page, "signin-empty");
    await page.locator("[name=loginId]").fill("nobody@example.com");
    await page.locator("[name=password]").fill(another);
    await page.locator("button.primary").click();
    await page.getByRole("alert").waitFor();
    await s.look(page, "signin-failed", { docs: true });
    await page.goto("/inside");
    await s.at(page, "/auth/signin", "Sign in");
    await s.look(page, "signin-return");
  }],
  ["gallery: sign-up", async (s) => {
    const page = await s.visit("plain");
    await page.goto("/auth/signup");
    await page.locator("[name=password]").fill("vast otter sings");
    await page.locator("[name=name]").focus();
    await s.look(page, "signup", { docs: true });
    await page.locator("[name=loginId]").fill("no address@");
    await page.locator("[name=password]").fill("");
    await page.locator("button.primary").click();
    await page.getByText("Choose a password.").waitFor();
    await s.look(page, "signup-empty");
    await page.locator("[name=loginId]").fill(address("weak"));
    await page.locator("[name=password]").fill("passwordpassword");
    await page.locator("button.primary").click();
    await page.getByText("easy to guess").waitFor();
    await s.look(page, "signup-weak");
    const who = address("taken");
    await signUp(await s.visit("plain"), who);
    await page.locator("[name=loginId]").fill(who);
    await page.locator("[name=password]").fill(password);
    await page.locator("button.primary").click();
    await page.getByText("already an account with").waitFor();
    await s.look(page, "signup-taken");
  }],
  ["gallery: sign-up that is closed, confirmed first, or composed", async (s) => {
    let page = await s.visit("closed");
    await page.goto("/auth/signup");
    await s.look(page, "signup-closed");
    page = await s.visit("confirmFirst");
    await page.goto("/auth/signup");
    const who = address("first");
    await page.locator("[name=loginId]").fill(who);
    await page.locator("[name=password]").fill(password);
    await page.locator("button.primary").click();
    await s.at(page, "/auth/signup", "Check your email");
    await page.getByText(who).waitFor();
    await s.look(page, "signup-sent");
    page = await s.visit("composed");
    await page.goto("/auth/signup");
    await page.locator("[name=password]").fill("otter7");
    await s.look(page, "signup-rules");
  }],
  ["gallery: forgotten password", async (s) => {
    const page = await s.visit("plain");
    const who = address("forgetful");
    await signUp(await s.visit("plain"), who);
    await page.goto("/auth/forgot");
    await s.look(page, "forgot");
    await page.locator("[name=loginId]").fill(who);
    await page.locator("button.primary").click();
    await s.at(page, "/auth/forgot", "Check your email");
    await s.look(page, "forgot-sent", { docs: true });
    const link = await s.link("plain", who, "confirm_and_reset");
    await page.goto(link);
    await s.at(page, "/auth/reset", "Set a new password");
    await s.look(page, "reset", { docs: true });
    await page.locator("[name=newPassword]").fill("short");
    await page.locator("button.primary").click();
    await page.getByText("Use at least").waitFor();
    await s.look(page, "reset-short");
    await page.locator("[name=newPassword]").fill(another);
    await page.locator("button.primary").click();
    await s.at(page, "/auth/signin", "Sign in");
    await s.look(page, "signin-after-reset");
    await page.goto(link);
    await s.at(page, "/auth/reset", "This link no longer works");
    await s.look(page, "link-reset", { docs: true });
  }],
  ["gallery: confirming an address", async (s) => {
    const page = await s.visit("plain");
    const who = address("confirming");
    await signUp(page, who);
    const link = await s.link("plain", who, "verify_email");
    await page.goto(link);
    await s.at(page, "/auth/verify", "Confirm your email address");
    await s.look(page, "verify", { docs: true });
    const stranger = await s.visit("plain");
    await stranger.goto(link);
    await s.at(stranger, "/auth/verify", "Confirm your email address");
    await s.look(stranger, "verify-password", { docs: true });
    await stranger.locator("[name=password]").fill(another);
    await stranger.locator("button.primary").click();
    await stranger.getByText("This is not the password of this account.").waitFor();
    await s.look(stranger, "verify-password-wrong");
    await stranger.getByRole("link", { name: "Set a new password" }).click();
    await s.at(stranger, "/auth/forgot", "Forgot your password?");
    await s.look(stranger, "forgot-from-link");
    await page.locator("button.primary").click();
    await s.at(page, "/auth/verify", "Address confirmed");
    await s.look(page, "verified");
    await page.goto(link);
    await s.at(page, "/auth/verify", "This link no longer works");
    await s.look(page, "link-verify");
    await stranger.goto(link);
    await s.look(stranger, "link-verify-stranger");
  }],
  ["gallery: account", async (s) => {
    const who = address("ann.lindqvist");
    const page = await s.visit("plain", { userAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15" });
    await signUp(page, who);
    await page.goto("/auth/account");
    await s.look(page, "account-unconfirmed");
    await page.goto(await s.link("plain", who, "verify_email"));
    await page.locator("button.primary").click();
    for (const userAgent of [
      "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
    ]) {
      await enter(await s.visit("plain", { userAgent }), who);
    }
    await page.goto("/auth/account");
    await s.look(page, "account", { docs: true });
    await page.goto("/auth/account/name");
    await s.look(page, "account-name");
    await page.locator("button.primary").click();
    await page.getByText("Your name has been saved.").waitFor();
    await s.look(page, "account-notice");
    await page.goto("/auth/account/email");
    await s.look(page, "account-email");
    await page.locator("[name=newEmail]").fill("nowhere");
    await page.locator("[name=currentPassword]").fill(another);
    await page.locator("button.primary").click();
    await page.getByText("Enter an email address like").waitFor();
    await s.look(page, "account-email-wrong");
    const moved = address("moved");
    await page.locator("[name=newEmail]").fill(moved);
    await page.locator("[name=currentPassword]").fill(password);
    await page.locator("button.primary").click();
    await page.getByText("sent an email to the new address").waitFor();
    const change = await s.link("plain", moved, "change_email");
    await page.goto(change);
    await s.look(page, "verify-change");
    const stranger = await s.visit("plain");
    await stranger.goto(change);
    await s.look(stranger, "verify-change-password");
    await page.goto("/auth/account/password");
    await s.look(page, "account-password", { docs: true });
    await page.locator("[name=currentPassword]").fill(another);
    await page.locator("[name=newPassword]").fill(another);
    await page.locator("button.primary").click();
    await page.getByText("This is not your current password.").waitFor();
    await s.look(page, "account-password-wrong");
    await page.goto("/auth/account");
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.getByText("You’re signed out.").waitFor();
    await s.look(page, "signed-out");
  }],
  ["gallery: many devices", async (s) => {
    const who = address("many");
    for (const lang of ["en", "es", "fr", "de", "he"]) {
      const page = await s.visit("plain", { lang });
      if (lang === "en") {
        await signUp(page, who);
        for (let i = 0; i < 6; i++) await enter(await s.visit("plain"), who);
      } else {
        await enter(page, who);
      }
      await page.goto("/auth/account");
      await page.locator("summary").click();
      await s.look(page, `account-many-${lang}`, { schemes: ["light"] });
    }
  }],
  ["gallery: long names and a dark accent", async (s) => {
    const who = `${"heinrich-".repeat(6)}${address("x")}`;
    const page = await s.visit("night");
    await page.goto("/auth/signin");
    await s.look(page, "signin-night");
    await signUp(page, who, "Annabellachristinadorothea ".repeat(5) + "x".repeat(60));
    await page.goto("/auth/account");
    await s.look(page, "account-night");
    await page.goto("/auth/forgot");
    await page.locator("[name=loginId]").fill(who);
    await page.locator("button.primary").click();
    await page.getByText(who).waitFor();
    await s.look(page, "forgot-sent-night");
    await page.goto(await s.link("night", who, "confirm_and_reset"));
    await s.at(page, "/auth/reset", "Set a new password");
    await page.getByText(who, { exact: true }).waitFor();
    s.equal(await page.locator("[name=username]").inputValue(), who, "the user name for password managers");
    await s.look(page, "reset-night");
  }],
  ["gallery: an expired password", async (s) => {
    const page = await s.visit("plain");
    const who = address("expired");
    await signUp(await s.visit("plain"), who);
    await s.expire("plain", who);
    await page.goto("/auth/signin");
    await page.locator("[name=loginId]").fill(who);
    await page.locator("[name=password]").fill(password);
    await page.locator("button.primary").click();
    await s.at(page, "/auth/signin", "Choose a new password");
    await s.look(page, "replace");
  }],
  ["gallery: limits and problems", async (s) => {
    const page = await s.visit("throttled");
    await page.goto("/auth/signin");
    for (let i = 0; i < 6; i++) {
      await page.locator("[name=loginId]").fill("guessed@example.com");
      await page.locator("[name=password]").fill(another);
      await Promise.all([page.waitForNavigation(), page.locator("button.primary").click()]);
    }
    await page.getByText("Too many attempts").waitFor();
    await s.look(page, "signin-limit");
    await page.goto("/auth/nothing");
    await s.look(page, "not-found");
  }],
  ["gallery: languages", async (s) => {
    for (const lang of ["de", "fr", "es", "he"]) {
      const page = await s.visit("plain", { lang });
      const who = address(lang);
      const schemes = lang === "he" ? ["light", "dark"] : ["light"]; // the colours are those of English
      await page.goto("/auth/signin");
      s.equal(await page.locator("html").getAttribute("dir"), lang === "he" ? "rtl" : "ltr", "direction");
      await page.locator("[name=loginId]").fill(who);
      await page.locator("[name=password]").fill(another);
      await page.locator("button.primary").click();
      await page.getByRole("alert").waitFor();
      await s.look(page, `signin-failed-${lang}`, { schemes });
      await page.goto("/auth/signup");
      await page.locator("[name=password]").fill("vast otter sings low");
      await s.look(page, `signup-${lang}`, { schemes, docs: lang === "he" });
      await signUp(page, who);
      await page.goto("/auth/account");
      await s.look(page, `account-${lang}`, { schemes, docs: lang === "he" });
      await page.goto("/auth/account/email");
      await page.locator("[name=newEmail]").fill(address(`moved-${lang}`));
      await page.locator("[name=currentPassword]").fill(password);
      await page.locator("button.primary").click();
      await page.getByRole("status").waitFor();
      await s.look(page, `account-pending-${lang}`, { schemes });
      const stranger = await s.visit("plain", { lang });
      await stranger.goto(await s.link("plain", who, "verify_email"));
      await stranger.locator("[name=password]").waitFor();
      await s.look(stranger, `verify-password-${lang}`, { schemes });
      await page.goto("/auth/forgot");
      await page.locator("[name=loginId]").fill(who);
      await page.locator("button.primary").click();
      await page.getByText(who).waitFor();
      await s.look(page, `forgot-sent-${lang}`, { schemes });
    }
  }],
  ["gallery: a look of one's own", async (s) => {
    const page = await s.visit("branded");
    await page.goto("/auth/signin");
    await s.at(page, "/auth/signin", "Welcome aboard");
    await s.look(page, "signin-branded", { docs: true });
  }],
];
