// The lifecycle of an account by keyboard alone: no mouse, and typing only into the focused input. Emailed links are
// opened by their URL, as an email program does. Inputs are found by name, links and buttons by where they lead; the
// other tests check the texts.
import { address, otherPassword, password } from "./harness.mjs";

// Keyboard is a user at the keyboard of one page.
class Keyboard {
  constructor(harness, page) {
    this.s = harness;
    this.page = page;
  }

  // Returns what has the focus and whether the focus is visible.
  focus() {
    return this.page.evaluate(() => {
      const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
      return {
        is: e === document.body ? "" : e.name || e.getAttribute("href") || (e.form && e.type === "submit" ? e.form.getAttribute("action") : "") || e.tagName,
        ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        visible: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
        index: e.tabIndex,
      };
    });
  }

  // Presses Tab until the wanted element has the focus: an input by its name, a link or a button by where it leads. After
  // the last element the focus leaves the page and returns, so a focus trap fails the test.
  async focusOn(what, how = "Tab") {
    const passed = [];
    for (let i = 0; i < 80; i++) {
      const { is, ring, visible, index } = await this.focus();
      if (is) {
        if (i > 0) this.s.ok(ring && visible, `${is} has the focus, but the focus is not visible`);
        this.s.ok(index <= 0, `${is} has a positive tabindex`);
      }
      if (is === what || what instanceof RegExp && what.test(is)) return;
      passed.push(is || "the page");
      await this.page.keyboard.press(how);
    }
    throw new Error(`no way to ${what} by ${how}: ${passed.join(", ")}`);
  }

  async type(inputs) {
    for (const [name, text] of Object.entries(inputs)) {
      await this.focusOn(name);
      await this.page.keyboard.press("Control+A");
      await this.page.keyboard.type(text);
    }
  }

  // Presses a key and waits for the next page.
  async press(key, path) {
    await Promise.all([this.page.waitForNavigation(), this.page.keyboard.press(key)]);
    this.expectPath(path);
  }

  expectPath(path) {
    this.s.equal(new URL(this.page.url()).pathname, path, "path");
  }

  // Fills in a form and submits it with Enter in the last input.
  async fillAndSubmit(inputs, path) {
    await this.type(inputs);
    await this.press("Enter", path);
  }

  async followLink(href, path = href) {
    await this.focusOn(href);
    await this.press("Enter", path);
  }

  // Presses the button of a form with the space bar.
  async pressButton(action, path) {
    await this.focusOn(action);
    await this.press("Space", path);
  }

  // After an error, the invalid input has the focus.
  async errorAt(name) {
    await this.s.waitForFocus(this.page, "[aria-invalid=true]");
    const { is } = await this.focus();
    this.s.equal(is, name, "focus after an error");
  }
}

export const keyboard = [
  ["sign-up and sign-out by keyboard alone", async (s) => {
    const user = address("keys");
    const page = await s.open("plain");
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
    // The first input has the focus.
    await s.waitForFocus(page, "[name=loginId]");
    await page.keyboard.press("Shift+Tab");
    s.equal((await at()).name, "NNorthwind", "focus");
    await tab("loginId");
    await page.keyboard.type(user);
    await tab("password");
    await page.keyboard.type(password);
    await tab("Show password");
    await page.keyboard.press("Space");
    s.equal(await page.locator("[name=password]").getAttribute("type"), "text", "shown password");
    s.equal((await at()).name, "password", "focus");
    await page.keyboard.press("Enter");
    await s.expectPage(page, "/", "Home");
    await page.goto("/auth/account");
    for (const want of ["NNorthwind", "Send the email again", "code", "Confirm this address", "Change", "Change", "Change", "Sign out everywhere", "Sign out", "Download your data", "Delete account", "Back to Northwind"]) await tab(want);
    for (let i = 0; i < 3; i++) await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await s.expectPage(page, "/auth/signin", "Sign in");
    await page.getByText("You’re signed out.").waitFor();
    // The first input has the focus.
    await s.waitForFocus(page, "[name=loginId]");
    await page.keyboard.type(user);
    await page.keyboard.press("Tab");
    await page.keyboard.type(password);
    await page.keyboard.press("Enter");
    await s.expectPage(page, "/", "Home");
  }],
  ["a sign-up with fields of the program, and the deletion of the account, by keyboard alone", async (s) => {
    const user = address("fields-keyboard");
    const page = await s.open("fields"), keys = new Keyboard(s, page);
    await page.goto("/auth/signup");
    await keys.fillAndSubmit({ loginId: user, password }, "/auth/signup");
    await keys.errorAt("company");
    await keys.type({ password, company: "ACME" });
    await keys.focusOn("terms");
    await page.keyboard.press("Space");
    await keys.press("Enter", "/");
    await page.goto("/auth/account");
    await keys.followLink("/auth/account/delete");
    await keys.fillAndSubmit({ currentPassword: otherPassword }, "/auth/account/delete");
    await keys.errorAt("currentPassword");
    await keys.fillAndSubmit({ currentPassword: password }, "/auth/signin");
  }],
  ["the lifecycle of an account, by keyboard alone", async (s) => {
    const user = address("keyboard"), moved = address("moved-keyboard");
    const page = await s.open("plain"), keys = new Keyboard(s, page);

    // Sign-up, with one mistake.
    await page.goto("/inside");
    keys.expectPath("/auth/signin");
    await keys.followLink(/^\/auth\/signup/, "/auth/signup");
    await keys.fillAndSubmit({ name: "Ann", loginId: user, password: "short" }, "/auth/signup");
    await keys.errorAt("password");
    await keys.fillAndSubmit({ password }, "/inside");

    // Confirmation of the address.
    await page.goto(await s.emailedLink("plain", user, "verify_email"));
    await keys.pressButton("/auth/email/verify", "/auth/verify");
    await page.goto("/auth/account");
    s.equal(await page.locator("[href='/auth/account/email']").count(), 1, "the account");

    // Changes of name, password and address.
    await keys.followLink("/auth/account/name");
    await keys.fillAndSubmit({ name: "Ann Lindqvist" }, "/auth/account");
    const other = await s.open("plain"), otherKeys = new Keyboard(s, other);
    await other.goto("/auth/signin");
    await otherKeys.fillAndSubmit({ loginId: user, password }, "/");
    await keys.followLink("/auth/account/password");
    await keys.fillAndSubmit({ currentPassword: otherPassword, newPassword: otherPassword }, "/auth/account/password");
    await keys.errorAt("currentPassword");
    await keys.fillAndSubmit({ currentPassword: password, newPassword: otherPassword }, "/auth/account");
    await other.goto("/auth/account");
    otherKeys.expectPath("/auth/signin");
    await keys.followLink("/auth/account/email");
    await keys.fillAndSubmit({ newEmail: "nowhere", currentPassword: otherPassword }, "/auth/account/email");
    await keys.errorAt("newEmail");
    await keys.fillAndSubmit({ newEmail: address("mistyped-keyboard"), currentPassword: otherPassword }, "/auth/account");
    await keys.pressButton("/auth/account/email/cancel", "/auth/account");
    s.equal(await page.locator("[action='/auth/account/email/cancel']").count(), 0, "changes that are pending");
    await keys.followLink("/auth/account/email");
    await keys.fillAndSubmit({ newEmail: moved, currentPassword: otherPassword }, "/auth/account");
    await page.goto(await s.emailedLink("plain", moved, "change_email"));
    await keys.pressButton("/auth/email/verify", "/auth/verify");

    // A sign-out of another device.
    await otherKeys.fillAndSubmit({ loginId: moved, password: otherPassword }, "/auth/account");
    const session = await other.evaluate(() => [...document.querySelectorAll(".sessions li")].find((e) => e.querySelector(".tag"))?.querySelector("form")?.getAttribute("action"));
    await page.goto("/auth/account");
    const devices = await page.locator(".sessions li").count();
    s.equal(devices, 2, "devices");
    await keys.pressButton(session ?? /^\/auth\/account\/sessions\//, "/auth/account");
    s.equal(await page.locator(".sessions li").count(), 1, "devices");
    await other.goto("/auth/account");
    otherKeys.expectPath("/auth/signin");

    // Backwards with Shift+Tab, and a sign-out.
    await keys.focusOn("/auth/account/signout");
    await keys.focusOn("/auth/signout", "Shift+Tab");
    await keys.press("Enter", "/auth/signin");

    // A forgotten password.
    await keys.followLink(/^\/auth\/forgot/, "/auth/forgot");
    await keys.fillAndSubmit({ loginId: moved }, "/auth/forgot");
    await page.goto(await s.emailedLink("plain", moved, "reset_password"));
    keys.expectPath("/auth/reset");
    await keys.fillAndSubmit({ newPassword: "passwordpassword" }, "/auth/reset");
    await keys.errorAt("newPassword");
    await keys.fillAndSubmit({ newPassword: password }, "/auth/signin");
    await keys.fillAndSubmit({ loginId: moved, password: otherPassword }, "/auth/signin");
    s.equal((await keys.focus()).is, "password", "focus after a failed sign-in");
    await keys.fillAndSubmit({ loginId: moved, password }, "/");

    // A sign-out everywhere.
    await page.goto("/auth/account");
    await keys.followLink("/auth/account/signout");
    await keys.pressButton("/auth/signout/all", "/auth/signin");
    await page.goto("/inside");
    keys.expectPath("/auth/signin");
  }],
];
