// A whole life by keyboard alone: no mouse, and nothing is filled in but by typing where the focus is. Mailed links are
// opened by their address, as a mail program does. Words are left to the other tests: what to press is known by what
// it does.
import { address, another, password } from "./stage.mjs";

// hands are a person's, at the keyboard of one page.
class Hands {
  constructor(stage, page) {
    this.s = stage;
    this.page = page;
  }

  // What has the focus, and whether that can be seen.
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

  // Goes on with Tab until what is wanted has the focus: an input by its name, a link or a button by where it leads. When
  // everything had its turn the focus leaves the page and comes again, so that nobody is caught anywhere.
  async to(what, how = "Tab") {
    const passed = [];
    for (let i = 0; i < 80; i++) {
      const { is, ring, visible, index } = await this.focus();
      if (is) {
        if (i > 0) this.s.ok(ring && visible, `${is} has the focus, and one cannot see it`);
        this.s.ok(index <= 0, `${is} jumps the queue`);
      }
      if (is === what || what instanceof RegExp && what.test(is)) return;
      passed.push(is || "the page");
      await this.page.keyboard.press(how);
    }
    throw new Error(`no way to ${what} by ${how}: ${passed.join(", ")}`);
  }

  async type(inputs) {
    for (const [name, text] of Object.entries(inputs)) {
      await this.to(name);
      await this.page.keyboard.press("Control+A");
      await this.page.keyboard.type(text);
    }
  }

  // Presses a key and waits for the page that comes of it.
  async press(key, path) {
    await Promise.all([this.page.waitForNavigation(), this.page.keyboard.press(key)]);
    this.at(path);
  }

  at(path) {
    this.s.equal(new URL(this.page.url()).pathname, path, "path");
  }

  // Fills a form in and sends it, from its last input.
  async send(inputs, path) {
    await this.type(inputs);
    await this.press("Enter", path);
  }

  async follow(href, path = href) {
    await this.to(href);
    await this.press("Enter", path);
  }

  // Presses the button of a form with the space bar.
  async push(action, path) {
    await this.to(action);
    await this.press("Space", path);
  }

  // After an error the focus is on the input that is to blame.
  async blamed(name) {
    await this.s.focused(this.page, "[aria-invalid=true]");
    const { is } = await this.focus();
    this.s.equal(is, name, "focus after an error");
  }
}

export const keyboard = [
  ["a whole life, by keyboard alone", async (s) => {
    const who = address("keyboard"), moved = address("moved-keyboard");
    const page = await s.visit("plain"), hands = new Hands(s, page);

    // Sign-up, with one mistake.
    await page.goto("/inside");
    hands.at("/auth/signin");
    await hands.follow(/^\/auth\/signup/, "/auth/signup");
    await hands.send({ name: "Ann", loginId: who, password: "short" }, "/auth/signup");
    await hands.blamed("password");
    await hands.send({ password }, "/inside");

    // The address is confirmed.
    await page.goto(await s.link("plain", who, "verify_email"));
    await hands.push("/auth/email/verify", "/auth/verify");
    await page.goto("/auth/account");
    s.equal(await page.locator("[href='/auth/account/email']").count(), 1, "the account");

    // Name, password and address change.
    await hands.follow("/auth/account/name");
    await hands.send({ name: "Ann Lindqvist" }, "/auth/account");
    const other = await s.visit("plain"), elsewhere = new Hands(s, other);
    await other.goto("/auth/signin");
    await elsewhere.send({ loginId: who, password }, "/");
    await hands.follow("/auth/account/password");
    await hands.send({ currentPassword: another, newPassword: another }, "/auth/account/password");
    await hands.blamed("currentPassword");
    await hands.send({ currentPassword: password, newPassword: another }, "/auth/account");
    await other.goto("/auth/account");
    elsewhere.at("/auth/signin");
    await hands.follow("/auth/account/email");
    await hands.send({ newEmail: "nowhere", currentPassword: another }, "/auth/account/email");
    await hands.blamed("newEmail");
    await hands.send({ newEmail: address("mistyped-keyboard"), currentPassword: another }, "/auth/account");
    await hands.push("/auth/account/email/cancel", "/auth/account");
    s.equal(await page.locator("[action='/auth/account/email/cancel']").count(), 0, "changes that are pending");
    await hands.follow("/auth/account/email");
    await hands.send({ newEmail: moved, currentPassword: another }, "/auth/account");
    await page.goto(await s.link("plain", moved, "change_email"));
    await hands.push("/auth/email/verify", "/auth/verify");

    // One device is signed out from the other.
    await elsewhere.send({ loginId: moved, password: another }, "/auth/account");
    const session = await other.evaluate(() => [...document.querySelectorAll(".sessions li")].find((e) => e.querySelector(".tag"))?.querySelector("form")?.getAttribute("action"));
    await page.goto("/auth/account");
    const devices = await page.locator(".sessions li").count();
    s.equal(devices, 2, "devices");
    await hands.push(session ?? /^\/auth\/account\/sessions\//, "/auth/account");
    s.equal(await page.locator(".sessions li").count(), 1, "devices");
    await other.goto("/auth/account");
    elsewhere.at("/auth/signin");

    // Backwards, too, and out.
    await hands.to("/auth/signout/all");
    await hands.to("/auth/signout", "Shift+Tab");
    await hands.press("Enter", "/auth/signin");

    // Forgotten, and a new password.
    await hands.follow(/^\/auth\/forgot/, "/auth/forgot");
    await hands.send({ loginId: moved }, "/auth/forgot");
    await page.goto(await s.link("plain", moved, "reset_password"));
    hands.at("/auth/reset");
    await hands.send({ newPassword: "passwordpassword" }, "/auth/reset");
    await hands.blamed("newPassword");
    await hands.send({ newPassword: password }, "/auth/signin");
    await hands.send({ loginId: moved, password: another }, "/auth/signin");
    s.equal((await hands.focus()).is, "password", "focus after a failed sign-in");
    await hands.send({ loginId: moved, password }, "/");

    // Out, everywhere.
    await page.goto("/auth/account");
    await hands.push("/auth/signout/all", "/auth/signin");
    await page.goto("/inside");
    hands.at("/auth/signin");
  }],
];
