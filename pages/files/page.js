"use strict";
(() => {
  const all = (selector, of = document) => [...of.querySelectorAll(selector)];

  // The answer to a form gets the address of its page, so that loading it again asks for the page.
  const address = document.body.dataset.address;
  if (address && location.pathname !== address) history.replaceState(null, "", address);

  // Show what is typed, until it is sent.
  for (const button of all(".reveal")) {
    const input = document.getElementById(button.getAttribute("aria-controls"));
    const show = (on) => {
      input.type = on ? "text" : "password";
      button.classList.toggle("on", on);
      button.setAttribute("aria-label", on ? button.dataset.hide : button.dataset.show);
    };
    button.hidden = false;
    button.addEventListener("click", () => { show(input.type === "password"); input.focus(); });
    input.form.addEventListener("submit", () => show(false));
  }

  // What the policy asks for, and how much more there is. The server decides.
  const rules = {
    length: (text, min) => [...text].length >= min,
    lowercase: (text) => /\p{Ll}/u.test(text),
    uppercase: (text) => /\p{Lu}/u.test(text),
    number: (text) => /\p{Nd}/u.test(text),
    symbol: (text) => /[^\p{L}\p{M}\p{N}]/u.test(text),
  };
  // How strong a password is at most: the server knows lists of common ones, so nothing is more than good here.
  // What is easy to guess counts for little: the names on the page, one piece over and over, neighbours in a row.
  const rows = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn"];
  const near = (a, b) => a === b || rows.some((row) => row.includes(a + b) || row.includes(b + a));
  const strength = (text, min, names) => {
    if ([...text].length < min) return 1;
    let rest = text.slice(0, 256).toLowerCase();
    for (const name of names) rest = rest.replaceAll(name, "");
    const letters = [...rest.replace(/(.+?)\1+/gsu, "$1")];
    const worth = letters.filter((letter, i) => !i || !near(letters[i - 1], letter)).length * Math.min(1, new Set(letters).size / 9);
    return worth < min * 0.6 ? 1 : worth < Math.max(18, min * 1.2) ? 2 : 3;
  };
  const namesFor = (input) => {
    const typed = all("[name=name], [name=loginId], [name=username]", input.form).map((other) => other.value);
    return [input.dataset.product, location.hostname, ...typed].map((name) => name.normalize("NFC").toLowerCase())
      .flatMap((name) => [name, ...name.split(/[@.\s_-]+/)]).filter((name) => name.length > 2)
      .sort((a, b) => b.length - a.length);
  };
  for (const box of all(".strength")) {
    const input = document.getElementById(box.dataset.for);
    const min = Number(input.dataset.min);
    const words = ["", box.dataset.weak, box.dataset.fair, box.dataset.good];
    const said = box.querySelector("[role=status]");
    const update = () => {
      const text = input.value.normalize("NFC");
      const level = text ? strength(text, min, namesFor(input)) : 0;
      box.hidden = !text;
      all(".meter i", box).forEach((bar, i) => bar.classList.toggle("on", i < level));
      if (said.textContent !== words[level]) said.textContent = words[level];
      for (const rule of all("[data-rule]", input.closest(".field"))) {
        const met = rules[rule.dataset.rule](text, min);
        rule.classList.toggle("done", met);
        rule.querySelector(".met").hidden = !met;
      }
    };
    input.form.addEventListener("input", update);
    update();
  }

  // One press of a button sends once.
  for (const form of all("form")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
      setTimeout(() => delete form.dataset.sent, 5000);
    });
  }
  addEventListener("pageshow", () => all("form").forEach((form) => delete form.dataset.sent));

  // Times in the reader's own zone.
  for (const time of all("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!isNaN(at)) time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  }
})();
